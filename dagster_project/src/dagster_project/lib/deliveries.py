"""Alerts on their way: each receiver gets each alert once, whatever becomes of the other receiver and of the others' alerts.

A tick of a sensor has little time and what it remembers is lost when it fails. So a tick posts for a bounded time, one try each,
and remembers what each receiver has not got yet; later ticks go on. A receiver that does not take an alert rests, longer each
time, and while it rests costs nothing. What was refused, or may have been taken although no answer came, is tried a few times
only, after all that was not; the rest for a day. What is given up is told, never silently dropped.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dagster_project.lib.alerts import Answer

#: Begins no further try after so long in one tick; the last one may take `alerts.POST_WITHIN_S` more.
TICK_BUDGET_S = 20.0
#: Tries that were refused or not answered, of one alert at one receiver.
MOST_TRIES = 5
GIVE_UP_AFTER_S = 86_400.0
#: Alerts that may wait for one receiver.
MOST_WAITING = 200
_MOST_REMEMBERED = 100
#: Whoever has room is given so many at a time, which may be more than there is room for.
_READ_AT_ONCE = 50
_FIRST_REST_S, _LONGEST_REST_S = 30.0, 1_800.0

#: What is posted for an alert's key; None when there is nothing to tell any more.
AlertOf = Callable[[str], Mapping[str, Any] | None]
#: (receiver, alert)
Post = Callable[[str, Mapping[str, Any]], Answer]


@dataclass
class Pending:
    #: Unix time.
    since: float
    #: Receivers that have not got it, with the tries that were refused or not answered.
    receivers: dict[str, int]


@dataclass
class Rest:
    until: float
    failures: int


@dataclass
class Deliveries:
    """What a sensor remembers of its alerts. Oldest first."""

    pending: dict[str, Pending] = field(default_factory=dict)
    resting: dict[str, Rest] = field(default_factory=dict)

    def add(self, key: str, receivers: Sequence[str], now: float) -> None:
        if key not in self.pending and receivers:
            self.pending[key] = Pending(now, dict.fromkeys(receivers, 0))

    def waiting(self, receiver: str) -> list[str]:
        """Keys of the alerts that it has not got, oldest first."""
        return [key for key, pending in self.pending.items() if receiver in pending.receivers]

    def has_room(self, receivers: Sequence[str]) -> bool:
        """Whether there is one that may take more: another that takes nothing must not keep it waiting."""
        return min((len(self.waiting(name)) for name in receivers), default=0) < MOST_WAITING

    def deliver(
        self,
        alert_of: AlertOf,
        post: Post,
        *,
        receivers: Sequence[str],
        now: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> "Outcome":
        """`receivers`: those that are configured now; what waits for another one is forgotten. `now` is Unix time, `clock` counts
        the seconds of this tick."""
        outcome = Outcome()
        for name in receivers:
            self._give_up_oldest(name, outcome)
        began = clock()
        # Rests that end in the midst of a tick end with the next one.
        awake = [name for name in receivers if name not in self.resting or self.resting[name].until <= now]
        for key, pending in sorted(self.pending.items(), key=lambda one: max(one[1].receivers.values(), default=0)):
            pending.receivers = {name: tries for name, tries in pending.receivers.items() if name in receivers}
            self._forget_old(key, pending, now, outcome)
            ready = [name for name in pending.receivers if name in awake]
            if ready and clock() - began < TICK_BUDGET_S:
                alert = alert_of(key)
                if alert is None:
                    pending.receivers.clear()
                for name in ready if alert is not None else ():
                    assert alert is not None
                    if clock() - began < TICK_BUDGET_S and not self._try(key, name, alert, post, now, outcome):
                        awake.remove(name)
            if not pending.receivers:
                del self.pending[key]
        return outcome

    def _try(self, key: str, name: str, alert: Mapping[str, Any], post: Post, now: float, outcome: "Outcome") -> bool:
        """False when the receiver is to be left alone for now."""
        waiting = self.pending[key].receivers
        answer = post(name, alert)
        if answer.outcome == "taken":
            self.resting.pop(name, None)
            del waiting[name]
            outcome.delivered.append(f"{key} to {name}")
            return True
        outcome.problems.append(f"{name}: {answer.problem}, about {key}")
        if answer.outcome in ("refused", "unanswered"):
            waiting[name] += 1
            if waiting[name] >= MOST_TRIES:
                del waiting[name]
                outcome.given_up.append(f"{key} to {name} after {MOST_TRIES} tries ({answer.problem})")
        failures = self.resting[name].failures + 1 if name in self.resting else 1
        rest_s = min(_FIRST_REST_S * 2 ** min(failures - 1, 10), _LONGEST_REST_S)
        self.resting[name] = Rest(now + rest_s, failures)
        return False

    def _give_up_oldest(self, name: str, outcome: "Outcome") -> None:
        waiting = self.waiting(name)
        for key in waiting[: max(0, len(waiting) - MOST_WAITING - _READ_AT_ONCE)]:
            del self.pending[key].receivers[name]
            outcome.given_up.append(f"{key} to {name}, for which more than {MOST_WAITING} wait")

    def _forget_old(self, key: str, pending: Pending, now: float, outcome: "Outcome") -> None:
        if now - pending.since > GIVE_UP_AFTER_S:
            outcome.given_up.extend(f"{key} to {name} after a day" for name in pending.receivers)
            pending.receivers.clear()

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def read(found: Any) -> "Deliveries":
        """Of `dump`; what cannot be read is none."""
        try:
            return Deliveries(
                {str(key): Pending(float(one["since"]), _tries(one["receivers"])) for key, one in found["pending"].items()},
                {str(name): Rest(float(one["until"]), int(one["failures"])) for name, one in found["resting"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return Deliveries()


def _tries(found: Mapping[Any, Any]) -> dict[str, int]:
    return {str(name): int(tries) for name, tries in found.items()}


@dataclass
class Outcome:
    """What one tick did, for its history. Receivers are named by their variables."""

    delivered: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)


@dataclass
class FailureCursor:
    """What the sensor for failed runs remembers."""

    #: Storage id of the last failure it has seen; None before the first look.
    after: int | None = None
    #: Runs that it has seen lately, newest last: a record may be closed as failed twice.
    seen: tuple[str, ...] = ()
    deliveries: Deliveries = field(default_factory=Deliveries)

    def see(self, run_id: str) -> bool:
        """Whether it is new."""
        if run_id in self.seen:
            return False
        self.seen = (*self.seen, run_id)[-_MOST_REMEMBERED:]
        return True

    def dump(self) -> str:
        return json.dumps({"after": self.after, "seen": self.seen, **self.deliveries.dump()})

    @staticmethod
    def read(text: str | None) -> "FailureCursor":
        try:
            found = json.loads(text or "{}")
            return FailureCursor(int(found["after"]), tuple(str(one) for one in found["seen"]), Deliveries.read(found))
        except (KeyError, TypeError, ValueError):
            return FailureCursor()


@dataclass
class OutageCursor:
    """What the sensor for sources that are only deferred remembers."""

    #: Sources that were told of, or are on their way.
    told: tuple[str, ...] = ()
    deliveries: Deliveries = field(default_factory=Deliveries)

    def dump(self) -> str:
        return json.dumps({"told": sorted(self.told), **self.deliveries.dump()})

    @staticmethod
    def read(text: str | None) -> "OutageCursor":
        try:
            found = json.loads(text or "{}")
            # A list of sources, of an earlier version.
            told = found if isinstance(found, list) else found.get("told", ())
            return OutageCursor(tuple(str(one) for one in told), Deliveries.read(found))
        except (TypeError, ValueError, AttributeError):
            return OutageCursor()
