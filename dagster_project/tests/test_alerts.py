"""The failure alert, against a receiver on loopback."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from dagster_project.defs.sensors import deferral_alert_sensor, failure_alert_sensor
from dagster_project.lib.alerts import AlertNotDelivered, AlertTargets, alert_of, post_alert, slack_text
from dagster_project.lib.settings import Settings, SettingsError


@pytest.fixture
def receiver(monkeypatch):
    """Takes what is posted; `answers` are the statuses of the next answers, then 200."""
    monkeypatch.setattr("dagster_project.lib.alerts.time.sleep", lambda _s: None)

    class Receiver(HTTPServer):
        def __init__(self):
            self.got: list[tuple[str, dict]] = []
            self.answers: list[int] = []
            super().__init__(("127.0.0.1", 0), Handler)

        @property
        def url(self):
            return f"http://127.0.0.1:{self.server_port}"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.server.got.append((self.path, json.loads(body)))
            status = self.server.answers.pop(0) if self.server.answers else 200
            self.send_response(status)
            if status == 302:
                self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_args): ...

    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def failed_run(instance, *, description="quota table is gone", tags=None):
    @dg.op
    def breaks():
        raise dg.Failure(description, allow_retries=False)

    @dg.job(name="iterative_enrichment_refresh_job")
    def job():
        breaks()

    return job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def alert(instance, result):
    with dg.build_run_status_sensor_context(
        sensor_name="enrichment_failure_alert_sensor",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        partition_key=None,
    ) as context:
        return failure_alert_sensor(Settings.from_env({}))(context.for_run_failure())


def test_a_failed_run_is_posted_to_both(instance, receiver, monkeypatch):
    monkeypatch.setenv("ENRICHMENT_ALERT_WEBHOOK_URL", f"{receiver.url}/hook")
    monkeypatch.setenv("ENRICHMENT_ALERT_SLACK_URL", f"{receiver.url}/slack")
    monkeypatch.setenv("ENRICHMENT_DAGSTER_URL", "https://dagster.example/")
    tags = {"dagster/partition": "sam_gov:uei_batch_0001", "enrichment/source": "sam_gov", "enrichment/trigger": "nightly"}
    result = failed_run(instance, tags=tags)
    assert alert(instance, result) is None
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


def test_nothing_is_posted_when_nothing_is_configured(instance, receiver, monkeypatch):
    for name in ("ENRICHMENT_ALERT_WEBHOOK_URL", "ENRICHMENT_ALERT_SLACK_URL"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(alert(instance, failed_run(instance)), dg.SkipReason)
    assert receiver.got == []


def test_a_deferred_run_is_no_alarm(instance, receiver, monkeypatch):
    monkeypatch.setenv("ENRICHMENT_ALERT_WEBHOOK_URL", receiver.url)
    result = failed_run(instance, tags={"enrichment/deferred_until": "2026-11-22T00:00:00Z"})
    assert "2026-11-22" in alert(instance, result).skip_message
    assert receiver.got == []


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
def test_runs_of_other_code_locations_only_when_told_so(instance, receiver, monkeypatch, everywhere, alerted):
    monkeypatch.setenv("ENRICHMENT_ALERT_WEBHOOK_URL", receiver.url)
    sensor = failure_alert_sensor(Settings.from_env({"ENRICHMENT_ALERT_ALL_CODE_LOCATIONS": everywhere}))

    def evaluate(cursor):
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            return sensor.evaluate_tick(context).cursor

    cursor = evaluate(None)
    run = run_of("elsewhere", instance)
    evaluate(cursor)
    assert [body["run_id"] for _, body in receiver.got] == [run.run_id] * alerted


def test_a_slip_in_the_switch_is_refused():
    with pytest.raises(SettingsError, match="neither true nor false"):
        Settings.from_env({"ENRICHMENT_ALERT_ALL_CODE_LOCATIONS": "yes please"})


ALERT = {"run_id": "r", "partition": None, "job": "j", "why": "w", "url": None}


def targets(webhook=None, slack=None):
    return AlertTargets(webhook_url=webhook, slack_url=slack, dagster_url=None)


def test_a_receiver_that_stumbles_is_tried_again(receiver):
    receiver.answers = [503, 429]
    post_alert(ALERT, targets(receiver.url))
    assert len(receiver.got) == 3


def test_a_receiver_that_refuses_is_not_and_the_other_one_gets_it(receiver):
    receiver.answers = [404]
    with pytest.raises(AlertNotDelivered, match="ENRICHMENT_ALERT_WEBHOOK_URL: answered 404") as caught:
        post_alert(ALERT, targets(f"{receiver.url}/secret-token", f"{receiver.url}/slack"))
    assert "secret-token" not in str(caught.value)
    assert [path for path, _ in receiver.got] == ["/secret-token", "/slack"]


def test_redirects_are_not_followed(receiver):
    receiver.answers = [302]
    with pytest.raises(AlertNotDelivered, match="302"):
        post_alert(ALERT, targets(receiver.url))
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("url", "says"), [("ftp://x/secret", "no http"), ("http://127.0.0.1:1/secret", "ConnectionRefusedError")]
)
def test_addresses_that_cannot_work(url, says, receiver):
    with pytest.raises(AlertNotDelivered, match=says) as caught:
        post_alert(ALERT, targets(slack=url))
    assert "secret" not in str(caught.value)


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


def test_a_source_that_stays_down_is_posted_once(instance, receiver, monkeypatch):
    monkeypatch.setenv("ENRICHMENT_ALERT_WEBHOOK_URL", receiver.url)
    run = deferred_run(instance)
    text, cursor = look(instance, after_s=3_600)
    assert (text, receiver.got) == ("no source is deferred for so long", [])
    receiver.answers = [404]
    text, cursor = look(instance, cursor, after_s=0)
    assert "not delivered" in text, "it is tried again"
    for _ in range(2):
        text, cursor = look(instance, cursor, after_s=0)
        assert text == "alerted of: sam_gov"
    assert len(receiver.got) == 2
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
