"""The code location: `dagster dev -m dagster_project.definitions`, or `npm run dagster`."""

import os

import dagster as dg

from dagster_project.defs.alert_sensors import deferral_alert_sensor, failure_alert_sensor
from dagster_project.defs.assets import bulk_assets, coverage_assets, refresh_asset
from dagster_project.defs.jobs import coverage_monitor_job, iterative_enrichment_refresh_job
from dagster_project.defs.resources import resources
from dagster_project.defs.schedules import coverage_schedule, nightly_schedule
from dagster_project.defs.sensors import due_sensor, post_bulk_sensor
from dagster_project.lib.config_files import all_source_ids, enabled_source_ids
from dagster_project.lib.settings import Settings


def build_definitions(settings: Settings) -> dg.Definitions:
    sources = all_source_ids(settings.config_dir, settings.environment, os.environ)
    # A source that is switched off is measured when asked for, and alerts nobody.
    monitor = coverage_monitor_job(enabled_source_ids(settings.config_dir, settings.environment, os.environ) or sources)
    return dg.Definitions(
        assets=[
            refresh_asset(settings),
            coverage_assets(settings, sources),
            *(bulk_assets(settings) if settings.defines_demo_bulk else []),
        ],
        jobs=[iterative_enrichment_refresh_job, monitor],
        schedules=[nightly_schedule(settings), coverage_schedule(settings, monitor)],
        sensors=[
            post_bulk_sensor(settings),
            due_sensor(settings),
            failure_alert_sensor(settings),
            deferral_alert_sensor(settings),
        ],
        resources=resources(settings),
        # A step is one process of the engine already; another one around it costs twice the time and half the memory.
        executor=dg.in_process_executor,
    )


defs = build_definitions(Settings.from_env())
