from datetime import datetime, timezone

import pytest

from dagster_project.lib.verdict import End, Patience, judge, resumes_at

CLEAN = {"opened": True, "closed": {}}


def end(code=0, **given):
    return End(exit_code=code, **{**CLEAN, **given})


def test_a_clean_end_is_done():
    assert judge(end(result={"kind": "result", "exit_code": 0})).kind == "done"
    assert judge(end()).kind == "done"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"opened": False}, "never opened"),
        ({"closed": None}, "did not close"),
        ({"closed": {"exception": {"name": "TypeError", "message": "boom"}}}, "TypeError: boom"),
        ({"closed": {"exception": None}}, "exception"),
        ({"bad": [("JSONDecodeError", '{"half')]}, "1 message(s)"),
        ({"result": {"exit_code": 1}}, "reported exit code 1"),
    ],
)
def test_exit_code_0_alone_is_not_believed(given, says):
    verdict = judge(end(**given))
    assert verdict.kind == "failed"
    assert says in verdict.message


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1, "failed"), (2, "failed"), (78, "configuration"), (130, "interrupted"), (143, "interrupted"), (-2, "interrupted")],
)
def test_exit_codes(code, kind):
    assert judge(end(code, result={"why": "because"})).kind == kind


def test_a_killed_engine_says_so():
    assert "SIGKILL (out of memory?)" in judge(end(-9, closed=None)).message
    assert "signal 77" in judge(end(-77, closed=None)).message


def test_the_engines_words_are_told_with_what_to_do_next():
    verdict = judge(end(78, result={"why": "no key", "error": {"next": "set SAM_GOV_API_KEY"}}))
    assert verdict.message == "no key\nnext: set SAM_GOV_API_KEY"
    assert judge(end(1, closed={"exception": {"name": "RangeError", "message": "bad"}})).message == "RangeError: bad"


@pytest.mark.parametrize(
    ("after", "tries", "wait"),
    [(None, 0, 5), (2, 0, 5), (60, 0, 60), (None, 3, 40), (None, 9, 300), (100, 1, 100), ("soon", 0, 5), (-3, 0, 5)],
)
def test_try_later_waits_for_what_the_engine_says_and_longer_each_time(after, tries, wait):
    verdict = judge(end(75, result={"why": "lease", "retry_after_s": after}), Patience(waits=tries))
    assert (verdict.kind, verdict.wait_s) == ("retry", wait)


def test_a_long_wait_is_left_to_a_later_run():
    verdict = judge(end(75, result={"why": "spent until midnight", "retry_after_s": 40_000}))
    assert (verdict.kind, verdict.wait_s) == ("deferred", 40_000)


def test_waiting_is_bounded_in_time_not_in_tries():
    assert judge(end(75), Patience(waits=500, waited_s=1_000)).kind == "retry"
    assert judge(end(75), Patience(waits=1, waited_s=1_795)).kind == "deferred"
    assert judge(end(75), Patience(waits=1, waited_s=1_790)).kind == "retry"
    assert judge(end(75, result={"retry_after_s": 600}), Patience(max_total_s=599)).kind == "deferred"


def test_no_waiting_when_none_is_allowed():
    assert judge(end(75, result={"retry_after_s": 1}), Patience(max_wait_s=0)).kind == "deferred"


def test_when_it_makes_sense_again_is_told_by_the_engines_clock():
    wall = datetime(2026, 11, 21, tzinfo=timezone.utc)
    report = {"finished_at": "2027-03-01T10:00:00.000Z"}
    told = end(75, result={"retry_after_s": 40_000, "report": report})
    assert resumes_at(told, judge(told), wall) == datetime(2027, 3, 1, 21, 6, 40, tzinfo=timezone.utc)
    untold = end(75, result={"retry_after_s": 40_000})
    assert resumes_at(untold, judge(untold), wall) == datetime(2026, 11, 21, 11, 6, 40, tzinfo=timezone.utc)
    nothing = end(75)
    assert resumes_at(nothing, judge(nothing, Patience(waited_s=1_800)), wall) is None
