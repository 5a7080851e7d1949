from dataclasses import replace
from datetime import datetime, timezone

import dagster as dg

from dagster_project.defs.assets import REFRESH_KEY
from dagster_project.defs.jobs import REFRESH_JOB, iterative_enrichment_refresh_job
from dagster_project.defs.schedules import repository_of
from dagster_project.lib.engine_runner import EngineRunner
from dagster_project.lib.gate import Open, Paused, describe
from dagster_project.lib.in_flight import partitions_of_runs
from dagster_project.lib.partition_sync import (
    PARTITIONS_NAME,
    PartitionChanges,
    describe_changes,
    list_partitions,
    partition_changes,
)
from dagster_project.lib.requests import OCCASION_TAG, TRIGGER_TAG, Known, nothing_to_do, what_waits
from dagster_project.lib.reservations import deciding, reserve
from dagster_project.lib.run_history import REST_LOOKS, calls_requested, past_runs, resting
from dagster_project.lib.scheduling import Trigger, busy_partitions, closed_text, gate_of, no_room, room_for, run_requests
from dagster_project.lib.sensor_cursor import DueCursor, GateCursor, read_cursor, read_due_cursor
from dagster_project.lib.settings import Settings

TRIGGER = "post_bulk"
#: Partitions are compared at least this often, also when nothing is to be launched.
SYNC_EVERY_S = 600


def post_bulk_sensor(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="post_bulk_enrichment_sensor",
        job=iterative_enrichment_refresh_job,
        minimum_interval_seconds=settings.sensor_every_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "The gate: once after each successful bulk load it requests what is due, stale first. While a load runs it "
            "waits, after one failed it pauses, and it goes on by itself after the next success. It keeps the "
            "partitions in step, too."
        ),
    )
    def post_bulk_enrichment_sensor(
        context: dg.SensorEvaluationContext, engine_runner: dg.ResourceParam[EngineRunner]
    ) -> dg.SensorResult:
        instance = context.instance
        cursor = read_cursor(context.cursor)
        now = datetime.now(timezone.utc).timestamp()
        gate = gate_of(instance, settings.bulk_keys, repository_of(context))
        is_open = isinstance(gate, Open)
        if isinstance(gate, Open):
            cursor = cursor.for_token(gate.token)
        elif isinstance(gate, Paused):
            cursor = replace(cursor, was_paused=True)
        has_work = is_open and not cursor.is_done
        is_due_for_sync = now - cursor.synced_at >= SYNC_EVERY_S
        closed = "" if is_open else closed_text(instance, gate, job_name=REFRESH_JOB)
        if not has_work and not is_due_for_sync:
            return _skip(closed or _followed_up(describe(gate)), cursor)
        before = busy_partitions(instance, asset_key=REFRESH_KEY, job_name=REFRESH_JOB, now=now)
        room = room_for(settings, before.partitions, most=settings.requests_per_tick)
        if has_work and room is None and not is_due_for_sync:
            return _skip(f"{describe(gate)}: {no_room(settings, before.partitions)}", cursor)

        listed = list_partitions(engine_runner)
        changes = partition_changes(instance.get_dynamic_partitions(PARTITIONS_NAME), listed, before.partitions)
        cursor = replace(cursor, synced_at=now)
        if not has_work:
            return _skip(closed or _followed_up(describe(gate)), cursor, changes)

        assert isinstance(gate, Open)
        with deciding():
            busy = busy_partitions(instance, asset_key=REFRESH_KEY, job_name=REFRESH_JOB, now=now).or_before(before)
            room = room_for(settings, busy.partitions, most=settings.requests_per_tick)
            if room is None:
                return _skip(f"{describe(gate)}: {no_room(settings, busy.partitions)}", cursor, changes)
            requests, choice = run_requests(
                listed,
                trigger=Trigger(TRIGGER, cursor.occasion, gate.token),
                limits=replace(room, calls=settings.call_budget - cursor.calls),
                known=Known(
                    in_flight=busy.partitions,
                    already=partitions_of_runs(instance, tags={OCCASION_TAG: cursor.occasion, TRIGGER_TAG: TRIGGER}),
                ),
            )
            reserve(instance, TRIGGER, requests, now)
        cursor = replace(
            cursor,
            calls=cursor.calls + sum(row.calls for row in choice.rows),
            is_done=choice.is_complete,
        )
        if not requests:
            text = f"{describe(gate)}: {nothing_to_do(choice, listed.sources)}"
            return _skip(text, cursor, changes)
        context.log.info("; ".join([f"{describe(gate)}: {len(requests)} partitions requested", *what_waits(choice)]))
        return dg.SensorResult(
            run_requests=requests, cursor=cursor.dump(), dynamic_partitions_requests=_partition_requests(changes)
        )

    return post_bulk_enrichment_sensor


def due_sensor(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="due_enrichment_sensor",
        job=iterative_enrichment_refresh_job,
        minimum_interval_seconds=settings.sensor_every_s,
        default_status=dg.DefaultSensorStatus.RUNNING if settings.due_every_s > 0 else dg.DefaultSensorStatus.STOPPED,
        description=(
            "Requests what becomes due between the nights, behind the same gate: a source whose records are due after 20 hours "
            "and stale after 24 cannot be kept fresh by one start a day. It looks every ENRICHMENT_DUE_EVERY_S seconds, and "
            "asks for nothing that is not due, so that looking more often costs no call."
        ),
    )
    def due_enrichment_sensor(
        context: dg.SensorEvaluationContext, engine_runner: dg.ResourceParam[EngineRunner]
    ) -> dg.SensorResult:
        instance = context.instance
        cursor = read_due_cursor(context.cursor)
        now = datetime.now(timezone.utc)
        gate = gate_of(instance, settings.bulk_keys, repository_of(context))
        if not isinstance(gate, Open):
            # What it had begun is withdrawn or over when the gate opens again; then it looks anew.
            return _skip(closed_text(instance, gate, job_name=REFRESH_JOB), DueCursor())
        if gate.token != cursor.token:
            # The gate sensor follows these loads up just now.
            cursor = DueCursor(token=gate.token, looked_at=now.timestamp())
        next_look = cursor.looked_at + max(settings.due_every_s, 1)
        if cursor.is_done and now.timestamp() < next_look:
            at = datetime.fromtimestamp(next_look, timezone.utc)
            return _skip(f"{describe(gate)}: looks again at {at:%Y-%m-%dT%H:%M:%SZ}", cursor)
        before = busy_partitions(instance, asset_key=REFRESH_KEY, job_name=REFRESH_JOB, now=now.timestamp())
        if not cursor.is_done and (awaited := sorted(set(cursor.awaited) & before.partitions)):
            return _skip(f"{describe(gate)}: {', '.join(awaited)} is queued or running, its cohorts come after it", cursor)
        if room_for(settings, before.partitions, most=settings.requests_per_tick) is None:
            return _skip(f"{describe(gate)}: {no_room(settings, before.partitions)}", cursor)
        if cursor.is_done or now.timestamp() >= next_look:
            cursor = replace(cursor, looked_at=now.timestamp())

        listed = list_partitions(engine_runner)
        changes = partition_changes(instance.get_dynamic_partitions(PARTITIONS_NAME), listed, before.partitions)
        occasion = f"{gate.token}:due:{cursor.looked_at * 1000:.0f}"
        with deciding():
            busy = busy_partitions(instance, asset_key=REFRESH_KEY, job_name=REFRESH_JOB, now=now.timestamp()).or_before(before)
            room = room_for(settings, busy.partitions, most=settings.requests_per_tick)
            if room is None:
                return _skip(f"{describe(gate)}: {no_room(settings, busy.partitions)}", cursor, changes)
            runs = past_runs(instance, job_name=REFRESH_JOB, now=now)
            requests, choice = run_requests(
                listed,
                trigger=Trigger("due", occasion, gate.token),
                limits=replace(room, calls=settings.call_budget - calls_requested(runs, busy.reserved)),
                known=Known(
                    in_flight=busy.partitions,
                    already=partitions_of_runs(instance, tags={OCCASION_TAG: occasion}),
                    resting=resting(runs, now, rest_s=REST_LOOKS * settings.due_every_s, engine_now=listed.at),
                ),
            )
            reserve(instance, "due", requests, now.timestamp())
        cursor = replace(cursor, is_done=choice.is_complete, awaited=choice.awaited)
        if not requests:
            return _skip(f"{describe(gate)}: {nothing_to_do(choice, listed.sources)}", cursor, changes)
        context.log.info("; ".join([f"{describe(gate)}: {len(requests)} partitions requested", *what_waits(choice)]))
        return dg.SensorResult(
            run_requests=requests, cursor=cursor.dump(), dynamic_partitions_requests=_partition_requests(changes)
        )

    return due_enrichment_sensor


def _followed_up(gate: str) -> str:
    return f"{gate}: these loads have been followed up; sensor due_enrichment_sensor and the nights go on"


def _partition_requests(
    changes: PartitionChanges,
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if changes.add:
        requests.append(dg.AddDynamicPartitionsRequest(PARTITIONS_NAME, list(changes.add)))
    if changes.delete:
        requests.append(dg.DeleteDynamicPartitionsRequest(PARTITIONS_NAME, list(changes.delete)))
    return requests


def _skip(reason: str, cursor: GateCursor | DueCursor, changes: PartitionChanges | None = None) -> dg.SensorResult:
    text = f"{reason} ({describe_changes(changes)})" if changes else reason
    return dg.SensorResult(
        skip_reason=text,
        cursor=cursor.dump(),
        dynamic_partitions_requests=_partition_requests(changes) if changes else None,
    )
