import os
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg

from dagster_project.defs.jobs import REFRESH_JOB
from dagster_project.lib.alerts import AlertTargets, Answer, alert_of, alert_of_outage, body_for, post
from dagster_project.lib.deliveries import FailureCursor, OutageCursor, Outcome, Post
from dagster_project.lib.outages import outages, to_alert
from dagster_project.lib.run_history import past_runs
from dagster_project.lib.settings import Settings

#: Failures that a tick looks at.
_MOST_SEEN = 50
_NO_TARGET = "neither ENRICHMENT_ALERT_WEBHOOK_URL nor ENRICHMENT_ALERT_SLACK_URL is set"


def failure_alert_sensor(settings: Settings) -> dg.SensorDefinition:
    """A sensor of its own: one of Dagster's for failed runs goes past a run whether or not it could be told of."""

    @dg.sensor(
        name="enrichment_failure_alert_sensor",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Posts failed runs of "
            + ("all code locations" if settings.alerts_on_all_locations else "this code location")
            + " to ENRICHMENT_ALERT_WEBHOOK_URL and ENRICHMENT_ALERT_SLACK_URL, when they are set: each once to each. What one "
            "does not take is tried again for a day."
        ),
    )
    def enrichment_failure_alert_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        instance = context.instance
        targets = AlertTargets.from_env(os.environ)
        receivers = list(targets.urls)
        cursor = FailureCursor.read(context.cursor)
        now = time.time()
        if cursor.after is None:
            newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
            cursor.after = newest[0].storage_id if newest else -1
        elif cursor.deliveries.has_room(receivers):
            for record in _failures(instance, cursor.after):
                cursor.after = record.storage_id
                run = instance.get_run_by_id(record.run_id)
                is_ours = run is not None and (settings.alerts_on_all_locations or _is_of_this_location(context, run))
                if run is not None and is_ours and cursor.see(run.run_id):
                    cursor.deliveries.add(run.run_id, receivers, now)

        def alert_for(run_id: str) -> Mapping[str, Any] | None:
            run = instance.get_run_by_id(run_id)
            return None if run is None else alert_of(run, _why(instance, run_id), targets)

        outcome = cursor.deliveries.deliver(alert_for, _post_to(targets), receivers=receivers, now=now)
        context.update_cursor(cursor.dump())
        if not targets:
            return dg.SkipReason(_NO_TARGET)
        return dg.SkipReason(_told(context, outcome, len(cursor.deliveries.pending)) or "no run has failed")

    return enrichment_failure_alert_sensor


def _failures(instance: dg.DagsterInstance, after: int) -> Iterable[dg.EventLogRecord]:
    """Oldest first, of all code locations."""
    later = dg.RunStatusChangeRecordsFilter(event_type=dg.DagsterEventType.RUN_FAILURE, after_storage_id=after)
    return instance.fetch_run_status_changes(later, limit=_MOST_SEEN, ascending=True).records


def _is_of_this_location(context: dg.SensorEvaluationContext, run: dg.DagsterRun) -> bool:
    """Backfills from the asset page included. Nothing has an origin in a sensor that is evaluated apart, as tests do."""
    here = None if context.code_location_origin is None else context.code_location_origin.location_name
    origin = None if run.remote_job_origin is None else run.remote_job_origin.repository_origin
    return here == (None if origin is None else origin.code_location_origin.location_name)


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    steps = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    texts = [_step_text(event) for record in steps if (event := record.event_log_entry.dagster_event) is not None]
    if any(texts):
        return "\n".join(text for text in texts if text)
    ends = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    messages = [event.message for record in ends if (event := record.event_log_entry.dagster_event) is not None]
    return next((text for text in reversed(messages) if text), "")


def _step_text(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error_display_string.strip().splitlines()[0] if data.error_display_string else ""


def _post_to(targets: AlertTargets) -> Post:
    def to_receiver(receiver: str, alert: Mapping[str, Any]) -> Answer:
        return post(targets.urls[receiver], body_for(receiver, alert))

    return to_receiver


def _told(context: dg.SensorEvaluationContext, outcome: Outcome, pending: int) -> str:
    """For the tick's history. An error that was raised would lose the cursor."""
    if outcome.given_up:
        context.log.error(f"given up: {'; '.join(outcome.given_up)}")
    parts = []
    if outcome.delivered:
        parts.append(f"posted: {', '.join(outcome.delivered)}")
    if outcome.problems:
        context.log.warning("; ".join(outcome.problems))
        parts.append(f"not delivered, it is tried again: {'; '.join(outcome.problems)}")
    elif pending:
        parts.append(f"{pending} alert(s) wait for their receiver, or for the next tick")
    if outcome.given_up:
        parts.append(f"given up: {'; '.join(outcome.given_up)}")
    return "; ".join(parts)


def deferral_alert_sensor(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="enrichment_deferral_alert_sensor",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "A run that is deferred is no failure. When a source has had no other for ENRICHMENT_ALERT_DEFERRED_AFTER_S "
            "seconds, it is posted where failed runs are: once, and again only after a run of it has got through."
        ),
    )
    def enrichment_deferral_alert_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        targets = AlertTargets.from_env(os.environ)
        if not targets:
            return dg.SkipReason(_NO_TARGET)
        now = datetime.now(timezone.utc)
        after_s = settings.alert_deferred_after_s
        within = timedelta(seconds=after_s) + timedelta(days=1)
        found = outages(past_runs(context.instance, job_name=REFRESH_JOB, now=now, within=within))
        cursor = OutageCursor.read(context.cursor)
        told = [source for source in cursor.told if source in found]
        receivers = list(targets.urls)
        for outage in to_alert(found, told, now, after_s):
            cursor.deliveries.add(outage.source, receivers, now.timestamp())
            told.append(outage.source)
        cursor.told = tuple(told)

        def alert_for(source: str) -> Mapping[str, Any] | None:
            return alert_of_outage(found[source], REFRESH_JOB, targets) if source in found else None

        outcome = cursor.deliveries.deliver(alert_for, _post_to(targets), receivers=receivers, now=now.timestamp())
        context.update_cursor(cursor.dump())
        if text := _told(context, outcome, len(cursor.deliveries.pending)):
            return dg.SkipReason(text)
        return dg.SkipReason(f"alerted of: {', '.join(sorted(told))}" if told else "no source is deferred for so long")

    return enrichment_deferral_alert_sensor
