"""One process of the engine, in a group of its own, and how it is stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_TICK_S = 0.5

#: (signal, seconds to wait after it). The engine saves its state within 10 s of the first and ends.
Escalation = Sequence[tuple[signal.Signals, float]]
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
DEFAULT_ESCALATION: Escalation = ((signal.SIGINT, 12.0), (signal.SIGTERM, 3.0), (_KILL, 5.0))


class EngineProcess:
    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: IO[bytes] | int | None = None,
        stderr: IO[bytes] | int | None = None,
    ) -> None:
        # A group of its own: Ctrl-C in a terminal reaches the run, and the run stops the engine; not both at once.
        self._process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    @property
    def stdout(self) -> IO[bytes] | None:
        """When it was asked for as a pipe."""
        return self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, on_tick: Callable[[], None] | None = None, timeout_s: float | None = None) -> int:
        """The exit code; negative when a signal ended it. Raises TimeoutError after `timeout_s`, and what `on_tick` raises."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            try:
                return self._process.wait(timeout=_TICK_S)
            except subprocess.TimeoutExpired:
                if on_tick is not None:
                    on_tick()
                if until is not None and time.monotonic() > until:
                    raise TimeoutError(f"the engine did not end within {timeout_s:g} s") from None

    def stop(self, escalation: Escalation = DEFAULT_ESCALATION) -> int | None:
        """Ends the whole group, politely first. Returns the exit code, None when even the last signal did not help.
        Another interruption meanwhile (a second terminate) goes straight to the next signal."""
        interruption: BaseException | None = None
        for signal_number, wait_s in escalation:
            if not self._signal(signal_number):
                break
            try:
                self._process.wait(timeout=wait_s)
                break
            except subprocess.TimeoutExpired:
                continue
            except BaseException as error:
                interruption = error
        self._end_group()
        code = self._process.poll()
        if interruption is not None and code is None:
            raise interruption
        return code

    def _signal(self, signal_number: signal.Signals) -> bool:
        """False when nothing is left to signal."""
        try:
            if sys.platform == "win32":
                self._process.send_signal(signal_number)
            else:
                os.killpg(self.pid, signal_number)
        except (ProcessLookupError, PermissionError):
            return self._process.poll() is None
        return True

    def _end_group(self) -> None:
        """What the engine may have started must not outlive it."""
        if sys.platform != "win32":
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return
            self._process.poll()
