from typing import Any

from dagster_project.lib.make_engine_runner import make_engine_runner
from dagster_project.lib.settings import Settings


def resources(settings: Settings) -> dict[str, Any]:
    return {"engine_runner": make_engine_runner(settings)}
