"""What the sensors remember between ticks. Pure."""

import json
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class GateCursor:
    #: Token of the loads that are being, or were, followed by refreshes.
    token: str | None = None
    #: Everything that was planned for the token has been requested.
    is_done: bool = False
    #: Calls that the requests for the token were planned with.
    calls: int = 0
    #: Unix time of the last comparison of partitions.
    synced_at: float = 0
    #: The gate has been paused since, which withdrew what was queued.
    was_paused: bool = False
    #: How often the gate was opened for the token again, without a new load: what paused it was deleted.
    reopened: int = 0

    def for_token(self, token: str) -> "GateCursor":
        if token != self.token:
            return replace(self, token=token, is_done=False, calls=0, was_paused=False, reopened=0)
        if self.was_paused:
            return replace(self, is_done=False, calls=0, was_paused=False, reopened=self.reopened + 1)
        return self

    @property
    def occasion(self) -> str:
        """Begins run keys, which Dagster launches once only, withdrawn or not."""
        return f"{self.token}:{self.reopened}" if self.reopened else str(self.token)

    def dump(self) -> str:
        return json.dumps(asdict(self))


def read_cursor(text: str | None) -> GateCursor:
    """A cursor that cannot be read (someone set it by hand) is a new one: run keys keep it from repeating a launch."""
    try:
        found = json.loads(text or "{}")
        return GateCursor(
            token=None if found.get("token") is None else str(found["token"]),
            is_done=bool(found.get("is_done", False)),
            calls=int(found.get("calls", 0)),
            synced_at=float(found.get("synced_at", 0)),
            was_paused=bool(found.get("was_paused", False)),
            reopened=int(found.get("reopened", 0)),
        )
    except (ValueError, TypeError, AttributeError):
        return GateCursor()


@dataclass(frozen=True)
class DueCursor:
    """The sensor for what becomes due looks every so often; what it does on one look may take several ticks."""

    #: Token of the loads that the gate was open with.
    token: str | None = None
    #: Unix time of the latest look.
    looked_at: float = 0
    #: What was planned then has been requested.
    is_done: bool = True
    #: Partitions that the rest waits for.
    awaited: tuple[str, ...] = ()

    def dump(self) -> str:
        return json.dumps(asdict(self))


def read_due_cursor(text: str | None) -> DueCursor:
    """Like `read_cursor`."""
    try:
        found = json.loads(text or "{}")
        return DueCursor(
            token=None if found.get("token") is None else str(found["token"]),
            looked_at=float(found.get("looked_at", 0)),
            is_done=bool(found.get("is_done", True)),
            awaited=tuple(str(one) for one in found.get("awaited", ())),
        )
    except (ValueError, TypeError, AttributeError):
        return DueCursor()
