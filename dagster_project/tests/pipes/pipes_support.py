"""Runs a Node worker as a Dagster step, with a reader that takes whole lines only.

Needs nothing of the `dagster_project` package: these tests are about the wire between the installed Dagster and the
TypeScript client, and must hold whatever the package does with it.
"""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest


def repository_root() -> Path:
    """The directory that holds package.json and ts/, above this file."""
    for directory in Path(__file__).resolve().parents:
        if (directory / "package.json").is_file() and (directory / "ts" / "pipes").is_dir():
            return directory
    pytest.skip("no repository with ts/pipes above the tests", allow_module_level=True)


ROOT = repository_root()
GOLDEN = ROOT / "test" / "integration" / "pipes-golden.ts"
WORKER = ROOT / "ts" / "pipes" / "main.js"


def find_node() -> str:
    """The Node that the lock file pins, else one on the path that is new enough."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    pinned = ROOT / "node_modules" / f"node-linux-{machine}" / "bin" / "node"
    if pinned.is_file():
        return str(pinned)
    found = shutil.which("node")
    if found is not None:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.lstrip("v").split(".")[0]) >= 24:
            return found
    pytest.skip("no Node >= 24: run npm ci in the repository", allow_module_level=True)


NODE = find_node()


class LineReader(dg.PipesMessageReader):
    """Reads the message file by whole lines. A message that Dagster refuses is noted and does not end the reading."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.refused: list[tuple[str, bytes]] = []

    @contextmanager
    def read_messages(self, handler) -> Iterator[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "messages")
            Path(path).touch()
            ended = threading.Event()
            thread = threading.Thread(target=self._run, args=(path, handler, ended), daemon=True)
            thread.start()
            try:
                yield {"path": path, "include_stdio_in_messages": False}
            finally:
                ended.set()
                thread.join()

    def _run(self, path: str, handler, ended: threading.Event) -> None:
        rest = b""
        with open(path, "rb") as file:
            while True:
                # Sampled before the read: what was written before the end is read after it.
                stop = ended.is_set()
                chunk = file.read(1 << 20)
                if chunk:
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        self._take(line, handler)
                elif stop:
                    break
                else:
                    time.sleep(0.02)
        if rest:
            self.refused.append(("no end", rest[:80]))

    def _take(self, line: bytes, handler) -> None:
        try:
            message = json.loads(line)
            self.messages.append(message)
            handler.handle_message(message)
        except Exception as error:  # noqa: BLE001 - whatever Dagster makes of it is what is looked for
            self.refused.append((repr(error)[:300], line[:80]))

    def no_messages_debug_text(self) -> str:
        return "a message file, read by lines"

    def params_of(self, method: str) -> list[Any]:
        return [message["params"] for message in self.messages if message["method"] == method]

    @property
    def closed(self) -> dict[str, Any] | None:
        return next(iter(self.params_of("closed")), None)


class Ran:
    """What came of one step."""

    def __init__(self, result, reader: LineReader, exit_code: int | None, custom: Sequence[Any], stderr: str) -> None:
        self.result = result
        self.reader = reader
        self.exit_code = exit_code
        self.custom = custom
        self.stderr = stderr

    @property
    def materializations(self) -> list[Any]:
        return [event.step_materialization_data.materialization for event in self.result.get_asset_materialization_events()]

    @property
    def checks(self) -> list[Any]:
        return self.result.get_asset_check_evaluations()

    def logs(self, instance: dg.DagsterInstance) -> list[tuple[int, str]]:
        """Level and text of the log messages of the run."""
        entries = instance.all_logs(self.result.run_id)
        return [(entry.level, entry.user_message) for entry in entries if not entry.is_dagster_event]

    def engine_errors(self, instance: dg.DagsterInstance) -> list[Any]:
        entries = instance.all_logs(self.result.run_id)
        events = [entry.dagster_event for entry in entries if entry.is_dagster_event]
        return [
            event.event_specific_data.error
            for event in events
            if event.event_type_value == "ENGINE_EVENT" and event.event_specific_data.error is not None
        ]


def run_step(
    argv: Sequence[str],
    *,
    instance: dg.DagsterInstance,
    extras: Mapping[str, Any] | None = None,
    key: Sequence[str] = ("my_asset",),
    checks: Sequence[str] = (),
    partition: str | None = None,
    injector: dg.PipesContextInjector | None = None,
    by_arguments: bool = False,
    env: Mapping[str, str] | None = None,
    on_start=None,
) -> Ran:
    """Materializes an asset whose step runs `argv`. The step fails unless the exit code is 0 and `closed` was clean."""
    reader = LineReader()
    seen: dict[str, Any] = {"custom": (), "exit_code": None, "stderr": ""}
    asset_key = dg.AssetKey(list(key))
    partitions = dg.DynamicPartitionsDefinition(name="cohorts")
    if partition is not None:
        instance.add_dynamic_partitions("cohorts", [partition])

    # A multi-asset, because the key of an ordinary one is a name too and cannot have odd characters.
    @dg.multi_asset(
        name="step",
        outs={"out": dg.AssetOut(key=asset_key, dagster_type=dg.Nothing)},
        partitions_def=partitions if partition is not None else None,
        check_specs=[dg.AssetCheckSpec(name, asset=asset_key) for name in checks],
    )
    def step(context: dg.AssetExecutionContext):
        with dg.open_pipes_session(
            context=context,
            context_injector=injector or dg.PipesTempFileContextInjector(),
            message_reader=reader,
            extras=dict(extras or {}),
        ) as session:
            bootstrap = {} if by_arguments else session.get_bootstrap_env_vars()
            more = [word for pair in session.get_bootstrap_cli_arguments().items() for word in pair] if by_arguments else []
            process = subprocess.Popen(
                [*argv, *more],
                env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **(env or {}), **bootstrap},
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            if on_start is not None:
                threading.Thread(target=on_start, args=(process, reader), daemon=True).start()
            seen["stderr"] = process.communicate()[1]
            seen["exit_code"] = process.returncode
        seen["custom"] = session.get_custom_messages()
        if process.returncode != 0:
            raise dg.Failure(f"exit code {process.returncode}", allow_retries=False)
        if reader.closed != {} or reader.refused:
            raise dg.Failure(f"messages incomplete: {reader.closed} {reader.refused}", allow_retries=False)
        yield from session.get_results(implicit_materializations=False)

    result = dg.materialize([step], instance=instance, partition_key=partition, raise_on_error=False)
    return Ran(result, reader, seen["exit_code"], seen["custom"], seen["stderr"])


def golden(
    steps: Sequence[Mapping[str, Any]],
    *,
    instance: dg.DagsterInstance,
    more: Mapping[str, Any] | None = None,
    **options,
) -> Ran:
    """Runs the worker of the conformance cases: see `Step` in pipes-golden.ts."""
    return run_step([NODE, str(GOLDEN), json.dumps({"steps": list(steps), **(more or {})})], instance=instance, **options)
