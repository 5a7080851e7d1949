import pytest

from dagster_project.lib.partition_list import PartitionList, PartitionRow, SourceRow, is_partition_key, read_partition_list
from dagster_project.lib.partition_sync import partition_changes
from dagster_project.lib.requests import Limits, choose, nothing_to_do, priorities, request_tags, source_tags

AMPLE = Limits(calls=1_000, partitions=1_000)


def row(partition, *, kind="cohort", due=10, stale=0, ratio=0.0, planned=True, calls=1, served_by=None):
    source, _, cohort = partition.partition(":")
    return PartitionRow(partition, source, cohort, kind, 100, due, stale, ratio, planned, calls, "due", served_by)


def names(choice):
    return [one.partition for one in choice.rows]


def test_stale_first_most_overdue_first_whole_sources_before_all():
    rows = [
        row("s:fresh", due=99),
        row("s:stale_a", stale=1, ratio=1.5),
        row("s:stale_b", stale=1, ratio=3.0),
        row("s:change_feed", kind="feed"),
    ]
    choice = choose(rows, in_flight=(), limits=AMPLE)
    assert names(choice) == ["s:change_feed", "s:stale_b", "s:stale_a", "s:fresh"]
    numbers = priorities(choice.rows)
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 4


def test_priorities_of_two_ticks_keep_the_classes_apart():
    late = choose([row("s:stale", stale=1)], in_flight=(), limits=AMPLE).rows
    early = choose([row(f"s:c{n}") for n in range(50)], in_flight=(), limits=AMPLE).rows
    assert min(priorities(late)) > max(priorities(early))


def test_what_is_not_planned_served_elsewhere_or_under_way_is_left_out():
    rows = [row("s:a", planned=False), row("s:b", served_by="s:bulk_file"), row("s:c"), row("s:d"), row("s:e")]
    choice = choose(rows, in_flight={"s:c"}, limits=AMPLE, already={"s:d"})
    assert names(choice) == ["s:e"]
    assert choice.in_flight == 1


def test_the_call_budget_cuts_and_the_partition_that_crosses_it_is_kept():
    rows = [row(f"s:c{n}", calls=4, ratio=9 - n) for n in range(5)]
    choice = choose(rows, in_flight=(), limits=Limits(calls=9, partitions=99))
    assert names(choice) == ["s:c0", "s:c1", "s:c2"]
    assert choice.over_budget == 2


def test_the_number_of_runs_is_limited_and_the_rest_comes_next():
    choice = choose([row(f"s:c{n}") for n in range(5)], in_flight=(), limits=Limits(calls=99, partitions=2))
    assert (len(choice.rows), choice.left_over) == (2, 3)


def test_tags():
    assert source_tags("sam_gov:uei_batch_0001") == {"enrichment/source": "sam_gov", "enrichment/cohort": "uei_batch_0001"}
    tags = request_tags(row("sam_gov:x", stale=2), 12, trigger="nightly", token="t")
    assert tags["dagster/priority"] == "12"
    assert tags["enrichment/reason"] == "sla_breach"
    assert request_tags(row("sam_gov:x"), 1, trigger="nightly", token="t")["enrichment/reason"] == "due"


def test_why_nothing_is_requested():
    held = SourceRow("sam_gov", 0.5, 0.9, True, 40, 3, "quota spent")
    nothing = choose([], in_flight=(), limits=AMPLE)
    assert nothing_to_do(nothing, []) == "nothing is due"
    assert nothing_to_do(nothing, [held]) == "sam_gov is held back, 40 due there: quota spent"
    busy = choose([row("s:c")], in_flight={"s:c"}, limits=AMPLE)
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
