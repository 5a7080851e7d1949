"""Gate sensor and nightly schedule on real instances; what the engine lists is given, but for the last test."""

from dataclasses import replace
from datetime import datetime, timezone

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from dagster_project.defs.jobs import coverage_monitor_job
from dagster_project.defs.schedules import coverage_schedule, nightly_schedule
from dagster_project.defs.sensors import due_sensor, post_bulk_sensor
from dagster_project.lib.engine_runner import EngineFailed, SubprocessEngineRunner
from dagster_project.lib.make_engine_runner import make_engine_runner
from dagster_project.lib.partition_sync import PARTITIONS_NAME
from dagster_project.lib.reservations import STARTERS
from dagster_project.lib.sensor_cursor import read_cursor, read_due_cursor
from dagster_project.lib.settings import Settings

BULK = dg.AssetKey("enriched_sbir_awards")
SETTINGS = replace(Settings.from_env({}), bulk_keys=(BULK,))
NIGHT = datetime(2026, 11, 22, 3, 0, tzinfo=timezone.utc)


def listed(partition, **given):
    source, _, cohort = partition.partition(":")
    row = {
        "partition": partition,
        "source": source,
        "cohort": cohort,
        "kind": "cohort",
        "population": 100,
        "due": 10,
        "stale": 0,
        "overdue_ratio": 0.5,
        "sla_left_s": 43_200,
        "planned": True,
        "calls": 1,
        "reason": "due",
        "after": None,
        "served_by": None,
    }
    return {**row, **given}


class GivenEngine:
    """Lists what it is given."""

    def __init__(self, *rows, state="present", sources=()):
        self.answer = {"kind": "partitions", "state": state, "partitions": list(rows), "sources": list(sources)}
        self.asked = 0

    def ask(self, request, *, timeout_s=50):
        assert request == {"mode": "partitions"}
        self.asked += 1
        return [self.answer, {"kind": "result", "exit_code": 0}]

    def run(self, context, request):
        raise AssertionError("nothing is to be run here")


ROWS = (
    listed("usaspending:award_year_2024"),
    listed("sam_gov:uei_batch_0002", stale=3, overdue_ratio=1.2),
    listed("sam_gov:uei_batch_0001", stale=3, overdue_ratio=2.5),
    listed("sam_gov:uei_batch_0003", planned=False, due=0),
    listed("usaspending:change_feed", kind="feed"),
    listed("sbir_gov:award_year_2024", served_by="sbir_gov:bulk_file"),
)
STALE_FIRST = [
    "usaspending:change_feed",
    "sam_gov:uei_batch_0001",
    "sam_gov:uei_batch_0002",
    "usaspending:award_year_2024",
]


def load(instance, *, ok=True):
    @dg.asset(name=BULK.path[0])
    def bulk():
        if not ok:
            raise dg.Failure("a bad file")

    result = dg.materialize([bulk], instance=instance, raise_on_error=False)
    assert result.success == ok
    return result.run_id


def tick(instance, engine, cursor=None, settings=SETTINGS) -> dg.SensorResult:
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"engine_runner": engine}) as context:
        result = post_bulk_sensor(settings)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def look(instance, engine, cursor=None, settings=SETTINGS) -> dg.SensorResult:
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"engine_runner": engine}) as context:
        result = due_sensor(settings)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def later(cursor: str, seconds: float) -> str:
    """The same cursor after so much time."""
    read = read_due_cursor(cursor)
    return replace(read, looked_at=read.looked_at - seconds).dump()


def night(instance, engine, settings=SETTINGS, at=NIGHT):
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, resources={"engine_runner": engine}
    ) as context:
        return nightly_schedule(settings)(context)


def apply(instance, result: dg.SensorResult) -> None:
    """What the daemon does with a tick's result: partitions first, then runs."""
    for request in result.dynamic_partitions_requests or ():
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        else:
            for key in request.partition_keys:
                instance.delete_dynamic_partition(request.partitions_def_name, key)


def expire(instance) -> None:
    """As if the time had passed within which the daemon creates the runs of a tick; it has created none."""
    for starter in STARTERS:
        instance.daemon_cursor_storage.set_cursor_values({f"enrichment/reserved/{starter}": "{}"})


def origin_of(job: dg.JobDefinition) -> RemoteJobOrigin:
    """What a run must have to be queued."""
    return RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"), job.name)


def start(instance, request: dg.RunRequest, status=dg.DagsterRunStatus.STARTED) -> dg.DagsterRun:
    """A run as the daemon makes it of a request, not executed."""

    @dg.job(name="iterative_enrichment_refresh_job")
    def job(): ...

    return instance.create_run_for_job(
        job_def=job,
        status=status,
        tags={**request.tags, "dagster/partition": request.partition_key},
        remote_job_origin=origin_of(job),
    )


# --- sensor


def test_waiting_says_for_what_and_keeps_partitions_in_step(instance):
    result = tick(instance, GivenEngine(*ROWS))
    assert result.skip_reason.skip_message.startswith("WAITING: never materialized: enriched_sbir_awards")
    assert not result.run_requests
    (add,) = result.dynamic_partitions_requests
    assert add.partition_keys == sorted(row["partition"] for row in ROWS)


def test_open_requests_stale_first_with_priorities_and_tags(instance):
    load(instance)
    result = tick(instance, GivenEngine(*ROWS))
    assert [one.partition_key for one in result.run_requests] == STALE_FIRST
    numbers = [int(one.tags["dagster/priority"]) for one in result.run_requests]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers)
    stale = result.run_requests[1]
    assert stale.tags["enrichment/source"] == "sam_gov"
    assert stale.tags["enrichment/reason"] == "sla_breach"
    assert stale.tags["enrichment/trigger"] == "post_bulk"
    assert read_cursor(result.cursor).is_done


def test_it_fires_once_per_load(instance):
    load(instance)
    engine = GivenEngine(*ROWS)
    first = tick(instance, engine)
    second = tick(instance, engine, first.cursor)
    assert not second.run_requests
    assert "followed up" in second.skip_reason.skip_message
    assert engine.asked == 1, "an idle tick costs no process"
    load(instance)
    expire(instance)
    third = tick(instance, engine, second.cursor)
    assert [one.partition_key for one in third.run_requests] == STALE_FIRST
    assert {one.run_key for one in third.run_requests}.isdisjoint(one.run_key for one in first.run_requests)


def test_a_failed_load_pauses_and_a_success_reopens(instance):
    load(instance)
    engine = GivenEngine(*ROWS)
    cursor = tick(instance, engine).cursor
    failed = load(instance, ok=False)
    paused = tick(instance, engine, cursor)
    assert paused.skip_reason.skip_message.startswith("PAUSED: bulk asset enriched_sbir_awards failed")
    assert failed in paused.skip_reason.skip_message
    load(instance)
    expire(instance)
    assert tick(instance, engine, paused.cursor).run_requests


def test_more_than_a_tick_takes_comes_with_the_next_ones(instance):
    load(instance)
    engine = GivenEngine(*ROWS)
    settings = replace(SETTINGS, requests_per_tick=3)
    first = tick(instance, engine, settings=settings)
    apply(instance, first)
    for request in first.run_requests:
        start(instance, request, status=dg.DagsterRunStatus.SUCCESS)
    second = tick(instance, engine, first.cursor, settings)
    assert [one.partition_key for one in [*first.run_requests, *second.run_requests]] == STALE_FIRST
    assert "followed up" in tick(instance, engine, second.cursor, settings).skip_reason.skip_message


def test_the_call_budget_holds_over_all_ticks_of_a_load(instance):
    load(instance)
    engine = GivenEngine(*(listed(f"s:c{n}", calls=4, due=9 - n) for n in range(5)))
    settings = replace(SETTINGS, requests_per_tick=2, call_budget=10)
    requested, cursor = [], None
    for _ in range(4):
        result = tick(instance, engine, cursor, settings)
        cursor = result.cursor
        for request in result.run_requests or ():
            requested.append(request.partition_key)
            start(instance, request, status=dg.DagsterRunStatus.SUCCESS)
    assert requested == ["s:c0", "s:c1", "s:c2"]


@pytest.mark.parametrize("status", ["NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING"])
def test_what_is_under_way_is_never_requested(instance, status):
    load(instance)
    busy = dg.RunRequest(partition_key="sam_gov:uei_batch_0001")
    start(instance, busy, dg.DagsterRunStatus[status])
    result = tick(instance, GivenEngine(*ROWS))
    assert "sam_gov:uei_batch_0001" not in [one.partition_key for one in result.run_requests]
    assert len(result.run_requests) == 3
    expire(instance)
    assert "sam_gov:uei_batch_0001" not in [one.partition_key for one in night(instance, GivenEngine(*ROWS))]


def test_vanished_cohorts_are_removed_unless_under_way(instance):
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["sam_gov:uei_batch_0009", "sam_gov:uei_batch_0010"])
    start(instance, dg.RunRequest(partition_key="sam_gov:uei_batch_0010"))
    apply(instance, tick(instance, GivenEngine(*ROWS)))
    known = instance.get_dynamic_partitions(PARTITIONS_NAME)
    assert "sam_gov:uei_batch_0009" not in known
    assert "sam_gov:uei_batch_0010" in known


def test_without_a_state_file_no_partition_is_removed(instance):
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["sam_gov:uei_batch_0001"])
    result = tick(instance, GivenEngine(state="missing"))
    assert not result.dynamic_partitions_requests


def test_an_engine_that_cannot_answer_fails_the_tick_and_the_load_is_not_forgotten(instance, monkeypatch):
    load(instance)
    engine = GivenEngine(*ROWS)
    monkeypatch.setattr(engine, "ask", lambda request: (_ for _ in ()).throw(EngineFailed("the configuration has 2 problems")))
    with pytest.raises(EngineFailed, match="2 problems"):
        tick(instance, engine)
    assert tick(instance, GivenEngine(*ROWS)).run_requests


def test_cohorts_follow_when_the_feed_has_ended(instance):
    load(instance)
    engine = GivenEngine(listed("u:change_feed", kind="feed"), listed("u:c1", after="u:change_feed"))
    first = tick(instance, engine)
    assert [one.partition_key for one in first.run_requests] == ["u:change_feed"]
    apply(instance, first)
    feed = start(instance, first.run_requests[0])
    second = tick(instance, engine, first.cursor)
    assert "1 come after u:change_feed" in second.skip_reason.skip_message
    instance.report_run_failed(feed)
    third = tick(instance, engine, second.cursor)
    assert [one.partition_key for one in third.run_requests] == ["u:c1"]
    assert "followed up" in tick(instance, engine, third.cursor).skip_reason.skip_message


# --- what becomes due meanwhile


def test_the_day_is_gated_too(instance):
    assert look(instance, GivenEngine(*ROWS)).skip_reason.skip_message.startswith("WAITING")
    load(instance)
    load(instance, ok=False)
    assert look(instance, GivenEngine(*ROWS)).skip_reason.skip_message.startswith("PAUSED")


def test_it_looks_once_an_interval_and_idle_ticks_cost_no_process(instance):
    load(instance)
    engine = GivenEngine(*ROWS)
    first = look(instance, engine)
    assert "looks again at" in first.skip_reason.skip_message
    assert engine.asked == 0, "the gate sensor follows up a new load"
    assert not look(instance, engine, later(first.cursor, 3_500)).run_requests
    second = look(instance, engine, later(first.cursor, 3_700))
    assert [one.partition_key for one in second.run_requests] == STALE_FIRST
    assert {one.tags["enrichment/trigger"] for one in second.run_requests} == {"due"}
    assert engine.asked == 1
    assert "looks again at" in look(instance, engine, second.cursor).skip_reason.skip_message
    third = look(instance, engine, later(second.cursor, 3_700))
    assert {one.run_key for one in third.run_requests}.isdisjoint(one.run_key for one in second.run_requests)


def test_by_day_cohorts_follow_their_feed_within_the_same_look(instance):
    load(instance)
    engine = GivenEngine(listed("u:change_feed", kind="feed"), listed("u:c1", after="u:change_feed"))
    first = look(instance, engine, later(look(instance, engine).cursor, 3_700))
    assert [one.partition_key for one in first.run_requests] == ["u:change_feed"]
    feed = start(instance, first.run_requests[0])
    waits = look(instance, engine, first.cursor)
    assert "u:change_feed is queued or running" in waits.skip_reason.skip_message
    assert engine.asked == 1
    instance.report_run_canceled(feed)
    after = look(instance, engine, waits.cursor)
    assert [one.partition_key for one in after.run_requests] == ["u:c1"]


def test_by_day_what_failed_rests_and_the_budget_is_that_of_the_day(instance):
    load(instance)
    engine = GivenEngine(listed("s:a", calls=4, due=9), listed("s:b", calls=4, due=8), listed("s:c", calls=4, due=7))
    settings = replace(SETTINGS, call_budget=7)
    by_night = night(instance, engine, settings)
    assert [one.partition_key for one in by_night] == ["s:a", "s:b"]
    start(instance, by_night[0], status=dg.DagsterRunStatus.FAILURE)
    expire(instance)
    by_day = look(instance, engine, later(look(instance, engine, settings=settings).cursor, 3_700), settings)
    assert [one.partition_key for one in by_day.run_requests] == ["s:b"], "s:a has failed; 4 of 7 calls are gone"


def test_by_day_more_than_a_tick_takes_comes_with_the_next_ones(instance):
    load(instance)
    engine = GivenEngine(*ROWS)
    settings = replace(SETTINGS, requests_per_tick=3)
    first = look(instance, engine, later(look(instance, engine).cursor, 3_700), settings)
    for request in first.run_requests:
        start(instance, request, status=dg.DagsterRunStatus.SUCCESS)
    second = look(instance, engine, first.cursor, settings)
    assert [one.partition_key for one in [*first.run_requests, *second.run_requests]] == STALE_FIRST


def test_the_day_can_be_left_to_the_night(instance):
    off = replace(SETTINGS, due_every_s=0)
    assert due_sensor(off).default_status == dg.DefaultSensorStatus.STOPPED
    load(instance)
    rows = (listed("u:change_feed", kind="feed"), listed("u:c1", after="u:change_feed"))
    assert [one.partition_key for one in night(instance, GivenEngine(*rows), off)] == ["u:change_feed", "u:c1"]
    assert [one.partition_key for one in night(instance, GivenEngine(*rows))] == ["u:change_feed"]


# --- schedule


def test_the_night_waits_and_pauses_like_the_sensor(instance):
    skipped = night(instance, GivenEngine(*ROWS))
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message.startswith("WAITING")
    load(instance)
    load(instance, ok=False)
    assert night(instance, GivenEngine(*ROWS)).skip_message.startswith("PAUSED")


def test_the_night_requests_what_is_due_stale_first_once(instance):
    load(instance)
    requests = night(instance, GivenEngine(*ROWS))
    assert [one.partition_key for one in requests] == STALE_FIRST
    assert requests[0].run_key == "2026-11-22T03:00:usaspending:change_feed"
    assert {one.tags["enrichment/trigger"] for one in requests} == {"nightly"}
    assert set(STALE_FIRST) <= set(instance.get_dynamic_partitions(PARTITIONS_NAME))


def test_the_night_keeps_to_its_call_budget(instance):
    load(instance)
    requests = night(instance, GivenEngine(*ROWS), replace(SETTINGS, call_budget=2))
    assert [one.partition_key for one in requests] == STALE_FIRST[:2]


def test_the_night_says_why_it_does_nothing(instance):
    load(instance)
    held = {
        "source": "sam_gov",
        "enabled": True,
        "coverage": 0.5,
        "threshold": 0.9,
        "below_threshold": True,
        "due": 40,
        "stale": 4,
        "held_back": "quota of 1000 per 1d spent until 2026-11-23T00:00:00Z",
    }
    skipped = night(instance, GivenEngine(listed("sam_gov:uei_batch_0001", planned=False), sources=[held]))
    assert "sam_gov is held back, 40 due there: quota of 1000" in skipped.skip_message
    assert night(instance, GivenEngine()).skip_message == "nothing is due"


def test_the_measurement_begins_with_the_first_load(instance):
    schedule = coverage_schedule(SETTINGS, coverage_monitor_job(("sam_gov",)))
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=NIGHT) as context:
        assert isinstance(schedule(context), dg.SkipReason)
        load(instance)
        load(instance, ok=False)
        assert isinstance(schedule(context), dg.RunRequest), "a paused gate does not hide falling coverage"


# --- more than there is room for


def many(sources=4, each=500):
    """Due partitions; a higher number is nearer to its SLA, and every tenth is past it."""
    return [
        listed(
            f"s{source}:c{n:04d}", sla_left_s=10_000 - n, **({"stale": 1, "overdue_ratio": 1 + n / 1000} if n % 10 == 0 else {})
        )
        for source in range(sources)
        for n in range(each)
    ]


def forget(engine, partitions):
    """They have been refreshed: the engine plans them no more."""
    engine.answer["partitions"] = [row for row in engine.answer["partitions"] if row["partition"] not in partitions]


def test_a_night_of_2000_due_partitions_requests_what_it_may_and_the_day_the_rest_in_order(instance):
    load(instance)
    engine = GivenEngine(*many())
    settings = replace(SETTINGS, max_queued_per_source=500)
    requests = night(instance, engine, settings)
    assert len(requests) == settings.max_requests == 500
    order = [one.partition_key for one in requests]
    assert all(key.endswith("0") for key in order[:200]), "what is past its SLA"
    assert order[:4] == [f"s{n}:c0490" for n in range(4)], "most overdue first"
    assert order[200:204] == [f"s{n}:c0499" for n in range(4)], "then what is nearest to its SLA"

    cursor = look(instance, engine, settings=settings).cursor
    seen, cursor = list(order), later(cursor, 3_700)
    for _ in range(100):
        expire(instance)
        forget(engine, set(seen))
        result = look(instance, engine, cursor, settings)
        cursor = result.cursor
        if not result.run_requests:
            break
        assert len(result.run_requests) <= settings.requests_per_tick
        seen += [one.partition_key for one in result.run_requests]
    assert len(seen) == len(set(seen)) == 2_000, "none is starved, none is asked for twice"
    left = [10_000 - int(key[-4:]) for key in seen[500:]]
    assert left == sorted(left), "nearest to its SLA first, all along"


def test_the_queue_is_bounded_however_often_it_is_looked(instance):
    load(instance)
    engine = GivenEngine(*many(sources=3, each=60))
    settings = replace(SETTINGS, max_queued=50, max_queued_per_source=20, requests_per_tick=30)
    requested, cursor = [], None
    for _ in range(6):
        result = tick(instance, engine, cursor, settings)
        cursor = result.cursor
        for one in result.run_requests or ():
            start(instance, one, status=dg.DagsterRunStatus.NOT_STARTED)
            requested.append(one.partition_key)
    assert len(requested) == 30, "the next tick waits until half the places are free"
    assert not read_cursor(cursor).is_done, "the rest is not forgotten"
    at_night = night(instance, engine, settings)
    assert len(at_night) == 20
    by_source = [
        sum(key.startswith(f"s{n}:") for key in [*requested, *(one.partition_key for one in at_night)]) for n in range(3)
    ]
    assert max(by_source) <= 20, "one source does not take the places of all"
    for one in at_night:
        start(instance, one, status=dg.DagsterRunStatus.NOT_STARTED)
    asked = engine.asked
    assert "50 partitions are queued or running, and 50 are the most" in night(instance, engine, settings).skip_message
    assert "ENRICHMENT_MAX_QUEUED" in tick(instance, engine, cursor, settings).skip_reason.skip_message
    by_day = later(look(instance, engine, settings=settings).cursor, 3_700)
    assert "ENRICHMENT_MAX_QUEUED" in look(instance, engine, by_day, settings).skip_reason.skip_message
    assert engine.asked == asked, "a full queue costs no process"


def test_a_slow_source_leaves_room_for_the_others(instance):
    load(instance)
    engine = GivenEngine(
        *(listed(f"slow:c{n:03d}", stale=1, overdue_ratio=9) for n in range(300)), listed("quick:c1"), listed("quick:c2")
    )
    requests = night(instance, engine, replace(SETTINGS, max_requests=200))
    keys = [one.partition_key for one in requests]
    assert len(keys) == SETTINGS.max_queued_per_source + 2
    assert keys[-2:] == ["quick:c1", "quick:c2"]


# --- sources that are switched off


def source_row(source, *, enabled):
    return {
        "source": source,
        "enabled": enabled,
        "coverage": 0.0,
        "threshold": 0.9,
        "below_threshold": True,
        "due": 0,
        "stale": 0,
        "held_back": None,
    }


def engine_with(enabled):
    rows = (listed("a:c1"), listed("b:c1", planned=enabled))
    return GivenEngine(*rows, sources=[source_row("a", enabled=True), source_row("b", enabled=enabled)])


def test_partitions_of_a_source_come_and_go_with_it_and_keep_their_history(instance):
    apply(instance, tick(instance, engine_with(True)))
    assert set(instance.get_dynamic_partitions(PARTITIONS_NAME)) == {"a:c1", "b:c1"}
    refreshed = dg.AssetKey("enrichment_refresh")
    instance.report_runless_asset_event(dg.AssetMaterialization(refreshed, partition="b:c1"))
    apply(instance, tick(instance, engine_with(False)))
    assert instance.get_dynamic_partitions(PARTITIONS_NAME) == ["a:c1"]
    apply(instance, tick(instance, engine_with(True)))
    assert set(instance.get_dynamic_partitions(PARTITIONS_NAME)) == {"a:c1", "b:c1"}
    assert instance.get_materialized_partitions(refreshed) == {"b:c1"}, "as it was, not missing"


def test_a_night_too_takes_away_what_is_switched_off_but_not_what_runs(instance):
    load(instance)
    night(instance, engine_with(True))
    running = start(instance, dg.RunRequest(partition_key="b:c1"))
    night(instance, engine_with(False))
    assert "b:c1" in instance.get_dynamic_partitions(PARTITIONS_NAME)
    instance.report_run_canceled(running)
    night(instance, engine_with(False))
    assert "b:c1" not in instance.get_dynamic_partitions(PARTITIONS_NAME)


# --- with the real engine


def test_sensor_and_schedule_with_the_real_engine(world, instance):
    settings = Settings.from_env()
    runner = make_engine_runner(settings)
    assert isinstance(runner, SubprocessEngineRunner)
    for key in settings.bulk_keys:
        instance.report_runless_asset_event(dg.AssetMaterialization(key))
    result = tick(instance, runner, settings=settings)
    requested = [one.partition_key for one in result.run_requests]
    assert requested[0] == "sbir_gov:bulk_file"
    assert "sam_gov:uei_batch_0001" in requested
    assert "usaspending:award_year_2024" in requested
    assert not [key for key in requested if key.startswith("sbir_gov:award_year")]
    apply(instance, result)
    assert set(requested) <= set(instance.get_dynamic_partitions(PARTITIONS_NAME))
    expire(instance)
    assert sorted(one.partition_key for one in night(instance, runner, settings)) == sorted(requested)


def test_before_the_first_load_the_real_engine_lists_nothing(empty_world, instance):
    result = tick(instance, make_engine_runner(Settings.from_env()))
    assert result.skip_reason.skip_message.startswith("WAITING")
    assert not result.dynamic_partitions_requests


def test_a_broken_configuration_is_told_in_the_tick(world, instance, monkeypatch):
    monkeypatch.setenv("ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__CADENCE", "often")
    with pytest.raises(EngineFailed, match="cadence"):
        tick(instance, make_engine_runner(Settings.from_env()))
