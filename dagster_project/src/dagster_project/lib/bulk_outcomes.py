"""Outcomes of the bulk assets, derived from run records.

Dagster's open-source storage keeps no event for a materialization that failed. What it keeps is that one was *planned* by a
run: a plan without a materialization behind it is an attempt, and the run's status says how that went. It works for assets of
any code location of the same instance.
"""

from collections.abc import Sequence

import dagster as dg

from dagster_project.lib.gate import Attempt, BulkOutcome

_ENDED_BADLY = {dg.DagsterRunStatus.FAILURE: "failed", dg.DagsterRunStatus.CANCELED: "canceled"}
_RUNNING = frozenset(
    {
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.MANAGED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    }
)


def bulk_outcomes(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> list[BulkOutcome]:
    return [_outcome_of(instance, key) for key in keys]


def _outcome_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> BulkOutcome:
    latest = instance.get_latest_materialization_event(key)
    record = next(iter(instance.fetch_materializations(key, limit=1).records), None)
    attempts = [
        attempt
        for partition, run_id in _unanswered_plans(instance, key)
        if (attempt := _judge(instance, key, partition, run_id)) is not None
    ]
    return BulkOutcome(
        asset=key.to_user_string(),
        materialized=None if record is None or latest is None else record.storage_id,
        open_attempts=tuple(attempts),
    )


def _unanswered_plans(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[tuple[str | None, str]]:
    """(partition, run id) of the latest plans that no materialization of the same run answers."""
    storage = instance.event_log_storage
    by_partition = storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
    plans: list[tuple[str | None, str]] = [(partition, run_id) for partition, (run_id, _) in by_partition.items()]
    planned = storage.get_latest_planned_materialization_info(key)
    if planned is not None and not any(run_id == planned.run_id for _, run_id in plans):
        partitions = _planned_partitions(instance, key, planned.run_id)
        if partitions == {None} and not _materialized_in(instance, key, planned.run_id):
            plans.append((None, planned.run_id))
    return plans


def _planned_partitions(instance: dg.DagsterInstance, key: dg.AssetKey, run_id: str) -> set[str | None]:
    planned = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    events = (record.event_log_entry.dagster_event for record in planned)
    return {event.partition for event in events if event is not None and event.asset_key == key}


def _materialized_in(instance: dg.DagsterInstance, key: dg.AssetKey, run_id: str) -> bool:
    made = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    events = (record.event_log_entry.dagster_event for record in made)
    return any(event is not None and event.asset_key == key for event in events)


def _judge(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None, run_id: str) -> Attempt | None:
    """None when there is nothing to hold against the asset: the run left it out, or is not known any more, or a later
    success (of another run, or reported from outside) has answered it."""
    record = next(iter(instance.get_run_records(dg.RunsFilter(run_ids=[run_id]), limit=1)), None)
    if record is None:
        return None
    status = record.dagster_run.status
    if status in _RUNNING:
        return Attempt(run_id=run_id, state="running", partition=partition)
    if status not in _ENDED_BADLY:
        return None
    ended_at = record.end_time if record.end_time is not None else record.update_timestamp.timestamp()
    latest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=None if partition is None else [partition]), limit=1
    ).records
    if latest and latest[0].timestamp > ended_at:
        return None
    state = _ENDED_BADLY[status]
    return Attempt(run_id=run_id, state="canceled" if state == "canceled" else "failed", partition=partition)
