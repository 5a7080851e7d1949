"""Sources whose runs have been deferred, and nothing else, for too long. Pure.

A run that is deferred is no failure: a quota is spent, a provider is down for an hour. When it goes on, somebody has to look.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dagster import DagsterRunStatus

from dagster_project.lib.run_history import PastRun


@dataclass(frozen=True)
class Outage:
    source: str
    #: When the first run of it was deferred that no other end has followed.
    since: datetime
    runs: int
    last_run_id: str
    last_partition: str


def outages(runs: Iterable[PastRun]) -> dict[str, Outage]:
    """By source; `runs` are newest first. What is queued, runs or was canceled says nothing; a success, and a failure, which has
    its own alert, end an outage."""
    found: dict[str, Outage] = {}
    ended: set[str] = set()
    for run in runs:
        source = run.partition.partition(":")[0]
        if source in ended:
            continue
        if run.is_deferred:
            later = found.get(source)
            at = run.ended_at or run.created_at
            found[source] = (
                Outage(source, at, 1, run.run_id, run.partition)
                if later is None
                else Outage(source, min(at, later.since), later.runs + 1, later.last_run_id, later.last_partition)
            )
        elif run.status in (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE):
            ended.add(source)
    return found


def to_alert(found: Mapping[str, Outage], told: Sequence[str], now: datetime, after_s: float) -> list[Outage]:
    """Those that last for `after_s` and that nobody was told of."""
    return [one for source, one in sorted(found.items()) if source not in told and now - one.since >= timedelta(seconds=after_s)]
