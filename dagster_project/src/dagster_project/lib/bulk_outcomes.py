"""Outcomes of the bulk assets, derived from run records.

Dagster's open-source storage keeps no event for a materialization that failed. What it keeps is that one was *planned* by a
run: a plan without a materialization behind it is an attempt, and the run's status says how that went. It works for assets of
any code location of the same instance.

A load that has not succeeded counts until a success that came after its end. Its end is the last that was heard of the load
itself, as the record of a run whose process is dead may be closed by somebody long after. So of two loads at once the one
that ends last decides. One whose record says "started" is being made; where its process is not known to live, a success of a
run that began later answers it, and one that has run for longer than any may (`longest_load_s`) counts as failed. Of a
partitioned asset all this holds per partition, for the latest load of each.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from dagster_project.lib.gate import Attempt, BulkOutcome
from dagster_project.lib.run_workers import worker_state

_ENDED_BADLY = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_RUNNING = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.MANAGED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_NOT_BEGUN = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.MANAGED)
#: Loads of an asset that are looked at, newest first. One that was planned so many loads ago and still runs is none.
_MOST_LOADS = 200
#: Successes that are looked at for one that began later.
_MOST_SUCCESSES = 20
#: Events of a run that are looked at, newest first, for the last one of its own.
_MOST_EVENTS = 50
#: Where dagster.yaml has no `run_monitoring.max_runtime_seconds`.
_LONGEST_LOAD_S = 43_200.0
_MAX_RUNTIME_TAGS = ("dagster/max_runtime", "dagster/max_runtime_seconds")

StillThere = Callable[[dg.AssetKey, str], bool]


def bulk_outcomes(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], *, still_there: StillThere = lambda _key, _partition: True
) -> list[BulkOutcome]:
    """`still_there` says whether an asset has a partition; what is held against one that was deleted holds up nothing."""
    return [_outcome_of(instance, key, still_there) for key in keys]


def _outcome_of(instance: dg.DagsterInstance, key: dg.AssetKey, still_there: StillThere) -> BulkOutcome:
    latest = instance.get_latest_materialization_event(key)
    loads = instance.fetch_materializations(key, limit=_MOST_LOADS).records
    attempts = [*_unanswered(instance, key), *_unsound(instance, key, loads)]
    return BulkOutcome(
        asset=key.to_user_string(),
        materialized=loads[0].storage_id if loads and latest is not None else None,
        open_attempts=tuple(one for one in attempts if one.partition is None or still_there(key, one.partition)),
    )


def _unanswered(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[Attempt]:
    """Loads that are being made, and those that ended badly and were not followed by a success."""
    by_partition = instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
    plans: list[tuple[str | None, str]] = [(partition, run_id) for partition, (run_id, _) in by_partition.items()]
    planned = instance.fetch_planned_materializations(key, limit=_MOST_LOADS).records
    whole = dict.fromkeys(one.run_id for one in planned if _is_of_whole_asset(one))
    plans += [(None, run_id) for run_id in whole]
    records = _run_records(instance, {run_id for _, run_id in plans}, (*_RUNNING, *_ENDED_BADLY))
    for partition, run_id in plans:
        record = records.get(run_id)
        if record is None or (partition is None and _materialized_in(instance, key, run_id)):
            continue
        attempt = _judge(instance, key, partition, record)
        if attempt is not None:
            yield attempt


def _is_of_whole_asset(record: dg.EventLogRecord) -> bool:
    event = record.event_log_entry.dagster_event
    return event is not None and event.partition is None and event.partitions_subset is None


def _run_records(
    instance: dg.DagsterInstance, run_ids: set[str], statuses: Sequence[dg.DagsterRunStatus]
) -> dict[str, dg.RunRecord]:
    if not run_ids:
        return {}
    found = instance.get_run_records(dg.RunsFilter(run_ids=sorted(run_ids), statuses=list(statuses)))
    return {record.dagster_run.run_id: record for record in found}


def _materialized_in(instance: dg.DagsterInstance, key: dg.AssetKey, run_id: str) -> bool:
    made = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    events = (record.event_log_entry.dagster_event for record in made)
    return any(event is not None and event.asset_key == key for event in events)


def _judge(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None, record: dg.RunRecord) -> Attempt | None:
    """None when a success (of another run, or reported from outside) has answered it."""
    run_id, status = record.dagster_run.run_id, record.dagster_run.status
    if status in _NOT_BEGUN:
        return Attempt(run_id=run_id, state="running", partition=partition)
    began_at = _began_at(record)
    filtered = dg.AssetRecordsFilter(asset_key=key, asset_partitions=None if partition is None else [partition])
    successes = instance.fetch_materializations(filtered, limit=_MOST_SUCCESSES).records
    if status in _RUNNING:
        is_overdue = time.time() - began_at > longest_load_s(instance, record.dagster_run)
        # As far as is known nothing more comes from it, and whoever loaded anew since has seen what it left.
        is_over = is_overdue or worker_state(instance, record.dagster_run) != "alive"
        if is_over and _is_followed(instance, successes, run_id, began_at):
            return None
        return Attempt(run_id=run_id, state="overdue" if is_overdue else "running", partition=partition)
    if successes and successes[0].timestamp > _ended_at(instance, record):
        return None
    is_canceled = status == dg.DagsterRunStatus.CANCELED
    return Attempt(run_id=run_id, state="canceled" if is_canceled else "failed", partition=partition)


def _began_at(record: dg.RunRecord) -> float:
    """Unix time. One that never started began when it was asked for."""
    return record.start_time if record.start_time is not None else record.create_timestamp.timestamp()


def _is_followed(instance: dg.DagsterInstance, successes: Sequence[dg.EventLogRecord], run_id: str, began_at: float) -> bool:
    """By a success of a run that began later."""
    others = {one.run_id for one in successes} - {run_id, ""}
    if not others:
        return False
    return any(_began_at(one) > began_at for one in instance.get_run_records(dg.RunsFilter(run_ids=sorted(others))))


def _ended_at(instance: dg.DagsterInstance, record: dg.RunRecord) -> float:
    """Unix time of the last that was heard of the load itself. Somebody else may have closed its record much later."""
    if record.start_time is None:
        return record.end_time if record.end_time is not None else record.update_timestamp.timestamp()
    newest = instance.get_records_for_run(record.dagster_run.run_id, limit=_MOST_EVENTS, ascending=False).records
    # What was planned for its steps was written before.
    own = (one.timestamp for one in newest if one.event_log_entry.step_key is not None)
    return max(record.start_time, next(own, 0))


def longest_load_s(instance: dg.DagsterInstance, run: dg.DagsterRun) -> float:
    """After so long Dagster's run monitoring ends a run, and none that is still recorded as running is believed."""
    for tag in _MAX_RUNTIME_TAGS:
        try:
            # 0 is Dagster's word for no limit.
            return float(run.tags[tag]) or math.inf
        except (KeyError, ValueError):
            continue
    return float(instance.run_monitoring_max_runtime_seconds) or _LONGEST_LOAD_S


def _unsound(instance: dg.DagsterInstance, key: dg.AssetKey, loads: Sequence[dg.EventLogRecord]) -> Iterator[Attempt]:
    """Loads that were written and then did not pass a blocking check of their own run, nor of one after it."""
    newest: dict[str | None, str] = {}
    for load in loads:
        newest.setdefault(load.partition_key, load.run_id)
    failed = _run_records(instance, set(newest.values()), [dg.DagsterRunStatus.FAILURE])
    for partition, run_id in newest.items():
        if run_id in failed:
            for check in _blocking_failures(instance, key, partition, run_id):
                yield Attempt(run_id=run_id, state="failed", partition=partition, check=check)


def _blocking_failures(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None, run_id: str) -> Iterator[str]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        found = event.asset_check_evaluation_data
        is_about = found.asset_key == key and found.partition in (None, partition)
        if not is_about or found.passed or not found.blocking or found.severity != dg.AssetCheckSeverity.ERROR:
            continue
        if not _passes_now(instance, found.asset_check_key, partition):
            yield found.check_name


def _passes_now(instance: dg.DagsterInstance, key: dg.AssetCheckKey, partition: str | None) -> bool:
    """It was run again, by itself, and passed; for the partition, if there is one."""
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
    if latest is None or latest.event is None or latest.event.dagster_event is None:
        return False
    event = latest.event.dagster_event
    if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return False
    found = event.asset_check_evaluation_data
    return found.passed and found.partition == partition
