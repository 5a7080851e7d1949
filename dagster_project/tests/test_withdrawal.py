"""A gate that closes takes back what is queued behind it."""

from datetime import datetime, timezone

import dagster as dg
import pytest

from dagster_project.lib.run_history import calls_requested, past_runs, resting
from dagster_project.lib.withdrawal import withdraw_queued
from test_sensor_and_schedule import ROWS, STALE_FIRST, GivenEngine, apply, load, look, night, origin_of, start, tick

JOB = "iterative_enrichment_refresh_job"
QUEUED, STARTED, CANCELED = (dg.DagsterRunStatus[name] for name in ("QUEUED", "STARTED", "CANCELED"))
WITHDRAWN = "enrichment/withdrawn"


@pytest.fixture
def instance():
    """With a queue."""
    queue = {"run_coordinator": {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}}
    with dg.instance_for_test(overrides=queue) as made:
        yield made


def requested(instance, cursor=None):
    """Runs as the daemon makes them of a tick of the gate sensor: the first has started, the others are queued."""
    result = tick(instance, GivenEngine(*ROWS), cursor)
    apply(instance, result)
    runs = [start(instance, one, STARTED if n == 0 else QUEUED) for n, one in enumerate(result.run_requests)]
    return result, runs


def status(instance, run):
    return instance.get_run_by_id(run.run_id).status


def test_paused_withdraws_what_is_queued_and_reopened_it_is_asked_for_again(instance):
    load(instance)
    first, runs = requested(instance)
    failed = load(instance, ok=False)
    paused = tick(instance, GivenEngine(*ROWS), first.cursor)
    assert paused.skip_reason.skip_message.startswith("PAUSED")
    assert "3 queued run(s) withdrawn" in paused.skip_reason.skip_message
    assert [status(instance, run) for run in runs] == [STARTED, CANCELED, CANCELED, CANCELED]
    tags = [instance.get_run_by_id(run.run_id).tags.get(WITHDRAWN) for run in runs]
    assert tags == [None, *[f"gate paused by run {failed} of enriched_sbir_awards"] * 3]
    again = tick(instance, GivenEngine(*ROWS), paused.cursor)
    assert "withdrawn" not in again.skip_reason.skip_message, "nothing is left"
    load(instance)
    reopened = tick(instance, GivenEngine(*ROWS), again.cursor)
    assert [one.partition_key for one in reopened.run_requests] == STALE_FIRST[1:], "the first is still running"


def test_what_is_created_while_the_gate_is_paused_is_withdrawn_by_the_next_tick(instance):
    load(instance)
    result = tick(instance, GivenEngine(*ROWS))
    load(instance, ok=False)
    late = start(instance, result.run_requests[0], QUEUED)
    skipped = look(instance, GivenEngine(*ROWS))
    assert "1 queued run(s) withdrawn" in skipped.skip_reason.skip_message, "the sensor of the day does it as well"
    assert status(instance, late) == CANCELED


def test_what_was_withdrawn_is_requested_again_when_the_gate_opens_for_the_same_loads(instance):
    """The failed load was a slip, and somebody deleted its run."""
    load(instance)
    first, runs = requested(instance)
    failed = load(instance, ok=False)
    paused = tick(instance, GivenEngine(*ROWS), first.cursor)
    assert "3 queued run(s) withdrawn" in paused.skip_reason.skip_message
    instance.delete_run(failed)
    reopened = tick(instance, GivenEngine(*ROWS), paused.cursor)
    assert [one.partition_key for one in reopened.run_requests] == STALE_FIRST[1:], "the first is still running"
    before = {one.run_key for one in first.run_requests}
    assert before.isdisjoint(one.run_key for one in reopened.run_requests), "Dagster launches no run key twice"
    for one in reopened.run_requests:
        start(instance, one, QUEUED)
    again = tick(instance, GivenEngine(*ROWS), reopened.cursor)
    assert "followed up" in again.skip_reason.skip_message


def test_the_night_does_too(instance):
    load(instance)
    _, runs = requested(instance)
    load(instance, ok=False)
    assert "3 queued run(s) withdrawn" in night(instance, GivenEngine(*ROWS)).skip_message
    assert status(instance, runs[0]) == STARTED


def test_while_a_load_runs_the_queue_goes_on(instance):
    load(instance)
    first, runs = requested(instance)

    @dg.asset(name="enriched_sbir_awards")
    def bulk(): ...

    defs = dg.Definitions(assets=[bulk], jobs=[dg.define_asset_job("bulk_job")])
    instance.create_run_for_job(defs.resolve_job_def("bulk_job"), status=STARTED)
    assert tick(instance, GivenEngine(*ROWS), first.cursor).skip_reason.skip_message.startswith("WAITING")
    assert [status(instance, run) for run in runs[1:]] == [QUEUED] * 3


def by_hand(instance, tags, parent=None):
    @dg.job(name=JOB)
    def job(): ...

    return instance.create_run_for_job(
        job_def=job,
        status=QUEUED,
        tags={"dagster/partition": "s:a", **tags},
        parent_run_id=parent,
        root_run_id=parent,
        remote_job_origin=origin_of(job),
    )


def test_what_a_person_launched_is_never_touched(instance):
    load(instance)
    _, runs = requested(instance)
    automatic = {"enrichment/trigger": "nightly"}
    theirs = [
        by_hand(instance, {}),
        by_hand(instance, {**automatic, "dagster/backfill": "abc"}),
        by_hand(instance, automatic, parent=runs[0].run_id),
    ]
    load(instance, ok=False)
    tick(instance, GivenEngine(*ROWS))
    assert [status(instance, run) for run in theirs] == [QUEUED] * 3
    assert not any(WITHDRAWN in instance.get_run_by_id(run.run_id).tags for run in theirs)


def test_other_jobs_are_left_alone(instance):
    @dg.job(name="somebody_elses")
    def job(): ...

    run = instance.create_run_for_job(
        job_def=job, status=QUEUED, tags={"enrichment/trigger": "due"}, remote_job_origin=origin_of(job)
    )
    assert withdraw_queued(instance, job_name=JOB, because="x") == 0
    assert status(instance, run) == QUEUED


def test_a_withdrawn_run_neither_rests_nor_costs(instance):
    load(instance)
    requested(instance)
    load(instance, ok=False)
    tick(instance, GivenEngine(*ROWS))
    now = datetime.now(timezone.utc)
    runs = past_runs(instance, job_name=JOB, now=now)
    assert resting(runs, now, 4 * 3600) == set()
    assert calls_requested(runs) == 1, "the one that runs"


def test_what_a_tick_has_no_time_for_comes_with_the_next_one(instance):
    load(instance)
    requested(instance)
    times = iter([0.0, 1.0, 99.0])
    assert withdraw_queued(instance, job_name=JOB, because="x", longest_s=20, clock=lambda: next(times)) == 1
    assert withdraw_queued(instance, job_name=JOB, because="x") == 2
