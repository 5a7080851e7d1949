from datetime import datetime, timedelta, timezone

import pytest
from dagster import DagsterRunStatus

from dagster_project.lib.partition_list import PartitionList, PartitionRow, SourceRow, is_partition_key, read_partition_list
from dagster_project.lib.partition_sync import partition_changes
from dagster_project.lib.requests import Known, Limits, choose, nothing_to_do, priorities, request_tags, source_tags, what_waits
from dagster_project.lib.run_history import PastRun, calls_requested, resting

AMPLE = Limits(calls=1_000, partitions=1_000)


def row(partition, *, kind="cohort", due=10, stale=0, ratio=0.0, planned=True, calls=1, after=None, served_by=None):
    source, _, cohort = partition.partition(":")
    left = (1 - ratio) * 86_400
    return PartitionRow(partition, source, cohort, kind, 100, due, stale, ratio, left, planned, calls, "due", after, served_by)


def names(choice):
    return [one.partition for one in choice.rows]


def test_stale_first_most_overdue_first_whole_sources_before_all():
    rows = [
        row("s:fresh", due=99),
        row("s:stale_a", stale=1, ratio=1.5),
        row("s:stale_b", stale=1, ratio=3.0),
        row("s:change_feed", kind="feed"),
    ]
    choice = choose(rows, known=Known(), limits=AMPLE)
    assert names(choice) == ["s:change_feed", "s:stale_b", "s:stale_a", "s:fresh"]
    numbers = priorities(choice.rows)
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 4


def test_priorities_of_two_ticks_keep_the_classes_apart():
    late = choose([row("s:stale", stale=1)], known=Known(), limits=AMPLE).rows
    early = choose([row(f"s:c{n}") for n in range(50)], known=Known(), limits=AMPLE).rows
    assert min(priorities(late)) > max(priorities(early))


def test_what_is_not_planned_served_elsewhere_or_under_way_is_left_out():
    rows = [row("s:a", planned=False), row("s:b", served_by="s:bulk_file"), row("s:c"), row("s:d"), row("s:e")]
    choice = choose(rows, known=Known(in_flight={"s:c"}, already={"s:d"}), limits=AMPLE)
    assert names(choice) == ["s:e"]
    assert choice.in_flight == 1


def test_the_call_budget_cuts_and_the_partition_that_crosses_it_is_kept():
    rows = [row(f"s:c{n}", calls=4, ratio=9 - n) for n in range(5)]
    choice = choose(rows, known=Known(), limits=Limits(calls=9, partitions=99))
    assert names(choice) == ["s:c0", "s:c1", "s:c2"]
    assert choice.over_budget == 2


def test_the_number_of_runs_is_limited_and_the_rest_comes_next():
    choice = choose([row(f"s:c{n}") for n in range(5)], known=Known(), limits=Limits(calls=99, partitions=2))
    assert (len(choice.rows), choice.left_over) == (2, 3)


FEED = row("s:change_feed", kind="feed")
COHORTS = [row(f"s:c{n}", after="s:change_feed") for n in range(3)]


def test_cohorts_come_after_the_feed_that_settles_them():
    other = row("t:c")
    choice = choose([FEED, *COHORTS, other], known=Known(), limits=AMPLE)
    assert names(choice) == ["s:change_feed", "t:c"]
    assert (choice.behind, choice.awaited, choice.is_complete) == (3, ("s:change_feed",), False)
    assert "3 come after s:change_feed" in what_waits(choice)
    running = choose([FEED, *COHORTS], known=Known(in_flight={"s:change_feed"}, already={"s:change_feed"}), limits=AMPLE)
    assert (names(running), running.behind, running.is_complete) == ([], 3, False)


def test_a_feed_that_had_its_run_is_waited_for_no_more_whatever_came_of_it():
    """It failed, so the engine still wants it first; its cohorts would otherwise starve."""
    for known in (Known(already={"s:change_feed"}), Known(resting={"s:change_feed"})):
        choice = choose([FEED, *COHORTS], known=known, limits=AMPLE)
        assert names(choice) == ["s:c0", "s:c1", "s:c2"]
        assert choice.is_complete


def test_nobody_waits_for_a_feed_beyond_the_budget():
    choice = choose([FEED, *COHORTS], known=Known(), limits=Limits(calls=0, partitions=99))
    assert (names(choice), choice.over_budget, choice.behind, choice.is_complete) == ([], 4, 0, True)


def test_where_nothing_comes_back_for_them_cohorts_are_requested_beside_their_feed():
    choice = choose([FEED, *COHORTS], known=Known(), limits=AMPLE, waits_for_feeds=False)
    assert names(choice) == ["s:change_feed", "s:c0", "s:c1", "s:c2"]


def test_what_rests_is_left_out():
    choice = choose([row("s:a"), row("s:b")], known=Known(resting={"s:a"}), limits=AMPLE)
    assert (names(choice), choice.resting) == (["s:b"], 1)
    assert "failed or were deferred" in nothing_to_do(choice, [])


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)


def past(partition, status="FAILURE", *, ended_h_ago=1.0, calls=5, deferred_in_h=None):
    ended = NOW - timedelta(hours=ended_h_ago)
    until = None if deferred_in_h is None else NOW + timedelta(hours=deferred_in_h)
    return PastRun(partition, DagsterRunStatus[status], ended, ended, calls, until)


def test_a_partition_that_failed_or_was_canceled_rests_four_hours():
    runs = [past("s:a"), past("s:b", ended_h_ago=4.1), past("s:c", "CANCELED"), past("s:d", "SUCCESS")]
    assert resting(runs, NOW, 4 * 3600) == {"s:a", "s:c"}


def test_the_latest_run_decides():
    assert resting([past("s:a", "SUCCESS"), past("s:a", ended_h_ago=2)], NOW, 4 * 3600) == set()
    assert resting([past("s:a", "STARTED", ended_h_ago=0), past("s:a")], NOW, 4 * 3600) == set()


def test_what_was_deferred_rests_until_then():
    runs = [past("s:a", deferred_in_h=2, ended_h_ago=9), past("s:b", deferred_in_h=-0.1, ended_h_ago=0.2)]
    assert resting(runs, NOW, 4 * 3600) == {"s:a"}


def test_calls_of_requests_are_added_up_and_launches_by_hand_are_not():
    assert calls_requested([past("s:a", calls=3), past("s:b", calls=None), past("s:c", "SUCCESS", calls=4)]) == 7


def test_tags():
    assert source_tags("sam_gov:uei_batch_0001") == {"enrichment/source": "sam_gov", "enrichment/cohort": "uei_batch_0001"}
    tags = request_tags(row("sam_gov:x", stale=2), 12, trigger="nightly", occasion="o", token="t")
    assert tags["dagster/priority"] == "12"
    assert tags["enrichment/reason"] == "sla_breach"
    assert (tags["enrichment/occasion"], tags["enrichment/planned_calls"]) == ("o", "1")
    assert request_tags(row("sam_gov:x"), 1, trigger="nightly", occasion="o", token="t")["enrichment/reason"] == "due"


def test_why_nothing_is_requested():
    held = SourceRow("sam_gov", True, 0.5, 0.9, True, 40, 3, "quota spent")
    nothing = choose([], known=Known(), limits=AMPLE)
    assert nothing_to_do(nothing, []) == "nothing is due"
    assert nothing_to_do(nothing, [held]) == "sam_gov is held back, 40 due there: quota spent"
    busy = choose([row("s:c")], known=Known(in_flight={"s:c"}), limits=AMPLE)
    assert "queued or running" in nothing_to_do(busy, [])


@pytest.mark.parametrize("key", ["sam_gov:uei_batch_0001", "nih:project_week_2025-W12", "patentsview:grant_month_2025-01"])
def test_keys_of_the_specification(key):
    assert is_partition_key(key)


@pytest.mark.parametrize("key", ["a,b:c", "sam_gov:a,b", "sam_gov", "sam_gov:", "sam_gov:a...b", "sam_gov:a b", "S:x", "s:[x]"])
def test_keys_that_dagster_would_trip_over(key):
    assert not is_partition_key(key)


def listed(*partitions, has_state=True):
    return PartitionList(has_state, tuple(row(one) for one in partitions), ())


def test_partitions_are_added_sorted_and_vanished_ones_removed():
    changes = partition_changes(["s:old", "s:b"], listed("s:c", "s:b", "s:a"))
    assert (changes.add, changes.delete) == (("s:a", "s:c"), ("s:old",))


def test_nothing_is_removed_without_a_state_or_while_it_is_under_way():
    assert partition_changes(["s:old"], listed(has_state=False)).delete == ()
    assert partition_changes(["s:old"], listed("s:a"), in_flight={"s:old"}).delete == ()
    assert not partition_changes(["s:a"], listed("s:a"))


def test_a_list_that_is_none_is_refused():
    with pytest.raises(ValueError, match="lacks something"):
        read_partition_list({"kind": "partitions", "partitions": [{"partition": "s:a"}], "sources": []})
