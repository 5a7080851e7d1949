"""What gate sensor, nightly schedule and the sensor for what becomes due share: the gate's state, what is asked for already, and
run requests for what the engine has planned."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from dagster_project.lib.bulk_outcomes import bulk_outcomes
from dagster_project.lib.gate import Gate, Paused, describe, evaluate
from dagster_project.lib.in_flight import partitions_in_flight
from dagster_project.lib.partition_list import PartitionList
from dagster_project.lib.requests import Choice, Known, Limits, choose, priorities, request_tags
from dagster_project.lib.reservations import Reservation, reserved
from dagster_project.lib.settings import Settings
from dagster_project.lib.withdrawal import withdraw_queued


def gate_of(
    instance: dg.DagsterInstance,
    keys: Collection[dg.AssetKey],
    repository: dg.RepositoryDefinition | None = None,
) -> Gate:
    """`repository` is asked which partitions of the bulk assets it defines are still there."""
    return evaluate(bulk_outcomes(instance, list(keys), still_there=_still_there(instance, repository)))


def _still_there(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition | None) -> Callable[[dg.AssetKey, str], bool]:
    def still_there(key: dg.AssetKey, partition: str) -> bool:
        graph = None if repository is None else repository.asset_graph
        # Defined in another code location, it is known here by its key alone.
        partitions: Any = graph.get(key).partitions_def if graph is not None and graph.has(key) else None
        return partitions is None or partitions.has_partition_key(partition, dynamic_partitions_store=instance)

    return still_there


def closed_text(instance: dg.DagsterInstance, gate: Gate, *, job_name: str) -> str:
    """Why nothing is requested while the gate is not open. A gate that is paused takes back what is queued behind it, too."""
    if not isinstance(gate, Paused):
        return describe(gate)
    count = withdraw_queued(instance, job_name=job_name, because=f"gate paused by run {gate.run_id} of {gate.asset}")
    return f"{describe(gate)}; {count} queued run(s) withdrawn" if count else describe(gate)


@dataclass(frozen=True)
class Busy:
    """What must not be requested again."""

    #: Queued, running, or reserved.
    partitions: frozenset[str] = frozenset()
    #: The latter, by partition.
    reserved: Mapping[str, Reservation] | None = None

    def or_before(self, earlier: "Busy") -> "Busy":
        """Also what was busy before the engine made its list: it may have ended since, and the list not know of it."""
        return Busy(self.partitions | earlier.partitions, self.reserved)


def busy_partitions(instance: dg.DagsterInstance, *, asset_key: dg.AssetKey, job_name: str, now: float) -> Busy:
    coming = reserved(instance, now)
    under_way = partitions_in_flight(instance, asset_key=asset_key, job_name=job_name)
    return Busy(frozenset({*coming, *under_way}), coming)


@dataclass(frozen=True)
class Trigger:
    #: For the run's tag: `post_bulk`, `nightly`, `due`.
    name: str
    #: Begins the run keys: no partition is launched twice under the same.
    occasion: str
    token: str


def room_for(settings: Settings, in_flight: Collection[str], *, most: int, is_often: bool = True) -> Limits | None:
    """How many runs may be requested now, `most` at most; the call budget is left open. None when there is no room, or so little
    that one who looks often (`is_often`) had better wait: a look starts a process of the engine."""
    free = settings.max_queued - len(in_flight)
    if free < (max(1, min(most, settings.max_queued // 2)) if is_often else 1):
        return None
    return Limits(calls=0, partitions=min(most, free), per_source=settings.max_queued_per_source)


def no_room(settings: Settings, in_flight: Collection[str]) -> str:
    return (
        f"{len(in_flight)} partitions are queued or running, and {settings.max_queued} are the most (ENRICHMENT_MAX_QUEUED); "
        "it goes on when enough of them have ended"
    )


def run_requests(
    listed: PartitionList, *, trigger: Trigger, limits: Limits, known: Known, waits_for_feeds: bool = True
) -> tuple[list[dg.RunRequest], Choice]:
    choice = choose(listed.rows, known=known, limits=limits, waits_for_feeds=waits_for_feeds)
    requests = [
        dg.RunRequest(
            run_key=f"{trigger.occasion}:{row.partition}",
            partition_key=row.partition,
            tags=request_tags(row, priority, trigger=trigger.name, occasion=trigger.occasion, token=trigger.token),
        )
        for row, priority in zip(choice.rows, priorities(choice.rows), strict=True)
    ]
    return requests, choice
