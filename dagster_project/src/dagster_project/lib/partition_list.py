"""The engine's answer to `partitions`, typed. Shapes: docs/dagster-pipes.md."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What the engine makes of a source and a cohort. Dagster itself takes anything, and its UI then trips over commas and the like.
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}:[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9_.-]{0,119}")


def is_partition_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def split_key(key: str) -> tuple[str, str]:
    """`source:cohort` -> (source, cohort). Raises ValueError for anything else."""
    if not is_partition_key(key):
        raise ValueError(f"{key!r} is no partition; write it as source:cohort, e.g. sam_gov:uei_batch_0001")
    source, _, cohort = key.partition(":")
    return source, cohort


@dataclass(frozen=True)
class PartitionRow:
    partition: str
    source: str
    cohort: str
    #: `cohort`, or a pass over the whole source: `feed`, `file`.
    kind: str
    population: int
    due: int
    stale: int
    overdue_ratio: float
    #: Until the oldest knowledge is past the SLA; negative: past it.
    sla_left_s: float
    #: The engine has work for it now.
    planned: bool
    calls: int
    reason: str | None
    #: Comes first, because it settles what this one would ask: the change feed before its cohorts.
    after: str | None
    #: Asking for this one runs that one.
    served_by: str | None


@dataclass(frozen=True)
class SourceRow:
    source: str
    #: Refreshed by itself.
    enabled: bool
    coverage: float
    threshold: float
    below_threshold: bool
    due: int
    stale: int
    held_back: str | None


@dataclass(frozen=True)
class PartitionList:
    #: False before the first bulk load: then nothing can be said about partitions.
    has_state: bool
    rows: tuple[PartitionRow, ...]
    sources: tuple[SourceRow, ...]
    #: When, by the engine's clock; None without a state.
    at: datetime | None = None

    @property
    def keys(self) -> list[str]:
        """Partitions to be offered: those of sources that are switched off would be listed as missing for ever."""
        off = {row.source for row in self.sources if not row.enabled}
        return [row.partition for row in self.rows if row.source not in off]


def read_partition_list(message: Mapping[str, Any]) -> PartitionList:
    """Raises ValueError when the message is not what docs/dagster-pipes.md says."""
    try:
        rows = tuple(_row(row) for row in message["partitions"])
        return PartitionList(
            has_state=message.get("state") != "missing",
            rows=rows,
            sources=tuple(_source(row) for row in message["sources"]),
            at=read_instant(message.get("at")),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the engine's list of partitions lacks something: {error!r}") from error


def read_instant(text: Any) -> datetime | None:
    """A moment as the engine writes it (`2026-11-21T03:00:00.000Z`), in UTC; None for anything else."""
    try:
        read = datetime.fromisoformat(text.replace("Z", "+00:00")) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if read is None or read.tzinfo is None else read


def _row(row: Mapping[str, Any]) -> PartitionRow:
    source, cohort = split_key(row["partition"])
    return PartitionRow(
        partition=row["partition"],
        source=source,
        cohort=cohort,
        kind=row["kind"],
        population=row["population"],
        due=row["due"],
        stale=row["stale"],
        overdue_ratio=row["overdue_ratio"],
        sla_left_s=row["sla_left_s"],
        planned=row["planned"],
        calls=row["calls"],
        reason=row["reason"],
        after=row["after"],
        served_by=row["served_by"],
    )


def _source(row: Mapping[str, Any]) -> SourceRow:
    return SourceRow(
        source=row["source"],
        enabled=row["enabled"],
        coverage=row["coverage"],
        threshold=row["threshold"],
        below_threshold=row["below_threshold"],
        due=row["due"],
        stale=row["stale"],
        held_back=row["held_back"],
    )
