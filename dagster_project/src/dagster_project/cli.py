"""`refresh_enrichment …` hands its arguments to the engine's command line, `node ts/cli.js refresh …`, with the environment and
the configuration that the Dagster project works with: both are about one state."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dagster_project.lib.node import NodeNotFound, find_node
from dagster_project.lib.settings import Settings, SettingsError

EXIT_CONFIGURATION = 78
_OPTIONS = {"ENRICHMENT_ENV": "--env", "ENRICHMENT_CONFIG_DIR": "--config-dir"}
_BY_DEFAULT = "the default; set ENRICHMENT_ENV or --env for another"


@dataclass(frozen=True)
class Command:
    argv: list[str]
    env: dict[str, str]
    #: For stderr; which environment it is, and why.
    note: str


def refresh_command(arguments: Sequence[str], variables: Mapping[str, str]) -> Command:
    """`--env` and `--config-dir` outrank ENRICHMENT_ENV and ENRICHMENT_CONFIG_DIR. Raises `SettingsError`, `NodeNotFound`."""
    environment, directory = _given(arguments, "--env"), _given(arguments, "--config-dir")
    by_option = {"ENRICHMENT_ENV": environment, "ENRICHMENT_CONFIG_DIR": directory and str(Path(directory).absolute())}
    options = {name: value for name, value in by_option.items() if value}
    try:
        settings = Settings.from_env({**variables, **options})
    except SettingsError as error:
        text = str(error)
        for name in options:
            text = text.replace(f"{name}=", f"{_OPTIONS[name]} ")
        raise SettingsError(text) from error
    because = "--env" if environment else "ENRICHMENT_ENV" if variables.get("ENRICHMENT_ENV", "").strip() else _BY_DEFAULT
    cli = settings.engine_dir / "ts" / "refresh-cli.js"
    own = [] if directory is not None else ["--config-dir", str(settings.config_dir)]
    return Command(
        argv=[str(find_node(settings.engine_dir)), str(cli), *own, *arguments],
        env={**variables, "ENRICHMENT_ENV": settings.environment},
        note=f"environment {settings.environment} of {settings.config_dir} ({because})",
    )


def _given(arguments: Sequence[str], option: str) -> str | None:
    """The last value of an option, as the engine reads it: `--env prod` or `--env=prod`."""
    found = None
    for index, word in enumerate(arguments):
        if word == option:
            found = arguments[index + 1] if index + 1 < len(arguments) else ""
        elif word.startswith(f"{option}="):
            found = word.removeprefix(f"{option}=")
    return found


def main() -> NoReturn:
    arguments = sys.argv[1:]
    try:
        command = refresh_command(arguments, os.environ)
    except (NodeNotFound, SettingsError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EXIT_CONFIGURATION)
    if not {"--help", "-h", "--version", "--quiet"} & set(arguments):
        sys.stderr.write(f"{command.note}\n")
        sys.stderr.flush()
    if sys.platform == "win32":
        sys.exit(subprocess.run(command.argv, env=command.env, check=False).returncode)
    # In this process's place: signals and the exit code need nobody in between.
    os.execve(command.argv[0], command.argv, command.env)


if __name__ == "__main__":
    main()
