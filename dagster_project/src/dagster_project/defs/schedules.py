from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from dagster_project.defs.assets import REFRESH_KEY
from dagster_project.defs.jobs import REFRESH_JOB, iterative_enrichment_refresh_job
from dagster_project.lib.engine_runner import EngineRunner
from dagster_project.lib.gate import Open
from dagster_project.lib.partition_sync import PARTITIONS_NAME, apply_changes, list_partitions, partition_changes
from dagster_project.lib.requests import Known, nothing_to_do, what_waits
from dagster_project.lib.reservations import deciding, release, reserve
from dagster_project.lib.run_history import calls_requested, past_runs
from dagster_project.lib.scheduling import Trigger, busy_partitions, closed_text, gate_of, no_room, room_for, run_requests
from dagster_project.lib.settings import Settings

TRIGGER = "nightly"


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
        instance = context.instance
        gate = gate_of(instance, settings.bulk_keys, repository_of(context))
        if not isinstance(gate, Open):
            return dg.SkipReason(closed_text(instance, gate, job_name=REFRESH_JOB))
        now = datetime.now(timezone.utc)
        at = context.scheduled_execution_time
        occasion = f"{at:%Y-%m-%dT%H:%M}"
        with deciding():
            # The same night is evaluated again only when its first evaluation has failed.
            release(instance, TRIGGER, occasion)
        before = busy_partitions(instance, asset_key=REFRESH_KEY, job_name=REFRESH_JOB, now=now.timestamp())
        if room_for(settings, before.partitions, most=settings.max_requests, is_often=False) is None:
            return dg.SkipReason(no_room(settings, before.partitions))
        listed = list_partitions(engine_runner)
        present = instance.get_dynamic_partitions(PARTITIONS_NAME)
        apply_changes(instance, partition_changes(present, listed, before.partitions))
        with deciding():
            busy = busy_partitions(instance, asset_key=REFRESH_KEY, job_name=REFRESH_JOB, now=now.timestamp()).or_before(before)
            room = room_for(settings, busy.partitions, most=settings.max_requests, is_often=False)
            if room is None:
                return dg.SkipReason(no_room(settings, busy.partitions))
            spent = calls_requested(past_runs(instance, job_name=REFRESH_JOB, now=at), busy.reserved)
            requests, choice = run_requests(
                listed,
                trigger=Trigger(TRIGGER, occasion, gate.token),
                limits=replace(room, calls=settings.call_budget - spent),
                known=Known(in_flight=busy.partitions),
                # Without the sensor that comes back for them, cohorts are requested beside their feed, and queue behind it.
                waits_for_feeds=settings.due_every_s > 0,
            )
            reserve(instance, TRIGGER, requests, now.timestamp())
        context.log.info("; ".join([f"{len(requests)} partitions requested", *what_waits(choice)]))
        return requests or dg.SkipReason(nothing_to_do(choice, listed.sources))

    return nightly_enrichment_refresh_schedule


def repository_of(context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext) -> dg.RepositoryDefinition | None:
    """None when a tick is evaluated apart from its code location, as tests do."""
    try:
        return context.repository_def
    except dg.DagsterError:
        return None


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
