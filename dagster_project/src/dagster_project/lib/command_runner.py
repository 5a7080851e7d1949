"""Runs the engine where a command puts it: a container, another machine. Nothing is shared with it but the command's arguments,
its stdout and its exit code."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import dagster as dg

from dagster_project.lib.engine_process import EngineProcess
from dagster_project.lib.engine_runner import SubprocessEngineRunner
from dagster_project.lib.environment import engine_environment, is_for_the_engine
from dagster_project.lib.line_reader import MessageReader, StreamReader

#: For the command itself; the engine gets none of them.
_OF_THE_COMMAND = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "KUBECONFIG", "SSH_AUTH_SOCK")


def command_words(template: str, *, run_id: str, variables: list[str]) -> list[str]:
    """The words of a command template, as a POSIX shell splits them; there is no shell. The word `{env}` becomes `-e NAME` for
    each variable, `{run_id}` within a word the run's id. Raises ValueError when a quote is left open."""
    words: list[str] = []
    for word in shlex.split(template):
        if word == "{env}":
            words += [part for name in variables for part in ("-e", name)]
        else:
            words.append(word.replace("{run_id}", run_id))
    return words


class CommandEngineRunner(SubprocessEngineRunner):
    """`ENRICHMENT_ENGINE_RUNNER=command`: `ENRICHMENT_ENGINE_COMMAND`, `ENRICHMENT_ENGINE_WORKER`, the request as arguments."""

    #: Begins the command, e.g. `docker run --rm {env} IMAGE`.
    command: str
    #: What starts a worker there.
    worker: str

    def _command(self, run_id: str) -> tuple[list[str], dict[str, str]]:
        env = engine_environment(os.environ, allowed=self._allowed())
        variables = sorted(name for name in env if is_for_the_engine(name, self._allowed()))
        own = {name: os.environ[name] for name in _OF_THE_COMMAND if name in os.environ}
        return [*command_words(self.command, run_id=run_id, variables=variables), *shlex.split(self.worker)], {**env, **own}

    def _request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        # Where the configuration is, the other side knows: a path of ours means nothing there.
        return {"env": self.environment, **request}

    def _reader(self) -> MessageReader:
        return StreamReader()

    def _context_injector(self) -> dg.PipesContextInjector:
        return dg.PipesEnvContextInjector()

    def _extras(self, request: Mapping[str, Any]) -> dict[str, Any]:
        # Without our process id, which may be anybody's there.
        return self._request(request)

    def _start(self, argv: list[str], env: Mapping[str, str], session: dg.PipesSession, reader: MessageReader) -> EngineProcess:
        # As arguments and not by the environment: they pass through any command. Neither holds a secret.
        arguments = [part for pair in session.get_bootstrap_cli_arguments().items() for part in pair]
        process = EngineProcess([*argv, *arguments], env=env, cwd=Path(self.engine_dir), stdout=subprocess.PIPE)
        assert isinstance(reader, StreamReader)
        assert process.stdout is not None
        reader.attach(process.stdout)
        return process

    def _messages(self, stdout: IO[bytes]) -> list[Mapping[str, Any]]:
        """Between the command's own words."""
        stdout.seek(0)
        found: list[Mapping[str, Any]] = []
        for line in stdout.read().splitlines():
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict) and "kind" in message:
                found.append(message)
        return found
