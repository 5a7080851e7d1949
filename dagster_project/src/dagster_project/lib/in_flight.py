"""Partitions whose run is queued or under way, whichever way it was launched."""

from collections.abc import Collection

import dagster as dg

PARTITION_TAG = "dagster/partition"

_NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def _is_about(run: dg.DagsterRun, asset_key: dg.AssetKey, job_name: str) -> bool:
    # Backfills from the asset page run under Dagster's own job, with a selection.
    return run.job_name == job_name or asset_key in (run.asset_selection or ())


def partitions_in_flight(instance: dg.DagsterInstance, *, asset_key: dg.AssetKey, job_name: str) -> set[str]:
    runs = instance.get_runs(dg.RunsFilter(statuses=_NOT_ENDED))
    return {run.tags[PARTITION_TAG] for run in runs if PARTITION_TAG in run.tags and _is_about(run, asset_key, job_name)}


def partitions_of_runs(instance: dg.DagsterInstance, *, tags: dict[str, str]) -> Collection[str]:
    """Partitions of all runs that bear the tags, ended or not."""
    runs = instance.get_runs(dg.RunsFilter(tags=tags))
    return {run.tags[PARTITION_TAG] for run in runs if PARTITION_TAG in run.tags}
