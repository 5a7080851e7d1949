from typing import Any

import dagster as dg

from dagster_project.defs.assets import REFRESH_KEY
from dagster_project.defs.jobs import REFRESH_JOB, iterative_enrichment_refresh_job
from dagster_project.lib.engine_runner import EngineRunner
from dagster_project.lib.gate import Open, describe
from dagster_project.lib.in_flight import partitions_in_flight
from dagster_project.lib.partition_sync import PARTITIONS_NAME, apply_changes, list_partitions, partition_changes
from dagster_project.lib.requests import Known, Limits, nothing_to_do, what_waits
from dagster_project.lib.run_history import calls_requested, past_runs
from dagster_project.lib.scheduling import Trigger, gate_of, run_requests
from dagster_project.lib.settings import Settings


def nightly_schedule(settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="nightly_enrichment_refresh_schedule",
        job=iterative_enrichment_refresh_job,
        cron_schedule=settings.nightly_cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night: what is due, stale first, within the call budget, if the bulk loads are sound.",
    )
    def nightly_enrichment_refresh_schedule(
        context: dg.ScheduleEvaluationContext, engine_runner: dg.ResourceParam[EngineRunner]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        gate = gate_of(context.instance, settings.bulk_keys)
        if not isinstance(gate, Open):
            return dg.SkipReason(describe(gate))
        listed = list_partitions(engine_runner)
        in_flight = partitions_in_flight(context.instance, asset_key=REFRESH_KEY, job_name=REFRESH_JOB)
        present = context.instance.get_dynamic_partitions(PARTITIONS_NAME)
        apply_changes(context.instance, partition_changes(present, listed, in_flight))
        at = context.scheduled_execution_time
        spent = calls_requested(past_runs(context.instance, job_name=REFRESH_JOB, now=at))
        requests, choice = run_requests(
            listed,
            trigger=Trigger("nightly", f"{at:%Y-%m-%dT%H:%M}", gate.token),
            limits=Limits(calls=settings.call_budget - spent, partitions=settings.max_requests),
            known=Known(in_flight=in_flight),
            # Without the sensor that comes back for them, cohorts are requested beside their feed, and queue behind it.
            waits_for_feeds=settings.due_every_s > 0,
        )
        context.log.info("; ".join([f"{len(requests)} partitions requested", *what_waits(choice)]))
        return requests or dg.SkipReason(nothing_to_do(choice, listed.sources))

    return nightly_enrichment_refresh_schedule


def coverage_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="enrichment_coverage_monitor_schedule",
        job=job,
        cron_schedule=settings.coverage_cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Measures coverage; the run fails, and alerts, when a source is below its threshold.",
    )
    def enrichment_coverage_monitor_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        # Before the first load there is nothing to measure; after it, also while the gate is paused.
        if not any(context.instance.get_latest_materialization_event(key) for key in settings.bulk_keys):
            return dg.SkipReason("no bulk asset has been loaded yet")
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}")

    return enrichment_coverage_monitor_schedule
