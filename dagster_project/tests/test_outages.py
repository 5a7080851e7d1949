"""A source that is only deferred is told of once."""

from datetime import datetime, timedelta, timezone

from dagster import DagsterRunStatus

from dagster_project.lib.deliveries import OutageCursor
from dagster_project.lib.outages import outages, to_alert
from dagster_project.lib.run_history import PastRun, resting

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
DAY = 86_400


def past(partition, status="SUCCESS", *, h_ago, deferred=False, until=None, run_id="r"):
    at = NOW - timedelta(hours=h_ago)
    return PastRun(partition, DagsterRunStatus[status], at, at, 1, until, is_deferred=deferred, run_id=run_id)


def told_of(runs, told=(), after_s=DAY):
    return [one.source for one in to_alert(outages(runs), told, NOW, after_s)]


DOWN = [past("s:a", h_ago=h, deferred=True, run_id=f"r{h}") for h in (1, 12, 25)]


def test_deferred_for_longer_than_that_and_only_once():
    assert told_of(DOWN) == ["s"]
    assert told_of(DOWN, told=["s"]) == []
    assert told_of(DOWN, after_s=DAY * 2) == []
    found = outages(DOWN)["s"]
    assert (found.runs, found.last_run_id, found.since) == (3, "r1", NOW - timedelta(hours=25))


def test_a_run_that_got_through_ends_it():
    assert told_of([past("s:b", h_ago=0.5), *DOWN]) == []
    assert told_of([DOWN[0], past("s:b", h_ago=2), *DOWN[1:]]) == []
    assert told_of([past("s:b", "FAILURE", h_ago=0.5), *DOWN]) == [], "that one has an alert of its own"


def test_what_is_queued_runs_or_was_canceled_says_nothing():
    others = [past("s:b", status, h_ago=0.1) for status in ("QUEUED", "STARTED", "CANCELED")]
    assert told_of([*others, *DOWN]) == ["s"]


def test_sources_are_told_apart():
    assert told_of([past("t:a", h_ago=0.5), *DOWN]) == ["s"]


def test_a_cursor_that_cannot_be_read_is_empty():
    for text in (None, "{", "3", '{"told": 3}'):
        assert OutageCursor.read(text) == OutageCursor()
    assert OutageCursor.read('["s"]') == OutageCursor(("s",)), "of an earlier version"
    cursor = OutageCursor(("s", "t"))
    cursor.deliveries.add("s", ["SLACK"], 3.5)
    assert OutageCursor.read(cursor.dump()) == cursor


def test_a_deferred_run_rests_by_the_engines_clock_whichever_way_it_ended():
    until = NOW + timedelta(hours=2)
    for status in ("SUCCESS", "FAILURE"):
        runs = [past("s:a", status, h_ago=9, deferred=True, until=until)]
        assert resting(runs, NOW, 4 * 3600, NOW) == {"s:a"}
        assert resting(runs, NOW, 4 * 3600, NOW + timedelta(days=1)) == set(), "the sandbox's clock was moved on by a day"


def test_a_deferred_run_whose_moment_is_not_known_rests_like_one_that_failed():
    assert resting([past("s:a", h_ago=3, deferred=True)], NOW, 4 * 3600) == {"s:a"}
    assert resting([past("s:a", h_ago=5, deferred=True)], NOW, 4 * 3600) == set()
