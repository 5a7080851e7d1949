"""Everything that could tell of a run's end is killed at once, as by a power cut or for want of memory."""

import os
import signal

import pytest

from deployment import Deployment, directly, is_alive, parent_of, running
from engine_world import wait_until
from test_alerts import serve

pytestmark = pytest.mark.e2e

FIRST, SECOND = "sam_gov:uei_batch_0001", "sam_gov:uei_batch_0002"


def slow_run(deployed: Deployment, partition: str) -> tuple[str, int]:
    deployed.sandbox.fault(source="sam_gov", kind="latency", ms=4_000)
    run = deployed.refresh(partition, force=True)
    deployed.wait(run, "STARTED")
    return run, wait_until(deployed.engine_pid, timeout_s=60, what="the engine")


@pytest.fixture
def receiver():
    yield from serve()


def test_runs_that_nobody_tells_the_end_of_are_failed_and_hold_up_nothing(tmp_path, receiver):
    # What starts by itself would come between.
    env = {"ENRICHMENT_SENSOR_EVERY_S": "3600", "ENRICHMENT_ALERT_WEBHOOK_URL": receiver.url}
    failed = []
    with running(tmp_path, directly, **env) as first:
        first.wait(first.materialize("sbir_companies", "enriched_sbir_awards"), "SUCCESS")
        run, engine = slow_run(first, FIRST)
        worker = parent_of(engine)
        # The code server, which would fail the runs of its dead workers, first.
        for pid in (parent_of(worker), worker):
            os.kill(pid, signal.SIGKILL)
        first.wait(run, "FAILURE", timeout_s=90)
        failed.append(run)
        assert any("process that executed the run is gone" in (event.get("message") or "") for event in first.events(run))
        wait_until(lambda: not is_alive(engine), timeout_s=30, what="the engine to notice")

        run, _ = slow_run(first, SECOND)
        for pid in {first.started.pid, *first.descendants()}:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(pid) for pid in first.known_pids), what="all to be gone")
        first.started.process.wait(timeout=10)
        failed.append(run)
        with running(tmp_path, directly, **env) as again:
            assert f"Run {run} ({SECOND}) had no process any more" in again.log.read_text()
            assert again.run(run)["status"] == "FAILURE"
            again.wait(again.refresh(SECOND, force=True), "SUCCESS")
            wait_until(lambda: len(receiver.got) >= 2, timeout_s=90, what="both alerts")
            assert receiver.runs == failed, "each once, over a kill of everything"
