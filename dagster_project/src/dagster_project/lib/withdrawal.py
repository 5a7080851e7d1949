"""Takes back what was requested and has not started, when the gate has closed over it."""

import time
from collections.abc import Callable

import dagster as dg

from dagster_project.lib.requests import TRIGGER_TAG, WITHDRAWN_TAG
from dagster_project.lib.reservations import deciding

#: A tick has a minute in all; what is left comes with the next one.
_LONGEST_S = 20


def withdraw_queued(
    instance: dg.DagsterInstance,
    *,
    job_name: str,
    because: str,
    longest_s: float = _LONGEST_S,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Cancels runs that were requested by a sensor or the schedule and are still queued, and returns how many; each is tagged
    with the reason. What a person launched is left (backfills and re-executions, too), and so is what has started."""
    until = clock() + longest_s
    count = 0
    with deciding():
        queued = dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.QUEUED])
        for run in instance.get_runs(queued):
            if not _started_by_itself(run):
                continue
            if clock() > until:
                break
            # It may have been dequeued since; the coordinator would then terminate it.
            now = instance.get_run_by_id(run.run_id)
            if now is None or now.status != dg.DagsterRunStatus.QUEUED:
                continue
            instance.add_run_tags(run.run_id, {WITHDRAWN_TAG: because})
            if instance.run_coordinator.cancel_run(run.run_id):
                count += 1
    return count


def _started_by_itself(run: dg.DagsterRun) -> bool:
    return TRIGGER_TAG in run.tags and run.parent_run_id is None and "dagster/backfill" not in run.tags
