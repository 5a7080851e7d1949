import pytest

from dagster_project.lib.gate import Attempt, BulkOutcome, Open, Paused, Waiting, describe, evaluate, token_of

LOADED = BulkOutcome("companies", materialized=7)
OTHER = BulkOutcome("awards", materialized=9)


def with_attempt(state, *, materialized=7, partition=None):
    return BulkOutcome("companies", materialized=materialized, open_attempts=(Attempt("run-1", state, partition),))


def test_open_when_all_have_succeeded():
    gate = evaluate([LOADED, OTHER])
    assert isinstance(gate, Open)
    assert gate.token == token_of([OTHER, LOADED])
    assert describe(gate) == f"OPEN({gate.token})"


def test_the_token_changes_with_each_load_and_with_nothing_else():
    assert token_of([LOADED, OTHER]) != token_of([LOADED, BulkOutcome("awards", materialized=10)])
    assert token_of([LOADED]) != token_of([LOADED, OTHER])
    assert token_of([LOADED, OTHER]) == token_of([OTHER, LOADED])


def test_waiting_names_what_was_never_loaded():
    gate = evaluate([LOADED, BulkOutcome("awards", materialized=None)])
    assert gate == Waiting("never materialized: awards")


def test_waiting_while_a_load_runs_also_after_an_earlier_success():
    gate = evaluate([OTHER, with_attempt("running")])
    assert isinstance(gate, Waiting)
    assert "run-1" in gate.reason


@pytest.mark.parametrize("materialized", [7, None])
@pytest.mark.parametrize(("state", "word"), [("failed", "failed"), ("canceled", "was canceled")])
def test_paused_names_asset_and_run(state, word, materialized):
    gate = evaluate([OTHER, with_attempt(state, materialized=materialized)])
    assert isinstance(gate, Paused)
    assert (gate.asset, gate.run_id) == ("companies", "run-1")
    assert word in gate.reason
    assert ("never succeeded" in gate.reason) == (materialized is None)


def test_a_failure_outranks_what_is_missing_or_running():
    gate = evaluate([BulkOutcome("a", None), with_attempt("running"), BulkOutcome("b", 1, (Attempt("run-2", "failed"),))])
    assert isinstance(gate, Paused)
    assert gate.run_id == "run-2"


def test_a_partition_is_named():
    gate = evaluate([with_attempt("failed", partition="2024")])
    assert "companies, partition 2024, failed" in gate.reason


def test_nothing_watched_is_never_open():
    assert isinstance(evaluate([]), Waiting)
