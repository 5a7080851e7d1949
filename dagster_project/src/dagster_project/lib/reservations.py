"""Partitions that a tick has decided to request and whose runs are not there yet.

The daemon creates the runs of a tick one by one, which takes minutes, and meanwhile evaluates the other sensors and the schedule.
What is in flight, read from run records, is therefore not all that was asked for. So each starter notes what it requests before
it returns it, in the instance's cursor storage, which outlives processes; and decides under a lock of this process, which
evaluates all ticks of an instance.

A reservation ends when its own run is there (known by occasion and partition, so that no clocks are compared), or after the
longest time that creating the runs may take: a daemon that died in between must not hold a partition for ever. Each starter
writes an entry of its own, so that a tick tried out from the UI, which another process evaluates, overwrites nobody's.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from dagster_project.lib.in_flight import PARTITION_TAG
from dagster_project.lib.requests import CALLS_TAG, OCCASION_TAG

STARTERS = ("post_bulk", "due", "nightly")
#: From the decision to the run: so long for the tick itself, and so long for each run that is created before it.
GRACE_S = 300
PER_REQUEST_S = 5

_LOCK = threading.Lock()


@dataclass(frozen=True)
class Reservation:
    occasion: str
    #: Calls that the request was planned with.
    calls: int
    #: Unix time at which it is void, run or no run.
    until: float


@contextmanager
def deciding() -> Iterator[None]:
    """One tick at a time: within, read what is reserved, choose, and `reserve`."""
    with _LOCK:
        yield


def reserved(instance: dg.DagsterInstance, now: float) -> dict[str, Reservation]:
    """By partition, of all starters: those that hold. Ask for them before asking what is in flight: a run that is created in
    between is then seen twice instead of not at all."""
    held = {partition: one for entry in _read(instance).values() for partition, one in entry.items() if now < one.until}
    there = _runs_of(instance, {one.occasion for one in held.values()})
    return {partition: one for partition, one in held.items() if (one.occasion, partition) not in there}


def reserve(instance: dg.DagsterInstance, starter: str, requests: Sequence[dg.RunRequest], now: float) -> None:
    """Notes them, in the order in which their runs will be created, and forgets what has been void for long."""
    if not requests:
        return
    entry = {partition: one for partition, one in _read(instance)[starter].items() if now < one.until}
    for rank, request in enumerate(requests):
        assert request.partition_key is not None
        entry[request.partition_key] = Reservation(
            request.tags[OCCASION_TAG], int(request.tags[CALLS_TAG]), now + GRACE_S + PER_REQUEST_S * rank
        )
    _write(instance, starter, entry)


def release(instance: dg.DagsterInstance, starter: str, occasion: str) -> None:
    """Takes back what was reserved on an occasion: its tick failed and is evaluated again."""
    entry = _read(instance)[starter]
    kept = {partition: one for partition, one in entry.items() if one.occasion != occasion}
    if len(kept) < len(entry):
        _write(instance, starter, kept)


def _runs_of(instance: dg.DagsterInstance, occasions: set[str]) -> set[tuple[str, str]]:
    if not occasions:
        return set()
    runs = instance.get_runs(dg.RunsFilter(tags={OCCASION_TAG: sorted(occasions)}))
    return {(run.tags[OCCASION_TAG], run.tags[PARTITION_TAG]) for run in runs if PARTITION_TAG in run.tags}


def _name(starter: str) -> str:
    return f"enrichment/reserved/{starter}"


def _read(instance: dg.DagsterInstance) -> dict[str, dict[str, Reservation]]:
    stored = instance.daemon_cursor_storage.get_cursor_values({_name(starter) for starter in STARTERS})
    return {starter: _parse(stored.get(_name(starter))) for starter in STARTERS}


def _parse(text: str | None) -> dict[str, Reservation]:
    """What cannot be read is none: the engine's leases hold all the same."""
    try:
        return {
            str(partition): Reservation(str(occasion), int(calls), float(until))
            for partition, (occasion, calls, until) in json.loads(text or "{}").items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def _write(instance: dg.DagsterInstance, starter: str, entry: Mapping[str, Reservation]) -> None:
    text = json.dumps({partition: [one.occasion, one.calls, one.until] for partition, one in entry.items()})
    instance.daemon_cursor_storage.set_cursor_values({_name(starter): text})
