"""The queue: what decides about all that starts by itself goes first.

Dagster takes the highest `dagster/priority` first, and 0 for runs without one. Refreshes that start by themselves are below 0
(`lib/requests.py`), so that whatever a person launches, and the monitor, passes them; a bulk load, which the gate waits for,
passes everything.
"""

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

from dagster_project.lib.requests import BULK_PRIORITY, PRIORITY_TAG
from dagster_project.lib.settings import Settings, SettingsError


class EnrichmentRunCoordinator(QueuedRunCoordinator["dg.DagsterInstance"]):
    """`QueuedRunCoordinator` with its configuration; `run_coordinator` in dagster.yaml names it."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        run = context.dagster_run
        if PRIORITY_TAG not in run.tags and loads_bulk_asset(run):
            self._instance.add_run_tags(run.run_id, {PRIORITY_TAG: str(BULK_PRIORITY)})
        return super().submit_run(context)


def loads_bulk_asset(run: dg.DagsterRun) -> bool:
    """Of those that the gate watches. A job of whole assets bears no selection; such a one is tagged where it is defined."""
    try:
        watched = Settings.from_env().bulk_keys
    except SettingsError:
        # The code location says it; a queue that refuses runs would hide that.
        return False
    return not (run.asset_selection or frozenset()).isdisjoint(watched)
