"""Dagster's launcher for one host, and a look at whether the processes it started are still there."""

from typing import Any

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus

from dagster_project.lib.run_workers import mark_run, worker_state


class EnrichmentRunLauncher(dg.DefaultRunLauncher):
    """`DefaultRunLauncher`; with it run monitoring fails a run whose process is gone. `run_launcher` in dagster.yaml names it."""

    def launch_run(self, context: LaunchRunContext) -> None:
        if _is_local(context):
            mark_run(self._instance, context.dagster_run.run_id)
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        state = worker_state(self._instance, run)
        if state == "dead":
            return CheckRunHealthResult(WorkerStatus.FAILED, "the process that executed the run is gone")
        # What is not known is not failed: it may run on another host. `max_runtime_seconds` bounds it.
        return CheckRunHealthResult(WorkerStatus.RUNNING, f"its process is {state}")


def _is_local(context: LaunchRunContext) -> bool:
    """The code server that will execute the run is one that Dagster started here: a port of loopback may lead elsewhere."""
    origin = context.dagster_run.remote_job_origin
    if context.workspace is None or origin is None:
        return False
    location = context.workspace.get_code_location(origin.repository_origin.code_location_origin.location_name)
    client: Any = getattr(location, "client", None)
    return client is not None and client.socket is not None
