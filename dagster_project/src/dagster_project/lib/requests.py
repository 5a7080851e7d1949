"""Which partitions get a run, in which order and with which priority. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dagster_project.lib.partition_list import PartitionRow, SourceRow

PRIORITY_TAG = "dagster/priority"
SOURCE_TAG = "enrichment/source"
COHORT_TAG = "enrichment/cohort"
REASON_TAG = "enrichment/reason"
TRIGGER_TAG = "enrichment/trigger"
TOKEN_TAG = "enrichment/bulk_token"

# Classes of urgency; within one, the rank decides.
_WHOLE_SOURCE, _STALE, _DUE = 20_000, 10_000, 0
_MOST_RANKS = 9_999


@dataclass(frozen=True)
class Choice:
    rows: tuple[PartitionRow, ...]
    #: Planned partitions that got no run now, by why.
    in_flight: int
    over_budget: int
    left_over: int


@dataclass(frozen=True)
class Limits:
    calls: int
    partitions: int


def choose(rows: Sequence[PartitionRow], *, in_flight: Collection[str], limits: Limits, already: Collection[str] = ()) -> Choice:
    """Planned partitions, stale first, within the limits; never one that is queued or running, or `already` asked for.

    A partition that alone exceeds what is left of the call budget is kept, as the engine does: its run stops at the budget.
    """
    planned = sorted((row for row in rows if row.planned and row.served_by is None), key=_urgency)
    fresh = [row for row in planned if row.partition not in already]
    waiting = [row for row in fresh if row.partition not in in_flight]
    affordable: list[PartitionRow] = []
    left = limits.calls
    for row in waiting:
        if left <= 0:
            break
        affordable.append(row)
        left -= row.calls
    chosen = tuple(affordable[: limits.partitions])
    return Choice(
        rows=chosen,
        in_flight=len(fresh) - len(waiting),
        over_budget=len(waiting) - len(affordable),
        left_over=len(affordable) - len(chosen),
    )


def _urgency(row: PartitionRow) -> tuple[int, float, int, str]:
    """Passes over whole sources settle what others would ask; then stale before due, most overdue first."""
    return (-_class_of(row), -row.overdue_ratio, -row.due, row.partition)


def _class_of(row: PartitionRow) -> int:
    if row.kind != "cohort":
        return _WHOLE_SOURCE
    return _STALE if row.stale > 0 else _DUE


def priorities(rows: Sequence[PartitionRow]) -> list[int]:
    """For rows in the order of `choose`: higher runs first, also beside those that another tick requested."""
    return [_class_of(row) + max(0, _MOST_RANKS - rank) for rank, row in enumerate(rows)]


def source_tags(partition: str) -> dict[str, str]:
    """Tags of every run of a partition; limits per source in dagster.yaml go by them."""
    source, _, cohort = partition.partition(":")
    return {SOURCE_TAG: source, COHORT_TAG: cohort}


def request_tags(row: PartitionRow, priority: int, *, trigger: str, token: str) -> dict[str, str]:
    return {
        **source_tags(row.partition),
        PRIORITY_TAG: str(priority),
        REASON_TAG: "sla_breach" if row.stale > 0 else "due",
        TRIGGER_TAG: trigger,
        TOKEN_TAG: token,
    }


def nothing_to_do(choice: Choice, sources: Sequence[SourceRow]) -> str:
    """Why no partition is requested, for the tick's history."""
    parts = []
    if choice.in_flight:
        parts.append(f"{choice.in_flight} planned partition(s) are queued or running already")
    if choice.over_budget:
        parts.append(f"{choice.over_budget} planned partition(s) are beyond the call budget")
    parts += [f"{one.source} is held back, {one.due} due there: {one.held_back}" for one in sources if one.held_back is not None]
    return "; ".join(parts) or "nothing is due"
