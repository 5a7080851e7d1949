"""The gate in front of every refresh that starts by itself. Pure: outcomes of the bulk assets in, one state out.

    WAITING   a bulk asset has never succeeded, or is being loaded now
    PAUSED    the load of a bulk asset that ended last failed, was canceled, ran for longer than any may, or did not pass a
              blocking check; its next success reopens
    OPEN      all have succeeded; the token stands for exactly these loads

Launches by hand, from the UI or the command line, do not pass here.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Attempt:
    """A load that has not succeeded (yet)."""

    run_id: str
    #: `overdue`: is recorded as running, for longer than any may.
    state: Literal["running", "failed", "canceled", "overdue"]
    partition: str | None = None
    #: The blocking check that what it wrote did not pass.
    check: str | None = None


@dataclass(frozen=True)
class BulkOutcome:
    """What is known of one bulk asset."""

    asset: str
    #: Storage id of its latest materialization; None when there is none.
    materialized: int | None
    #: Loads without success that no later success has answered, newest first; of a partitioned asset one per partition.
    open_attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Waiting:
    reason: str


@dataclass(frozen=True)
class Paused:
    asset: str
    run_id: str
    reason: str


@dataclass(frozen=True)
class Open:
    token: str


Gate = Waiting | Paused | Open


def evaluate(outcomes: Sequence[BulkOutcome]) -> Gate:
    """A failure outranks everything: what it left behind may be half a load."""
    for outcome in outcomes:
        for attempt in outcome.open_attempts:
            if attempt.state != "running":
                return _paused(outcome, attempt)
    if not outcomes:
        return Waiting("no bulk asset is watched; set ENRICHMENT_BULK_ASSET_KEYS")
    loading = [(outcome.asset, attempt) for outcome in outcomes for attempt in outcome.open_attempts]
    if loading:
        asset, attempt = loading[0]
        return Waiting(f"bulk asset {asset} is being loaded in run {attempt.run_id}")
    missing = [outcome.asset for outcome in outcomes if outcome.materialized is None]
    if missing:
        return Waiting(f"never materialized: {', '.join(missing)}")
    return Open(token_of(outcomes))


def _paused(outcome: BulkOutcome, attempt: Attempt) -> Paused:
    what = outcome.asset if attempt.partition is None else f"{outcome.asset}, partition {attempt.partition},"
    first = "" if outcome.materialized is not None else "; it has never succeeded"
    how = {"failed": "failed", "overdue": "has not ended in the longest time a load may take"}.get(attempt.state, "was canceled")
    if attempt.check is not None:
        how = f"did not pass its blocking check {attempt.check}"
    stop = "terminate that run and load again; " if attempt.state == "overdue" else ""
    again = next((one for one in outcome.open_attempts if one.state == "running" and one.partition == attempt.partition), None)
    loading = "" if again is None else f"; run {again.run_id} is loading it"
    return Paused(
        asset=outcome.asset,
        run_id=attempt.run_id,
        reason=f"bulk asset {what} {how} in run {attempt.run_id}{first}{loading}; {stop}"
        "refreshes go on by themselves after its next success",
    )


def token_of(outcomes: Sequence[BulkOutcome]) -> str:
    """The same for the same loads, whatever the order of the assets."""
    text = "\n".join(sorted(f"{outcome.asset}={outcome.materialized}" for outcome in outcomes))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe(gate: Gate) -> str:
    """One line for a tick's history."""
    if isinstance(gate, Waiting):
        return f"WAITING: {gate.reason}"
    if isinstance(gate, Paused):
        return f"PAUSED: {gate.reason}"
    return f"OPEN({gate.token})"
