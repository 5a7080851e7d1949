"""Alerts, against receivers on loopback."""

import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from dagster_project.defs.alert_sensors import deferral_alert_sensor, failure_alert_sensor
from dagster_project.lib.alerts import SLACK, WEBHOOK, AlertTargets, Answer, alert_of, post, slack_text
from dagster_project.lib.deliveries import GIVE_UP_AFTER_S, MOST_TRIES, MOST_WAITING, TICK_BUDGET_S, Deliveries, FailureCursor
from dagster_project.lib.settings import Settings, SettingsError


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, json.loads(body)))
        status = self.server.answers.pop(0) if self.server.answers else self.server.usual
        if status == "hang":
            self.server.may_end.wait(30)
            return
        if status == "trickle":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
            while not self.server.may_end.wait(0.05):
                self.wfile.write(b"x: y\r\n")
            return
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_args): ...


class Receiver(ThreadingHTTPServer):
    """Takes what is posted; `answers` are the statuses of the next answers, then `usual`."""

    daemon_threads = True

    def __init__(self):
        self.got: list[tuple[str, dict]] = []
        self.answers: list[int | str] = []
        self.usual: int | str = 200
        self.may_end = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def runs(self):
        return [body["run_id"] for _, body in self.got]


def serve():
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.may_end.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def receiver():
    yield from serve()


@pytest.fixture
def other():
    yield from serve()


def failed_run(instance, *, description="quota table is gone", tags=None):
    @dg.op
    def breaks():
        raise dg.Failure(description, allow_retries=False)

    @dg.job(name="iterative_enrichment_refresh_job")
    def job():
        breaks()

    return job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)


@pytest.fixture
def ticks(instance, monkeypatch):
    """Evaluates the sensor as the daemon does, which keeps its cursor; `passes` seconds after the tick before."""
    clock = SimpleNamespace(now=1_000_000.0)
    monkeypatch.setattr("dagster_project.defs.alert_sensors.time", SimpleNamespace(time=lambda: clock.now))
    monkeypatch.setattr("dagster_project.lib.alerts.POST_WITHIN_S", 0.5)
    for name in (WEBHOOK, SLACK):
        monkeypatch.delenv(name, raising=False)
    state = SimpleNamespace(cursor=None)

    def tick(passes=30.0, **variables):
        clock.now += passes
        sensor = failure_alert_sensor(Settings.from_env(variables))
        with dg.build_sensor_context(instance=instance, cursor=state.cursor) as context:
            done = sensor.evaluate_tick(context)
            state.cursor = done.cursor
            return done.skip_message

    tick.state = state
    tick()
    return tick


def test_a_failed_run_is_posted_to_both_once(instance, receiver, ticks, monkeypatch):
    monkeypatch.setenv(WEBHOOK, f"{receiver.url}/hook")
    monkeypatch.setenv(SLACK, f"{receiver.url}/slack")
    monkeypatch.setenv("ENRICHMENT_DAGSTER_URL", "https://dagster.example/")
    tags = {"dagster/partition": "sam_gov:uei_batch_0001", "enrichment/source": "sam_gov", "enrichment/trigger": "nightly"}
    result = failed_run(instance, tags=tags)
    text = ticks()
    assert f"posted: {result.run_id} to ENRICHMENT_ALERT_WEBHOOK_URL" in text
    assert receiver.url not in text
    posted = dict(receiver.got)
    assert posted["/hook"] == {
        "kind": "dagster_run_failed",
        "job": "iterative_enrichment_refresh_job",
        "run_id": result.run_id,
        "partition": "sam_gov:uei_batch_0001",
        "source": "sam_gov",
        "trigger": "nightly",
        "why": "quota table is gone",
        "url": f"https://dagster.example/runs/{result.run_id}",
    }
    assert "quota table is gone" in posted["/slack"]["text"]
    # Its record is closed a second time.
    instance.report_run_failed(instance.get_run_by_id(result.run_id))
    assert ticks() == ticks() == "no run has failed"
    assert len(receiver.got) == 2


def test_what_failed_before_the_first_look_is_history(instance, receiver, ticks, monkeypatch):
    monkeypatch.setenv(WEBHOOK, receiver.url)
    failed_run(instance)
    # What Dagster's own sensor for failed runs, which it was before, has left.
    for cursor in (None, '{"__class__": "RunStatusSensorCursor", "record_id": 3}'):
        ticks.state.cursor = cursor
        assert ticks() == "no run has failed"
        assert ticks() == "no run has failed"
    assert receiver.got == []


def test_nothing_is_posted_when_nothing_is_configured(instance, receiver, ticks, monkeypatch):
    failed_run(instance)
    assert "neither" in ticks()
    monkeypatch.setenv(WEBHOOK, receiver.url)
    assert ticks() == "no run has failed"
    assert receiver.got == []


def test_a_run_that_failed_because_it_was_put_off_is_a_failure(instance, receiver, ticks, monkeypatch):
    """A refresh that is deferred ends well; what cannot, a bulk load for one, has failed."""
    monkeypatch.setenv(WEBHOOK, receiver.url)
    result = failed_run(instance, tags={"enrichment/deferred_until": "2026-11-22T00:00:00Z"})
    ticks()
    assert receiver.runs == [result.run_id]


def test_a_receiver_that_is_down_for_a_while_loses_nothing(instance, receiver, ticks, monkeypatch):
    monkeypatch.setenv(WEBHOOK, receiver.url)
    receiver.answers = [503, 503, 503]
    runs = [failed_run(instance).run_id for _ in range(2)]
    text = ticks()
    assert "not delivered, it is tried again: ENRICHMENT_ALERT_WEBHOOK_URL: answered 503" in text
    assert len(receiver.got) == 1, "it is left alone for the rest of the tick"
    assert "2 alert(s) wait" in ticks(passes=10)
    assert len(receiver.got) == 1, "and for a while"
    while receiver.answers:
        ticks(passes=300)
    receiver.got.clear()
    ticks(passes=300)
    assert receiver.runs == runs
    for _ in range(3):
        assert ticks(passes=300) == "no run has failed"
    assert receiver.runs == runs


@pytest.mark.parametrize("how", [503, "hang", "trickle", 404])
def test_one_that_does_not_work_keeps_nothing_from_the_other(instance, receiver, other, ticks, monkeypatch, how):
    monkeypatch.setenv(WEBHOOK, receiver.url)
    monkeypatch.setenv(SLACK, other.url)
    receiver.usual = how
    runs = [failed_run(instance).run_id for _ in range(3)]
    began = time.monotonic()
    ticks()
    assert time.monotonic() - began < 20, "a tick has 60 s in all"
    for _ in range(4):
        ticks(passes=40)
    assert [run for _, body in other.got for run in runs if run in body["text"]] == runs, "once each"
    receiver.may_end.set()
    receiver.usual = 200
    receiver.got.clear()
    ticks(passes=2_000)
    assert sorted(receiver.runs) == sorted(runs)
    ticks(passes=2_000)
    assert len(receiver.got) == len(other.got) == 3


def test_a_flood_is_posted_in_the_order_of_failing_whatever_a_tick_takes(instance, receiver, ticks, monkeypatch):
    monkeypatch.setenv(WEBHOOK, receiver.url)
    runs = [failed_run(instance).run_id for _ in range(4)]
    monkeypatch.setattr("dagster_project.defs.alert_sensors._MOST_SEEN", 3)
    ticks()
    assert receiver.runs == runs[:3]
    ticks()
    assert receiver.runs == runs


def test_a_receiver_that_takes_nothing_keeps_the_other_from_nothing():
    deliveries, got, given_up = Deliveries(), [], []
    both = ["dead", "alive"]
    failed = [str(n) for n in range(1_000)]
    for tick in range(60):
        now = 1_000_000.0 + 30 * tick
        if deliveries.has_room(both):
            for key in failed[tick * 50 : tick * 50 + 50]:
                deliveries.add(key, both, now)

        def send(name, alert):
            if name == "alive":
                got.append(alert["key"])
            return Answer("taken") if name == "alive" else Answer("unavailable", "answered 503")

        outcome = deliveries.deliver(lambda key: {"key": key}, send, receivers=both, now=now, clock=lambda: 0.0)
        given_up += outcome.given_up
    assert got == failed
    assert deliveries.waiting("alive") == []
    assert deliveries.waiting("dead") == failed[-len(deliveries.waiting("dead")) :]
    assert MOST_WAITING <= len(deliveries.waiting("dead")) <= MOST_WAITING + 50
    assert len(given_up) == len(failed) - len(deliveries.waiting("dead"))
    assert not deliveries.has_room(["dead"]), "alone, it is waited for"


def test_a_run_that_was_deleted_meanwhile_is_none(instance, receiver, ticks, monkeypatch):
    monkeypatch.setenv(WEBHOOK, receiver.url)
    receiver.answers = [503]
    result = failed_run(instance)
    ticks()
    instance.delete_run(result.run_id)
    ticks(passes=300)
    assert len(receiver.got) == 1
    assert FailureCursor.read(ticks.state.cursor).deliveries.pending == {}


def run_of(location: str, instance) -> dg.DagsterRun:
    @dg.job(name="nightly_report")
    def job(): ...

    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
    run = instance.create_run_for_job(
        job_def=job,
        status=dg.DagsterRunStatus.STARTED,
        remote_job_origin=RemoteJobOrigin(repository, "nightly_report"),
    )
    instance.report_run_failed(run, "out of paper")
    return run


@pytest.mark.parametrize(("everywhere", "alerted"), [("false", 0), ("true", 1)])
def test_runs_of_other_code_locations_only_when_told_so(instance, receiver, ticks, monkeypatch, everywhere, alerted):
    monkeypatch.setenv(WEBHOOK, receiver.url)
    run = run_of("elsewhere", instance)
    ticks(ENRICHMENT_ALERT_ALL_CODE_LOCATIONS=everywhere)
    assert receiver.runs == [run.run_id] * alerted
    if alerted:
        assert receiver.got[0][1]["why"].endswith("out of paper")


def test_a_slip_in_the_switch_is_refused():
    with pytest.raises(SettingsError, match="neither true nor false"):
        Settings.from_env({"ENRICHMENT_ALERT_ALL_CODE_LOCATIONS": "yes please"})


ALERT = {"run_id": "r", "partition": None, "job": "j", "why": "w", "url": None}


def targets(webhook=None, slack=None):
    return AlertTargets(webhook_url=webhook, slack_url=slack, dagster_url=None)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "taken"), (503, "unavailable"), (429, "unavailable"), (404, "refused"), (302, "refused"), ("hang", "unanswered")],
)
def test_what_an_answer_means(receiver, status, outcome):
    receiver.usual = status
    assert post(receiver.url, ALERT, within_s=0.5).outcome == outcome
    assert len(receiver.got) == 1, "redirects are not followed"


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("ftp://x/secret", Answer("refused", "is no http(s) address")),
        ("http://127.0.0.1:1/secret", Answer("unavailable", "ConnectionRefusedError")),
        ("http://127.0.0.1:port/secret", Answer("refused", "InvalidURL")),
    ],
)
def test_addresses_that_cannot_work_are_not_told(url, answer):
    assert post(url, ALERT) == answer


# --- what a tick remembers


def deliver(state, answers, *, now=0.0, receivers=("A", "B"), takes_s=0.0):
    """`answers` by receiver or by (receiver, alert); returns what was posted and the outcome."""
    posted = []
    clock = SimpleNamespace(s=0.0)

    def post_it(receiver, alert):
        posted.append(f"{alert['key']}>{receiver}")
        clock.s += takes_s
        return Answer(answers.get((receiver, alert["key"]), answers.get(receiver, "taken")), "why")

    outcome = state.deliver(lambda key: {"key": key}, post_it, receivers=receivers, now=now, clock=lambda: clock.s)
    return posted, outcome


def waiting(*keys, receivers=("A", "B")):
    state = Deliveries()
    for key in keys:
        state.add(key, receivers, 0)
    return state


def test_a_tick_posts_for_a_bounded_time_and_the_next_goes_on():
    state = waiting("1", "2", "3")
    first, _ = deliver(state, {}, takes_s=TICK_BUDGET_S / 3)
    assert first == ["1>A", "1>B", "2>A"]
    assert Deliveries.read(json.loads(json.dumps(state.dump()))) == state
    second, _ = deliver(state, {}, now=30)
    assert second == ["2>B", "3>A", "3>B"]
    assert state == Deliveries()


def test_an_alert_that_is_refused_holds_up_no_other_and_is_given_up():
    state = waiting("bad", "good")
    answers = {("A", "bad"): "refused"}
    now, given_up = 0.0, []
    posted: list[str] = []
    for _ in range(20):
        got, outcome = deliver(state, answers, now=now)
        posted += got
        given_up += outcome.given_up
        now += 3_600
    assert posted.count("bad>A") == MOST_TRIES
    assert (posted.count("bad>B"), posted.count("good>A"), posted.count("good>B")) == (1, 1, 1)
    assert given_up == [f"bad to A after {MOST_TRIES} tries (why)"]
    assert state.pending == {}


def test_one_that_never_answers_is_asked_less_and_less_and_told_given_up_after_a_day():
    state = waiting("1", receivers=("A",))
    tries, now, given_up = 0, 0.0, []
    while state.pending:
        posted, outcome = deliver(state, {"A": "unavailable"}, now=now)
        tries += len(posted)
        given_up += outcome.given_up
        now += 30
    assert GIVE_UP_AFTER_S < now < GIVE_UP_AFTER_S + 120
    assert 20 < tries < 80
    assert given_up == ["1 to A after a day"]


def test_a_receiver_that_is_no_longer_configured_is_forgotten():
    state = waiting("1")
    deliver(state, {"A": "unavailable"})
    assert deliver(state, {}, now=60, receivers=("B",))[0] == []
    assert state.pending == {}


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"after": "x"}', '{"after": 3}'])
def test_a_cursor_that_cannot_be_read_begins_anew(text):
    assert FailureCursor.read(text) == FailureCursor()


# --- sources that are only deferred


def deferred_run(instance, source="sam_gov") -> dg.DagsterRun:
    @dg.job(name="iterative_enrichment_refresh_job")
    def job(): ...

    tags = {"dagster/partition": f"{source}:uei_batch_0001", "enrichment/deferred_until": "later"}
    return instance.create_run_for_job(job_def=job, status=dg.DagsterRunStatus.SUCCESS, tags=tags)


def look(instance, cursor=None, after_s=60):
    settings = replace(Settings.from_env({}), alert_deferred_after_s=after_s)
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        return deferral_alert_sensor(settings)(context).skip_message, context.cursor


def test_a_source_that_stays_down_is_posted_once_to_each(instance, receiver, other, monkeypatch):
    monkeypatch.setattr("dagster_project.lib.deliveries._FIRST_REST_S", 0)
    monkeypatch.setenv(WEBHOOK, receiver.url)
    monkeypatch.setenv(SLACK, other.url)
    run = deferred_run(instance)
    text, cursor = look(instance, after_s=3_600)
    assert (text, receiver.got) == ("no source is deferred for so long", [])
    receiver.answers = [404]
    text, cursor = look(instance, cursor, after_s=0)
    assert "not delivered, it is tried again" in text
    text, cursor = look(instance, cursor, after_s=0)
    assert "posted: sam_gov to ENRICHMENT_ALERT_WEBHOOK_URL" in text
    for _ in range(2):
        text, cursor = look(instance, cursor, after_s=0)
        assert text == "alerted of: sam_gov"
    assert (len(receiver.got), len(other.got)) == (2, 1)
    _, body = receiver.got[-1]
    assert (body["kind"], body["source"], body["run_id"]) == ("source_deferred", "sam_gov", run.run_id)
    assert "does not get through" in slack_text(body)


def test_a_run_from_the_asset_page_is_told_with_its_source(instance):
    @dg.asset
    def enrichment_refresh(): ...

    job = dg.Definitions(assets=[enrichment_refresh]).get_implicit_global_asset_job_def()
    tags = {"dagster/partition": "sam_gov:uei_batch_0001"}
    run = instance.create_run_for_job(job, asset_selection=frozenset({enrichment_refresh.key}), tags=tags)
    assert alert_of(run, "", targets())["source"] == "sam_gov"
    other = instance.create_run_for_job(job, tags={"dagster/partition": "2026-11-21"})
    assert alert_of(other, "", targets())["source"] is None
