"""What the end of a worker means for its step. Pure.

A step succeeds only when the worker says so three times: exit code 0, a connection that was opened and closed without an
exception, and no line lost. Anything less is a failure; nothing is ever reported in the worker's place.
"""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

EXIT_OK = 0
EXIT_TRY_LATER = 75
EXIT_CONFIGURATION = 78
EXIT_INTERRUPTED = 130

Kind = Literal["done", "retry", "deferred", "configuration", "interrupted", "failed"]

#: Tries of one step that only wait: 5, 10, 20 ... s, 25 minutes in all.
MAX_WAITING_TRIES = 10
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


def judge(end: End, *, tries: int = 0, max_wait_s: float = 900) -> Verdict:
    """`tries`: how often this step was tried before. `max_wait_s`: longer waits are left to a later run."""
    why = _why(end)
    code = end.exit_code
    if code == EXIT_OK:
        incomplete = _incomplete(end)
        return Verdict("done", why) if incomplete is None else Verdict("failed", incomplete)
    if code == EXIT_TRY_LATER:
        return _later(end, why, tries, max_wait_s)
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


def _later(end: End, why: str, tries: int, max_wait_s: float) -> Verdict:
    told = None if end.result is None else end.result.get("retry_after_s")
    after = float(told) if isinstance(told, int | float) and told > 0 else 0.0
    message = why or "not now"
    if after > max_wait_s or tries >= MAX_WAITING_TRIES:
        return Verdict("deferred", message, wait_s=after or None)
    return Verdict("retry", message, wait_s=max(after, min(_FIRST_WAIT_S * 2**tries, _LONGEST_WAIT_S, max_wait_s)))


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
