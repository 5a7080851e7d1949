"""What gate sensor, nightly schedule and the sensor for what becomes due share: the gate's state, and run requests for what the
engine has planned."""

from collections.abc import Collection
from dataclasses import dataclass

import dagster as dg

from dagster_project.lib.bulk_outcomes import bulk_outcomes
from dagster_project.lib.gate import Gate, evaluate
from dagster_project.lib.partition_list import PartitionList
from dagster_project.lib.requests import Choice, Known, Limits, choose, priorities, request_tags


def gate_of(instance: dg.DagsterInstance, keys: Collection[dg.AssetKey]) -> Gate:
    return evaluate(bulk_outcomes(instance, list(keys)))


@dataclass(frozen=True)
class Trigger:
    #: For the run's tag: `post_bulk`, `nightly`, `due`.
    name: str
    #: Begins the run keys: no partition is launched twice under the same.
    occasion: str
    token: str


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
