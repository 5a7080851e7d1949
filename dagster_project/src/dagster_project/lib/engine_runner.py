"""How the engine is run for Dagster. Assets and sensors know `EngineRunner`; which implementation it is, is configuration."""

import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Protocol, runtime_checkable

import dagster as dg
from pydantic import PrivateAttr

from dagster_project.lib.config_files import credential_variables
from dagster_project.lib.engine_process import DEFAULT_ESCALATION, EngineProcess, Escalation
from dagster_project.lib.environment import engine_environment
from dagster_project.lib.line_reader import LineReader, MessageReader
from dagster_project.lib.node import NodeNotFound, worker_argv
from dagster_project.lib.retries import Waits, earlier_tries
from dagster_project.lib.step_files import OwnFileContextInjector
from dagster_project.lib.verdict import EXIT_CONFIGURATION, End, Patience, Verdict, judge, resumes_at

DEFERRED_TAG = "enrichment/deferred_until"
_QUIET_S = 120


class EngineFailed(RuntimeError):
    """A question outside a step was not answered. The message is the engine's, with what to do next."""


class Deferred(dg.Failure):
    """Nothing failed: what the step waits for is too far away, and a later run is to go on. Its run bears `DEFERRED_TAG`."""


@dataclass(frozen=True)
class EngineRun:
    """What a worker that succeeded reported."""

    #: For Dagster: materializations and check results.
    results: tuple[dg.MaterializeResult[Any] | dg.AssetCheckResult, ...]
    #: Payloads of its custom messages, in order.
    messages: tuple[Any, ...] = field(default=())

    def message(self, kind: str) -> Mapping[str, Any]:
        """The last message of a kind; empty when there is none."""
        return _last(self.messages, kind) or {}


@runtime_checkable
class EngineRunner(Protocol):
    def run(self, context: dg.AssetExecutionContext, request: Mapping[str, Any]) -> EngineRun:
        """Does `request` (extras of docs/dagster-pipes.md) as the context's step. Raises `dg.RetryRequested` or `dg.Failure`
        when it did not succeed; is interrupted with the step, having stopped the engine."""
        ...

    def ask(self, request: Mapping[str, Any], *, timeout_s: float = 50) -> list[Mapping[str, Any]]:
        """Does a request that only reads, outside any step, and returns its messages. Raises `EngineFailed`."""
        ...


class SubprocessEngineRunner(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Runs the engine as a process beside the step, on this machine."""

    engine_dir: str
    config_dir: str
    environment: str
    max_wait_s: int = 900
    max_total_wait_s: int = 1_800
    silence_limit_s: int = 900
    forwarded_variables: list[str]

    #: Tests shorten it.
    _escalation: Escalation = PrivateAttr(default=DEFAULT_ESCALATION)

    def run(self, context: dg.AssetExecutionContext, request: Mapping[str, Any]) -> EngineRun:
        reader = self._reader()
        try:
            argv, env = self._command(context.run_id)
        except (NodeNotFound, ValueError) as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        with dg.open_pipes_session(
            context=context,
            context_injector=self._context_injector(),
            message_reader=reader,
            extras=self._extras(request),
        ) as session:
            process: EngineProcess | None = None
            try:
                process = self._start(argv, env, session, reader)
                exit_code = process.wait(on_tick=_SilenceWatch(context, reader, self.silence_limit_s))
            except BaseException as error:
                if process is not None:
                    self._stop(context, process, error)
                raise
        end = End(exit_code, reader.opened, reader.closed, reader.bad, _last(reader.custom, "result"))
        tries = earlier_tries(context)
        verdict = judge(end, Patience(self.max_wait_s, self.max_total_wait_s, tries.waits, tries.waited_s))
        if verdict.kind != "done":
            raise _refusal(context, verdict, end)
        # Once, after the session has closed: before that the last messages may be missing.
        return EngineRun(tuple(session.get_results(implicit_materializations=False)), tuple(reader.custom))

    def ask(self, request: Mapping[str, Any], *, timeout_s: float = 50) -> list[Mapping[str, Any]]:
        try:
            argv, env = self._command(f"ask-{uuid.uuid4()}")
        except (NodeNotFound, ValueError) as error:
            raise EngineFailed(str(error)) from error
        with TemporaryFile() as stdout, TemporaryFile() as stderr:
            try:
                process = EngineProcess(
                    [*argv, json.dumps(self._request(request))],
                    env=env,
                    cwd=Path(self.engine_dir),
                    stdout=stdout,
                    stderr=stderr,
                )
            except OSError as error:
                raise EngineFailed(f"the engine could not be started to tell {request.get('mode')}: {error}") from error
            try:
                exit_code = process.wait(timeout_s=timeout_s)
            except TimeoutError as error:
                process.stop(self._escalation)
                raise EngineFailed(f"{error} when asked for {request.get('mode')}; {_tail(stderr)}") from error
            except BaseException:
                process.stop(self._escalation)
                raise
            messages = self._messages(stdout)
            result = _last(messages, "result")
            if exit_code != 0 or result is None or result.get("exit_code") != 0:
                said = (result or {}).get("why") or _tail(stderr)
                raise EngineFailed(f"the engine could not tell {request.get('mode')} (exit code {exit_code}): {said}")
            return messages

    def _allowed(self) -> set[str]:
        return {*self.forwarded_variables, *credential_variables(Path(self.config_dir), self.environment, os.environ)}

    def _command(self, _run_id: str) -> tuple[list[str], dict[str, str]]:
        """What starts a worker, and its environment. Raises `NodeNotFound`, or ValueError about the configuration."""
        return worker_argv(Path(self.engine_dir)), engine_environment(os.environ, allowed=self._allowed())

    def _reader(self) -> MessageReader:
        return LineReader()

    def _context_injector(self) -> dg.PipesContextInjector:
        return OwnFileContextInjector()

    def _extras(self, request: Mapping[str, Any]) -> dict[str, Any]:
        # The engine stops by itself when this process is gone.
        return {**self._request(request), "launcher_pid": os.getpid()}

    def _start(self, argv: list[str], env: Mapping[str, str], session: dg.PipesSession, _reader: MessageReader) -> EngineProcess:
        return EngineProcess(argv, env={**env, **session.get_bootstrap_env_vars()}, cwd=Path(self.engine_dir))

    def _messages(self, stdout: IO[bytes]) -> list[Mapping[str, Any]]:
        stdout.seek(0)
        try:
            return [json.loads(line) for line in stdout.read().splitlines() if line.strip()]
        except ValueError as error:
            raise EngineFailed(f"the engine's answer is not JSON: {error}") from error

    def _request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"config_dir": self.config_dir, "env": self.environment, **request}

    def _stop(self, context: dg.AssetExecutionContext, process: EngineProcess, error: BaseException) -> None:
        context.log.info(f"stopping the engine ({type(error).__name__}); it saves its state first")
        began = time.monotonic()
        code = process.stop(self._escalation)
        if code is None:
            context.log.error(f"process {process.pid} of the engine could not be stopped; its lease ends by itself")
        else:
            context.log.info(f"the engine stopped after {time.monotonic() - began:.1f} s with exit code {code}")


class _SilenceWatch:
    """Tells waiting from hanging: the engine says something every 10 s while it works."""

    def __init__(self, context: dg.AssetExecutionContext, reader: MessageReader, limit_s: int) -> None:
        self._context = context
        self._reader = reader
        self._limit_s = limit_s
        self._warned = False

    def __call__(self) -> None:
        silent_s = time.monotonic() - self._reader.last_at
        if silent_s < _QUIET_S:
            self._warned = False
        elif not self._warned:
            self._warned = True
            self._context.log.warning(f"nothing was heard from the engine for {silent_s:.0f} s")
        if 0 < self._limit_s < silent_s:
            raise dg.Failure(
                f"nothing was heard from the engine for {silent_s:.0f} s, so it was stopped; the next try goes on from "
                "its checkpoint. If it was busy, raise ENRICHMENT_SILENCE_LIMIT_S."
            )


def _refusal(context: dg.AssetExecutionContext, verdict: Verdict, end: End) -> Exception:
    metadata: dict[str, Any] = {"exit_code": end.exit_code, "outcome": verdict.kind}
    if end.result is not None:
        metadata["result"] = dg.MetadataValue.json(dict(end.result))
    if verdict.kind == "retry":
        assert verdict.wait_s is not None
        context.log.warning(f"not now, again in {verdict.wait_s:.0f} s: {verdict.message}")
        return Waits(max_retries=context.retry_number + 1, seconds_to_wait=verdict.wait_s)
    if verdict.kind == "deferred":
        at = resumes_at(end, verdict, datetime.now(timezone.utc))
        until = "later" if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
        context.instance.add_run_tags(context.run_id, {DEFERRED_TAG: until})
        text = f"deferred until {until}, nothing is lost, it is requested again by itself: {verdict.message}"
        return Deferred(text, metadata=metadata, allow_retries=False)
    if verdict.kind == "interrupted":
        # A run that is terminated interrupts its step, which then stops the engine and judges nothing. What comes here was
        # stopped by somebody else (an operator, the host): a failed try, unless the cancellation is on its way as well.
        text = f"interrupted: {verdict.message}"
        return dg.Failure(text, metadata=metadata, allow_retries=not _is_being_canceled(context))
    if verdict.kind == "configuration":
        text = f"configuration or credentials (exit code {EXIT_CONFIGURATION}), no retry helps: {verdict.message}"
        return dg.Failure(text, metadata=metadata, allow_retries=False)
    return dg.Failure(verdict.message, metadata=metadata)


def _is_being_canceled(context: dg.AssetExecutionContext) -> bool:
    run = context.instance.get_run_by_id(context.run_id)
    return run is not None and run.status in (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)


def _last(messages: Any, kind: str) -> Mapping[str, Any] | None:
    found = (one for one in reversed(messages) if isinstance(one, Mapping) and one.get("kind") == kind)
    return next(found, None)


def _tail(stderr: Any, size: int = 2000) -> str:
    stderr.seek(0)
    text: str = stderr.read()[-size:].decode("utf-8", "replace").strip()
    return text or "it said nothing"
