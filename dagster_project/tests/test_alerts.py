"""The failure alert, against a receiver on loopback."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from dagster_project.defs.sensors import enrichment_failure_alert_sensor
from dagster_project.lib.alerts import AlertNotDelivered, AlertTargets, post_alert


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
    context = dg.build_run_status_sensor_context(
        sensor_name="enrichment_failure_alert_sensor",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        partition_key=None,
    ).for_run_failure()
    return enrichment_failure_alert_sensor(context)


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
