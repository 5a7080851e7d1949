"""What the runs of the last day say about partitions and the call budget."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import dagster as dg

from dagster_project.lib.engine_runner import DEFERRED_TAG
from dagster_project.lib.in_flight import PARTITION_TAG
from dagster_project.lib.requests import CALLS_TAG, OCCASION_TAG, WITHDRAWN_TAG
from dagster_project.lib.reservations import Reservation

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
    #: By the engine's clock, which is the sandbox's there; None also when it named no moment.
    deferred_until: datetime | None
    is_deferred: bool = False
    #: Canceled while it was queued, because the gate had closed.
    is_withdrawn: bool = False
    occasion: str | None = None
    run_id: str = ""


def past_runs(
    instance: dg.DagsterInstance, *, job_name: str, now: datetime, within: timedelta = timedelta(hours=BUDGET_HOURS)
) -> list[PastRun]:
    """Newest first."""
    since = dg.RunsFilter(job_name=job_name, created_after=now - within)
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
        is_deferred=DEFERRED_TAG in tags,
        is_withdrawn=WITHDRAWN_TAG in tags and record.dagster_run.status == dg.DagsterRunStatus.CANCELED,
        occasion=tags.get(OCCASION_TAG),
        run_id=record.dagster_run.run_id,
    )


def _instant(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def calls_requested(runs: Collection[PastRun], reserved: Mapping[str, Reservation] | None = None) -> int:
    """Calls that all requests of the runs were planned with, and those that are reserved and have no run yet. A run that was
    withdrawn made none."""
    there = {(run.occasion, run.partition) for run in runs}
    coming = (one.calls for partition, one in (reserved or {}).items() if (one.occasion, partition) not in there)
    return sum(run.planned_calls or 0 for run in runs if not run.is_withdrawn) + sum(coming)


def resting(runs: Sequence[PastRun], now: datetime, rest_s: float, engine_now: datetime | None = None) -> set[str]:
    """Partitions that are left alone for now: their latest run (`runs` are newest first) was deferred to a later time, which is
    one of the engine's clock (`engine_now`, `now` if left out), or failed or was canceled less than `rest_s` ago. A run that was
    withdrawn says nothing about its partition."""
    latest: dict[str, PastRun] = {}
    for run in runs:
        if not run.is_withdrawn:
            latest.setdefault(run.partition, run)
    return {partition for partition, run in latest.items() if _rests(run, now, rest_s, engine_now or now)}


def _rests(run: PastRun, now: datetime, rest_s: float, engine_now: datetime) -> bool:
    if run.deferred_until is not None:
        return engine_now < run.deferred_until
    if run.status not in _ENDED_BADLY and not run.is_deferred:
        return False
    return now < (run.ended_at or run.created_at) + timedelta(seconds=rest_s)
