"""Whether the process that executes a run is still there.

Dagster's own launcher does not know it: only a code server that lives on fails the runs of its dead workers, so that after a
power cut, or a kill of everything, runs stay STARTED for ever and hold their slots. Here each run bears where it is executed
(host, boot, process namespace), and Dagster's own events name the processes. What is said of a process is certain or it is
`unknown`: a run on another host or in another container, or one that nobody marked, is never taken for dead.
"""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import dagster as dg

#: Hidden on Dagster's pages, as all tags that begin so are.
WORKER_TAG = ".dagster/enrichment_worker"

WorkerState = Literal["alive", "dead", "unknown"]


@dataclass(frozen=True)
class Place:
    """Where process ids mean the same. Empty where the system does not tell."""

    host: str
    boot: str
    namespace: str


@dataclass(frozen=True)
class Mark:
    #: A run that is executed again inherits the tags of its parent.
    run_id: str
    place: Place
    #: Of the step's process, with its start in ticks since the boot, which tells it from a later one of the same id.
    pid: int | None = None
    start: int | None = None

    def dump(self) -> str:
        return json.dumps(asdict(self))


def here() -> Place:
    # Hosts of one image may bear one name.
    host = f"{socket.gethostname()} {_read('/etc/machine-id')}".strip()
    return Place(host, _read("/proc/sys/kernel/random/boot_id"), _link("/proc/self/ns/pid"))


def mark_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """The run will be executed here, by a process that is not known yet."""
    instance.add_run_tags(run_id, {WORKER_TAG: Mark(run_id, here()).dump()})


def mark_worker(context: dg.AssetExecutionContext) -> None:
    """The run is executed here, by this process. To be called when a step begins."""
    mark = Mark(context.run_id, here(), os.getpid(), start_of(os.getpid()))
    context.instance.add_run_tags(context.run_id, {WORKER_TAG: mark.dump()})


def worker_state(instance: dg.DagsterInstance, run: dg.DagsterRun, *, at: Place | None = None) -> WorkerState:
    """Of a run that has started, seen from `at` (here, if left out)."""
    mark, at = _mark_of(run), at or here()
    if mark is None or mark.place.host != at.host:
        return "unknown"
    if mark.place.boot != at.boot:
        return "dead"
    if mark.place.namespace != at.namespace:
        return "unknown"
    pids = set(_pids(instance, run.run_id))
    if mark.pid is not None:
        pids.discard(mark.pid)
        # Of somebody else's process the system may hide when it began.
        if _is_alive(mark.pid) and (mark.start is None or start_of(mark.pid) in (None, mark.start)):
            return "alive"
    elif not pids:
        return "unknown"
    return "alive" if any(_is_alive(pid) for pid in pids) else "dead"


def start_of(pid: int) -> int | None:
    """None when there is no such process, or it is a zombie, or nothing says."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else int(fields[19])


def _pids(instance: dg.DagsterInstance, run_id: str) -> Iterator[int]:
    """Of processes that Dagster's executors and code servers have executed the run with."""
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records:
        event = record.event_log_entry.dagster_event
        value = None if event is None else event.engine_event_data.metadata.get("pid")
        if value is not None and str(value.value).isdecimal():
            yield int(str(value.value))


def _mark_of(run: dg.DagsterRun) -> Mark | None:
    try:
        found = json.loads(run.tags[WORKER_TAG])
        mark = Mark(found["run_id"], Place(**found["place"]), found["pid"], found["start"])
    except (KeyError, ValueError, TypeError):
        return None
    return mark if mark.run_id == run.run_id else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    fields = _stat(pid)
    return fields is None or fields[0] != "Z"


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the third on; the name before them may hold anything."""
    text = _read(f"/proc/{pid}/stat")
    return text.rsplit(")", 1)[1].split() if ")" in text else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
