"""What the end of a worker means for its step. Pure.

A step succeeds only when the worker says so three times: exit code 0, a connection that was opened and closed without an
exception, and no line lost. Anything less is a failure; nothing is ever reported in the worker's place.
"""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from dagster_project.lib.partition_list import read_instant

EXIT_OK = 0
EXIT_TRY_LATER = 75
EXIT_CONFIGURATION = 78
EXIT_INTERRUPTED = 130

Kind = Literal["done", "retry", "deferred", "configuration", "interrupted", "failed"]

#: Between tries of one step that only wait: 5, 10, 20 ... s, longer when the engine says so.
_FIRST_WAIT_S = 5
_LONGEST_WAIT_S = 300


@dataclass(frozen=True)
class End:
    """How a worker ended: exit code (negative: the signal that ended it) and what it had told until then."""

    exit_code: int
    opened: bool
    closed: Mapping[str, Any] | None
    bad: Sequence[tuple[str, str]] = ()
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Verdict:
    kind: Kind
    message: str
    #: Seconds until another try makes sense; None when nothing says.
    wait_s: float | None = None


@dataclass(frozen=True)
class Patience:
    """How long a step may wait. Failures have nothing to do with it: they are counted apart (`lib/retries.py`)."""

    #: A single wait; a longer one is left to a later run.
    max_wait_s: float = 900
    #: All waits of a run together.
    max_total_s: float = 1_800
    #: Waits of this run so far, and what they took.
    waits: int = 0
    waited_s: float = 0


def judge(end: End, patience: Patience = Patience()) -> Verdict:
    why = _why(end)
    code = end.exit_code
    if code == EXIT_OK:
        incomplete = _incomplete(end)
        return Verdict("done", why) if incomplete is None else Verdict("failed", incomplete)
    if code == EXIT_TRY_LATER:
        return _later(end, why, patience)
    if code == EXIT_CONFIGURATION:
        return Verdict("configuration", why or "configuration or credentials need a person")
    if code in (EXIT_INTERRUPTED, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGTERM):
        return Verdict("interrupted", why or "the engine was stopped; the next run goes on from its checkpoint")
    if code < 0:
        return Verdict("failed", f"the engine was killed by {_signal_name(-code)}; the next try goes on from its checkpoint")
    return Verdict("failed", why or f"the engine ended with exit code {code}; its own words are in the step's stderr")


def _incomplete(end: End) -> str | None:
    """Why an exit code of 0 is not believed; None when it is."""
    if end.bad:
        first, line = end.bad[0]
        return f"{len(end.bad)} message(s) of the engine were unreadable, so nothing it told is relied on: {first}: {line}"
    if not end.opened:
        return "the engine ended with exit code 0 and never opened its connection"
    if end.closed is None:
        return "the engine ended with exit code 0 and did not close its connection: its work stopped half way"
    if "exception" in end.closed:
        return f"the engine ended with exit code 0 and reported an exception: {_exception_text(end.closed)}"
    told = None if end.result is None else end.result.get("exit_code")
    if told not in (None, EXIT_OK):
        return f"the engine ended with exit code 0 and reported exit code {told}"
    return None


def _later(end: End, why: str, patience: Patience) -> Verdict:
    told = None if end.result is None else end.result.get("retry_after_s")
    after = float(told) if isinstance(told, int | float) and told > 0 else 0.0
    message = why or "not now"
    longest = min(_LONGEST_WAIT_S, patience.max_wait_s)
    wait_s = max(after, min(_FIRST_WAIT_S * 2 ** min(patience.waits, 10), longest))
    if after > patience.max_wait_s or patience.waited_s + wait_s > patience.max_total_s:
        return Verdict("deferred", message, wait_s=after or None)
    return Verdict("retry", message, wait_s=wait_s)


def resumes_at(end: End, verdict: Verdict, now: datetime) -> datetime | None:
    """When a deferred run makes sense again, by the engine's clock, which a sandbox moves; `now` when the engine did not tell the
    time. None when nothing says."""
    if verdict.wait_s is None:
        return None
    report = (end.result or {}).get("report")
    ended_at = read_instant(report.get("finished_at")) if isinstance(report, Mapping) else None
    return (ended_at or now) + timedelta(seconds=verdict.wait_s)


def _why(end: End) -> str:
    result = end.result or {}
    error = result.get("error")
    parts = [str(result["why"])] if result.get("why") else []
    if isinstance(error, Mapping) and error.get("next"):
        parts.append(f"next: {error['next']}")
    if not parts and end.closed and "exception" in end.closed:
        parts.append(_exception_text(end.closed))
    return "\n".join(parts)


def _exception_text(closed: Mapping[str, Any]) -> str:
    exception = closed.get("exception")
    if not isinstance(exception, Mapping):
        return str(exception)
    return ": ".join(str(exception[key]) for key in ("name", "message") if exception.get(key))


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (out of memory?)" if name == "SIGKILL" else name
