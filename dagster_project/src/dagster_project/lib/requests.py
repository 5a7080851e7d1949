"""Which partitions get a run, in which order and with which priority. Pure."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dagster_project.lib.partition_list import PartitionRow, SourceRow

PRIORITY_TAG = "dagster/priority"
SOURCE_TAG = "enrichment/source"
COHORT_TAG = "enrichment/cohort"
REASON_TAG = "enrichment/reason"
TRIGGER_TAG = "enrichment/trigger"
TOKEN_TAG = "enrichment/bulk_token"
OCCASION_TAG = "enrichment/occasion"
CALLS_TAG = "enrichment/planned_calls"
#: Why a queued run was canceled by what requested it.
WITHDRAWN_TAG = "enrichment/withdrawn"

# Classes of urgency; within one, the rank decides. All below 0, Dagster's own default: what starts by itself by the hundred lets
# pass what a person launches, the monitor and a bulk load.
_WHOLE_SOURCE, _STALE, _DUE = -10_000, -20_000, -30_000
_MOST_RANKS = 9_999


@dataclass(frozen=True)
class Choice:
    rows: tuple[PartitionRow, ...]
    #: Planned partitions that got no run now, by why.
    in_flight: int = 0
    resting: int = 0
    over_budget: int = 0
    left_over: int = 0
    #: What others wait for: their source's change feed.
    awaited: tuple[str, ...] = ()
    behind: int = 0

    @property
    def is_complete(self) -> bool:
        """Nothing of this occasion is left for a later tick."""
        return self.left_over == 0 and self.behind == 0


@dataclass(frozen=True)
class Limits:
    calls: int
    #: Runs that may be requested now.
    partitions: int
    #: Runs of one source that may be queued or running; None: any number. A source that waits for its quota must not take the
    #: places of all others.
    per_source: int | None = None


@dataclass(frozen=True)
class Known:
    """What Dagster knows of partitions."""

    #: Queued, running, or requested by a tick whose runs are still being created.
    in_flight: Collection[str] = ()
    #: Requested on this occasion before.
    already: Collection[str] = ()
    #: Failed, or deferred, a short while ago.
    resting: Collection[str] = ()


def choose(rows: Sequence[PartitionRow], *, known: Known, limits: Limits, waits_for_feeds: bool = True) -> Choice:
    """Planned partitions, stale first, within the limits; never one that is queued or running, is resting, or was asked for.

    Cohorts wait while the change feed of their source is to be read first; once it has had its run, whatever came of it, they
    wait no more. A partition that alone exceeds what is left of the call budget is kept, as the engine does: its run stops at
    the budget.
    """
    planned = sorted((row for row in rows if row.planned and row.served_by is None), key=_urgency)
    fresh = [row for row in planned if row.partition not in known.already]
    awake = [row for row in fresh if row.partition not in known.resting]
    free = [row for row in awake if row.partition not in known.in_flight]
    first = {row.partition for row in awake if row.kind != "cohort"} | set(known.in_flight) if waits_for_feeds else set()
    behind = [row for row in free if row.after in first]
    ready = [row for row in free if row.after not in first]
    affordable: list[PartitionRow] = []
    left = limits.calls
    for row in ready:
        if left <= 0:
            break
        affordable.append(row)
        left -= row.calls
    chosen = _within(affordable, limits, known.in_flight)
    beyond = {row.partition for row in ready[len(affordable) :]}
    waiting = [row for row in behind if row.after not in beyond]
    return Choice(
        rows=chosen,
        in_flight=len(awake) - len(free),
        resting=len(fresh) - len(awake),
        over_budget=len(beyond) + len(behind) - len(waiting),
        left_over=len(affordable) - len(chosen),
        awaited=tuple(sorted({row.after for row in waiting if row.after is not None})),
        behind=len(waiting),
    )


def _within(rows: Sequence[PartitionRow], limits: Limits, in_flight: Collection[str]) -> tuple[PartitionRow, ...]:
    """The first of them, in their order, as far as there is room."""
    taken = Counter(partition.partition(":")[0] for partition in in_flight)
    chosen: list[PartitionRow] = []
    for row in rows:
        if len(chosen) >= limits.partitions:
            break
        if limits.per_source is None or taken[row.source] < limits.per_source:
            taken[row.source] += 1
            chosen.append(row)
    return tuple(chosen)


def _urgency(row: PartitionRow) -> tuple[int, float, int, str]:
    """Passes over whole sources settle what others would ask; then what is stale, most overdue first; then what has least time
    left until it is."""
    behind = -row.overdue_ratio if row.stale > 0 else row.sla_left_s
    return (-_class_of(row), behind, -row.due, row.partition)


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


def request_tags(row: PartitionRow, priority: int, *, trigger: str, occasion: str, token: str) -> dict[str, str]:
    return {
        **source_tags(row.partition),
        PRIORITY_TAG: str(priority),
        REASON_TAG: "sla_breach" if row.stale > 0 else "due",
        TRIGGER_TAG: trigger,
        OCCASION_TAG: occasion,
        TOKEN_TAG: token,
        CALLS_TAG: str(row.calls),
    }


def what_waits(choice: Choice) -> list[str]:
    """Planned partitions that get no run now, and why; one sentence each."""
    parts = []
    if choice.in_flight:
        parts.append(f"{choice.in_flight} planned partition(s) are queued or running already")
    if choice.behind:
        parts.append(f"{choice.behind} come after {', '.join(choice.awaited)}")
    if choice.resting:
        parts.append(f"{choice.resting} failed or were deferred a short while ago")
    if choice.over_budget:
        parts.append(f"{choice.over_budget} planned partition(s) are beyond the call budget")
    if choice.left_over:
        parts.append(f"{choice.left_over} come later, when there is room for them")
    return parts


def nothing_to_do(choice: Choice, sources: Sequence[SourceRow]) -> str:
    """Why no partition is requested, for the tick's history."""
    held = [f"{one.source} is held back, {one.due} due there: {one.held_back}" for one in sources if one.held_back is not None]
    return "; ".join([*what_waits(choice), *held]) or "nothing is due"
