"""Reads the messages of a worker, whole lines only.

Dagster's own file reader takes half a line at the moving end of the file for a message, and its thread dies of it: the rest,
`closed` included, is lost and the step succeeds all the same. This one waits for the end of each line, goes on after a
message that cannot be used, and remembers both.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import dagster as dg
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD

from dagster_project.lib.step_files import step_directory

_POLL_S = 0.02
_CHUNK_BYTES = 1 << 20


class MessageReader(dg.PipesMessageReader):
    """One step's messages. Read the attributes after the session has closed; `last_at` at any time."""

    def __init__(self) -> None:
        self.opened = False
        #: Parameters of the worker's last message; None until it came.
        self.closed: dict[str, Any] | None = None
        #: Lines that were no usable message: what was wrong, and how the line begins.
        self.bad: list[tuple[str, str]] = []
        self.custom: list[Any] = []
        self.last_at = time.monotonic()

    def _take(self, line: bytes, handler: Any) -> None:
        try:
            message = json.loads(line)
            handler.handle_message(message)
            method = message["method"]
        except Exception as error:
            self._refuse(repr(error), line)
            return
        if method == "opened":
            self.opened = True
        elif method == "closed":
            self.closed = message.get("params") or {}
        elif method == "report_custom_message":
            self.custom.append(message["params"]["payload"])

    def _refuse(self, why: str, line: bytes) -> None:
        if len(self.bad) < 20:
            self.bad.append((why[:300], line[:120].decode("utf-8", "replace")))


class LineReader(MessageReader):
    """From a file that the worker appends to."""

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, Any]]:
        with step_directory() as directory:
            path = directory / "messages"
            path.touch()
            done = threading.Event()
            thread = threading.Thread(target=self._follow, args=(path, handler, done), name="pipes-messages", daemon=True)
            thread.start()
            try:
                yield {"path": str(path), "include_stdio_in_messages": False}
            finally:
                done.set()
                thread.join()

    def no_messages_debug_text(self) -> str:
        return "Looked for messages in a file that the worker appends to."

    def _follow(self, path: Path, handler: Any, done: threading.Event) -> None:
        rest: list[bytes] = []
        with path.open("rb") as file:
            while True:
                # Asked before the read: what was written before the worker ended is read in any case.
                is_last = done.is_set()
                if chunk := file.read(_CHUNK_BYTES):
                    self.last_at = time.monotonic()
                    *lines, tail = chunk.split(b"\n")
                    for line in lines:
                        self._take(b"".join([*rest, line]), handler)
                        rest = []
                    if tail:
                        rest.append(tail)
                elif is_last:
                    break
                else:
                    time.sleep(_POLL_S)
        if rest:
            self._refuse("the last line has no end", b"".join(rest))


class StreamReader(MessageReader):
    """From the worker's stdout, for workers that share no file with us. What is no message (a launcher's own words) is passed on
    to the step's stdout; half a message is not taken for words."""

    _JOIN_S = 10

    def __init__(self) -> None:
        super().__init__()
        self._handler: Any = None
        self._thread: threading.Thread | None = None

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, Any]]:
        self._handler = handler
        try:
            yield {"stdio": "stdout"}
        finally:
            if self._thread is not None:
                self._thread.join(self._JOIN_S)
                if self._thread.is_alive():
                    self._refuse("somebody keeps the stream open after the worker ended", b"")

    def no_messages_debug_text(self) -> str:
        return "Looked for messages in the worker's stdout."

    def attach(self, stream: IO[bytes]) -> None:
        """Call once, within the session."""
        self._thread = threading.Thread(target=self._follow, args=(stream,), name="pipes-messages", daemon=True)
        self._thread.start()

    def _follow(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self.last_at = time.monotonic()
                if PIPES_PROTOCOL_VERSION_FIELD.encode() not in line:
                    sys.stdout.write(line.decode("utf-8", "replace"))
                elif line.endswith(b"\n"):
                    self._take(line, self._handler)
                else:
                    self._refuse("the last line has no end", line)
