"""What the runs of the last day say about partitions and the call budget."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import dagster as dg

from dagster_project.lib.engine_runner import DEFERRED_TAG
from dagster_project.lib.in_flight import PARTITION_TAG
from dagster_project.lib.requests import CALLS_TAG

#: The call budget is one of a day. An hour less, so that the night does not count the night before.
BUDGET_HOURS = 23
#: A partition that failed is left alone for so many looks: whoever is called about it needs to be told once, not every hour.
REST_LOOKS = 4

_ENDED_BADLY = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class PastRun:
    partition: str
    status: dg.DagsterRunStatus
    created_at: datetime
    ended_at: datetime | None
    #: Calls that its request was planned with; None when it was launched by hand.
    planned_calls: int | None
    deferred_until: datetime | None


def past_runs(instance: dg.DagsterInstance, *, job_name: str, now: datetime) -> list[PastRun]:
    """Newest first."""
    since = dg.RunsFilter(job_name=job_name, created_after=now - timedelta(hours=BUDGET_HOURS))
    return [_past(record) for record in instance.get_run_records(since) if PARTITION_TAG in record.dagster_run.tags]


def _past(record: dg.RunRecord) -> PastRun:
    tags = record.dagster_run.tags
    calls = tags.get(CALLS_TAG, "")
    return PastRun(
        partition=tags[PARTITION_TAG],
        status=record.dagster_run.status,
        created_at=record.create_timestamp,
        ended_at=None if record.end_time is None else datetime.fromtimestamp(record.end_time, timezone.utc),
        planned_calls=int(calls) if calls.isdecimal() else None,
        deferred_until=_instant(tags.get(DEFERRED_TAG)),
    )


def _instant(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def calls_requested(runs: Collection[PastRun]) -> int:
    return sum(run.planned_calls or 0 for run in runs)


def resting(runs: Sequence[PastRun], now: datetime, rest_s: float) -> set[str]:
    """Partitions that are left alone for now: their latest run (`runs` are newest first) was deferred to a later time, or
    failed or was canceled less than `rest_s` ago."""
    latest: dict[str, PastRun] = {}
    for run in runs:
        latest.setdefault(run.partition, run)
    return {partition for partition, run in latest.items() if _rests(run, now, rest_s)}


def _rests(run: PastRun, now: datetime, rest_s: float) -> bool:
    if run.status not in _ENDED_BADLY:
        return False
    if run.deferred_until is not None:
        return now < run.deferred_until
    return now < (run.ended_at or run.created_at) + timedelta(seconds=rest_s)
