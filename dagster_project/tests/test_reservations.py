"""No partition is requested twice, however the ticks of the three starters and the creation of their runs fall together."""

import random
import threading
import time
from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pytest

from dagster_project.lib import reservations
from dagster_project.lib.reservations import GRACE_S, PER_REQUEST_S, reserve, reserved
from test_sensor_and_schedule import (
    NIGHT,
    ROWS,
    SETTINGS,
    STALE_FIRST,
    GivenEngine,
    later,
    listed,
    load,
    look,
    night,
    start,
    tick,
)


def keys(requests) -> list[str]:
    return [one.partition_key for one in requests or ()] if isinstance(requests, list) else []


def due(instance, engine, settings=SETTINGS):
    """A look of the sensor for what becomes due, an hour after its last one."""
    return look(instance, engine, later(look(instance, engine, settings=settings).cursor, 3_700), settings)


@pytest.fixture
def later_by(monkeypatch):
    """Lets reservations grow older."""

    def pass_time(instance, seconds):
        entries = reservations._read(instance)
        for starter, entry in entries.items():
            aged = {key: replace(one, until=one.until - seconds) for key, one in entry.items()}
            reservations._write(instance, starter, aged)

    return pass_time


def starters(instance, engine):
    return {
        "post_bulk": lambda: keys(tick(instance, engine).run_requests),
        "due": lambda: keys(due(instance, engine).run_requests),
        "nightly": lambda: keys(night(instance, engine)),
    }


@pytest.mark.parametrize("first", ["post_bulk", "due", "nightly"])
@pytest.mark.parametrize("second", ["post_bulk", "due", "nightly"])
def test_what_one_starter_requests_no_other_does_before_its_runs_are_there(instance, first, second):
    load(instance)
    ways = starters(instance, GivenEngine(*ROWS))
    assert ways[first]() == STALE_FIRST
    if first == second == "nightly":
        assert ways[second]() == STALE_FIRST, "the same night again: its first tick failed, and run keys tell what was created"
    else:
        assert ways[second]() == []


def test_another_night_does_not_take_over_what_the_last_one_has_reserved(instance):
    load(instance)
    engine = GivenEngine(*ROWS)
    assert keys(night(instance, engine)) == STALE_FIRST
    skipped = night(instance, engine, at=NIGHT + timedelta(minutes=1))
    assert "queued or running" in skipped.skip_message


def test_a_reservation_ends_with_its_own_run_and_the_run_takes_over(instance):
    load(instance)
    engine = GivenEngine(*ROWS)
    requests = night(instance, engine)
    run = start(instance, requests[0])
    assert set(reserved(instance, time.time())) == set(STALE_FIRST[1:])
    assert keys(due(instance, engine).run_requests) == [], "one runs, three are coming"
    instance.report_run_failed(run)
    assert keys(tick(instance, engine).run_requests) == STALE_FIRST[:1], "that one has ended"


def test_a_launch_by_hand_in_between_does_not_end_it(instance):
    load(instance)
    engine = GivenEngine(*ROWS)
    night(instance, engine)
    start(instance, dg.RunRequest(partition_key=STALE_FIRST[0]), dg.DagsterRunStatus.SUCCESS)
    assert keys(due(instance, engine).run_requests) == []


def test_a_daemon_that_died_before_it_created_all_runs_holds_nothing_for_ever(instance, later_by):
    load(instance)
    engine = GivenEngine(*ROWS)
    requests = night(instance, engine)
    start(instance, requests[0], dg.DagsterRunStatus.SUCCESS)
    later_by(instance, GRACE_S - 30)
    assert keys(due(instance, engine).run_requests) == STALE_FIRST[:1]
    later_by(instance, 30 + PER_REQUEST_S * len(requests))
    assert keys(tick(instance, engine).run_requests) == STALE_FIRST[1:], "they were never created; the day has the first"


def test_the_later_a_run_is_created_the_longer_it_is_reserved(instance):
    requests = [
        dg.RunRequest(partition_key=f"s:c{n}", tags={"enrichment/occasion": "o", "enrichment/planned_calls": "1"})
        for n in range(500)
    ]
    reserve(instance, "nightly", requests, now=1_000)
    after = 1_000 + GRACE_S + 100 * PER_REQUEST_S
    assert set(reserved(instance, after)) == {f"s:c{n}" for n in range(101, 500)}


def test_calls_of_a_partition_are_counted_once(instance):
    load(instance)
    engine = GivenEngine(*(listed(f"s:c{n}", calls=4, due=9 - n) for n in range(5)))
    settings = replace(SETTINGS, call_budget=10, requests_per_tick=1)
    requests = night(instance, engine, replace(settings, max_requests=1))
    assert keys(requests) == ["s:c0"]
    assert keys(due(instance, engine, settings).run_requests) == ["s:c1"], "4 of 10 are coming"
    start(instance, requests[0], dg.DagsterRunStatus.SUCCESS)
    left = night(instance, engine, settings, at=NIGHT + timedelta(minutes=1))
    assert keys(left) == ["s:c0"], "8 of 10 are gone: four for a run that was, four for one that is coming"


def test_an_entry_that_cannot_be_read_is_none(instance):
    for text in ("", "no json", "[1]", '{"s:a": 1}', '{"s:a": ["o", "x", 2]}'):
        instance.daemon_cursor_storage.set_cursor_values({"enrichment/reserved/due": text})
        assert reserved(instance, 0) == {}


def test_it_is_kept_by_the_instance_not_by_the_process(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as first:
        load(first)
        night(first, GivenEngine(*ROWS))
        with dg.DagsterInstance.from_ref(first.get_ref()) as again:
            assert set(reserved(again, time.time())) == set(STALE_FIRST)
            assert keys(due(again, GivenEngine(*ROWS)).run_requests) == []


class SlowEngine(GivenEngine):
    def ask(self, request, *, timeout_s=50):
        time.sleep(0.05)
        return super().ask(request)


def test_ticks_that_are_evaluated_at_once_share_out_what_is_due(instance):
    """As the daemon does it: each starter in a thread of its own."""
    load(instance)
    engine = SlowEngine(*(listed(f"s{n % 4}:c{n:03d}") for n in range(40)))
    settings = replace(SETTINGS, requests_per_tick=15, max_requests=15)
    first_look = later(look(instance, engine, settings=settings).cursor, 3_700)
    got: dict[str, list[str]] = {}
    ways = {
        "post_bulk": lambda: tick(instance, engine, settings=settings).run_requests,
        "due": lambda: look(instance, engine, first_look, settings).run_requests,
        "nightly": lambda: night(instance, engine, settings),
    }
    threads = [threading.Thread(target=lambda n=name, way=way: got.update({n: keys(way())})) for name, way in ways.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    requested = [key for one in got.values() for key in one]
    assert len(requested) == len(set(requested)) == 40
    assert set(got) == set(ways)


class Daemon:
    """Creates the runs of each starter's tick one by one, as slowly as it likes, and evaluates the starter again after that;
    the starters among each other in any order."""

    def __init__(self, instance, engine, settings):
        self.instance, self.engine, self.settings = instance, engine, settings
        self.cursors: dict[str, str | None] = {"post_bulk": None, "due": later(look(instance, engine).cursor, 3_700)}
        self.to_create: dict[str, list[dg.RunRequest]] = {"post_bulk": [], "due": [], "nightly": []}
        self.under_way: dict[str, dg.DagsterRun] = {}
        self.run_keys: set[str] = set()
        self.overlaps: list[str] = []
        self.created: list[str] = []
        self.nights = 0

    def step(self, name):
        if self.to_create[name]:
            self.create(self.to_create[name].pop(0))
        else:
            self.to_create[name] = list(self.evaluate(name))

    def evaluate(self, name):
        if name == "nightly":
            self.nights += 1
            made = night(self.instance, self.engine, self.settings, at=NIGHT + timedelta(minutes=self.nights))
            return made if isinstance(made, list) else []
        if name == "due":
            self.cursors[name] = later(self.cursors[name], 3_700)
        result = (tick if name == "post_bulk" else look)(self.instance, self.engine, self.cursors[name], self.settings)
        self.cursors[name] = result.cursor
        return result.run_requests or []

    def create(self, request):
        if request.run_key in self.run_keys:
            return
        self.run_keys.add(request.run_key)
        if request.partition_key in self.under_way:
            self.overlaps.append(request.partition_key)
        self.under_way[request.partition_key] = start(self.instance, request, dg.DagsterRunStatus.NOT_STARTED)
        self.created.append(request.tags["enrichment/trigger"])

    def end_one(self, rng):
        partition = rng.choice(sorted(self.under_way))
        self.instance.report_run_canceled(self.under_way.pop(partition))


@pytest.mark.parametrize("seed", range(4))
def test_over_many_ticks_of_all_three_no_two_runs_of_a_partition_overlap(instance, seed):
    """What stays due for ever, runs that end in any order, and creation that lags behind."""
    rng = random.Random(seed)
    load(instance)
    engine = GivenEngine(*(listed(f"s{n % 3}:c{n:02d}") for n in range(12)))
    # Nothing rests, so that all three want all of it all the time.
    daemon = Daemon(instance, engine, replace(SETTINGS, requests_per_tick=4, max_requests=6, due_every_s=1))
    for _ in range(150):
        daemon.step(rng.choice(["post_bulk", "due", "nightly"]))
        if daemon.under_way and rng.random() < 0.4:
            daemon.end_one(rng)
    assert daemon.overlaps == []
    assert {"due", "nightly"} <= set(daemon.created)
    assert len(daemon.created) > 20
