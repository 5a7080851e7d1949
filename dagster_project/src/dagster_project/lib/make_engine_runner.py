"""Which implementation of `EngineRunner` it is, is configuration."""

import importlib
from typing import Any

from dagster_project.lib.command_runner import CommandEngineRunner
from dagster_project.lib.engine_runner import EngineRunner, SubprocessEngineRunner
from dagster_project.lib.settings import Settings, SettingsError


def make_engine_runner(settings: Settings) -> EngineRunner:
    """`subprocess`, `command`, or `package.module:name` of something callable that makes an `EngineRunner` from the settings.
    Raises `SettingsError`."""
    common: dict[str, Any] = {
        "engine_dir": str(settings.engine_dir),
        "config_dir": str(settings.config_dir),
        "environment": settings.environment,
        "max_wait_s": settings.max_wait_s,
        "max_total_wait_s": settings.max_total_wait_s,
        "silence_limit_s": settings.silence_limit_s,
        "forwarded_variables": list(settings.forwarded_variables),
    }
    if settings.runner == "subprocess":
        return SubprocessEngineRunner(**common)
    if settings.runner == "command":
        return CommandEngineRunner(**common, command=settings.engine_command, worker=settings.engine_worker)
    module, _, name = settings.runner.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)(settings)
    # Whatever it is that it raises: it is the value of the variable that is off, and that is to be said.
    except Exception as error:
        raise SettingsError(
            f"ENRICHMENT_ENGINE_RUNNER={settings.runner} cannot be used ({type(error).__name__}: {error}); "
            "write subprocess, command, or package.module:name of something callable that takes the settings"
        ) from error
    if not isinstance(made, EngineRunner):
        raise SettingsError(f"ENRICHMENT_ENGINE_RUNNER={settings.runner} made no EngineRunner: it needs run and ask")
    return made
