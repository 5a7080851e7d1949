"""Keeps Dagster's dynamic partitions in step with the engine's."""

from collections.abc import Collection
from dataclasses import dataclass

import dagster as dg

from dagster_project.lib.engine_runner import EngineRunner
from dagster_project.lib.partition_list import PartitionList, read_partition_list

PARTITIONS_NAME = "enrichment_source_cohort"


@dataclass(frozen=True)
class PartitionChanges:
    #: Sorted: ranges in the UI follow the order of insertion.
    add: tuple[str, ...]
    delete: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.add or self.delete)


def partition_changes(known: Collection[str], listed: PartitionList, in_flight: Collection[str] = ()) -> PartitionChanges:
    """Pure. Without a state file nothing is deleted: it may be elsewhere today. Nor is what is queued or running."""
    add = sorted(set(listed.keys) - set(known))
    gone = set(known) - set(listed.keys) - set(in_flight) if listed.has_state else set()
    return PartitionChanges(tuple(add), tuple(sorted(gone)))


def list_partitions(engine_runner: EngineRunner) -> PartitionList:
    """Raises `EngineFailed`, or ValueError when the answer is none."""
    messages = engine_runner.ask({"mode": "partitions"})
    found = next((one for one in messages if one.get("kind") == "partitions"), None)
    if found is None:
        raise ValueError("the engine ended well and listed no partitions; do its version and this package's belong together?")
    return read_partition_list(found)


def apply_changes(instance: dg.DagsterInstance, changes: PartitionChanges) -> None:
    if changes.add:
        instance.add_dynamic_partitions(PARTITIONS_NAME, list(changes.add))
    for key in changes.delete:
        instance.delete_dynamic_partition(PARTITIONS_NAME, key)


def describe_changes(changes: PartitionChanges) -> str:
    return f"partitions: {len(changes.add)} added, {len(changes.delete)} removed"
