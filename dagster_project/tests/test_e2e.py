"""Webserver, daemon, code servers, runs and engines as processes of their own, driven over GraphQL as the UI does it."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from deployment import ENDED, JOB, LOCATION, Deployment, is_alive, parent_of, running, start, stop
from engine_world import free_port, http, wait_until

pytestmark = pytest.mark.e2e

FIRST = "sam_gov:uei_batch_0001"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    with running(tmp_path_factory.mktemp("e2e")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def loaded(deployed: Deployment) -> Deployment:
    """After the bulk load and everything the gate started because of it."""
    deployed.wait(deployed.materialize("sbir_companies", "enriched_sbir_awards"), "SUCCESS")
    wait_until(lambda: deployed.runs(pipelineName=JOB), timeout_s=90, what="the gate to open")
    settle(deployed)
    return deployed


@pytest.fixture(autouse=True)
def no_faults(deployed):
    yield
    if deployed.process.poll() is None:
        deployed.sandbox.admin("faults", method="DELETE")


def settle(deployed: Deployment, timeout_s: float = 240) -> None:
    def all_ended() -> bool:
        return all(run["status"] in ENDED for run in deployed.runs(pipelineName=JOB))

    wait_until(all_ended, timeout_s=timeout_s, what="runs to end")


def asked(deployed: Deployment, after: int) -> list[str]:
    """Provider keys that SAM.gov answered for."""
    return [
        key for one in deployed.sandbox.log(after) if one["source"] == "sam_gov" and one["status"] == 200 for key in one["keys"]
    ]


def make_due(deployed: Deployment) -> None:
    deployed.sandbox.advance("8d")


def test_after_the_bulk_load_everything_happens_by_itself(loaded: Deployment):
    runs = loaded.runs(pipelineName=JOB)
    assert {run["status"] for run in runs} == {"SUCCESS"}
    requested = {run["tags"]["dagster/partition"] for run in runs}
    assert {FIRST, "usaspending:award_year_2024", "sbir_gov:bulk_file"} <= requested
    assert requested <= set(loaded.partitions())
    assert all(run["tags"]["enrichment/trigger"] == "post_bulk" for run in runs)
    assert all("enrichment/sla_gaps_closed" in run["tags"] for run in runs)
    for source in loaded.cli("freshness")["sources"]:
        assert source["coverage"] >= 0.9, source
    assert loaded.sandbox.violations() == 0
    assert any("followed up" in (tick["skipReason"] or "") for tick in wait_for_tick(loaded, "followed up"))


def wait_for_tick(deployed: Deployment, text: str) -> list[dict]:
    def found() -> list[dict]:
        ticks = deployed.ticks("post_bulk_enrichment_sensor")
        assert not [tick for tick in ticks if tick["status"] == "FAILURE"], ticks
        return [tick for tick in ticks if text in (tick["skipReason"] or "")]

    return wait_until(found, timeout_s=90, what=f"a tick that says {text}")


def test_runs_start_stale_first_and_one_at_a_time_per_source(loaded: Deployment):
    runs = [run for run in loaded.runs(pipelineName=JOB) if run["tags"]["enrichment/source"] == "sam_gov"]
    by_start = sorted(runs, key=lambda run: run["startTime"])
    numbers = [int(run["tags"]["dagster/priority"]) for run in by_start]
    assert numbers == sorted(numbers, reverse=True)


def test_the_monitor_and_its_checks(loaded: Deployment):
    run = loaded.materialize(*(f"enrichment_coverage/{source}" for source in ("usaspending", "sam_gov", "sbir_gov")))
    loaded.wait(run, "SUCCESS")
    made = loaded.materializations(run)
    assert len(made) == 3
    coverage = {
        one["assetKey"]["path"][-1]: entry["floatValue"]
        for one in made
        for entry in one["metadataEntries"]
        if entry["label"] == "coverage"
    }
    assert min(coverage.values()) >= 0.9


@pytest.mark.parametrize("kind", ["asset backfill", "job backfill"])
def test_many_partitions_of_one_source_at_once_keep_to_its_quota(loaded: Deployment, kind: str):
    """An asset backfill bears no tag per source, so runs of it work side by side: there leases and slots hold."""
    make_due(loaded)
    partitions = [key for key in loaded.partitions() if key.startswith("sam_gov:uei_batch")][:8]
    assert len(partitions) == 8
    before = loaded.sandbox.log_position()
    if kind == "asset backfill":
        backfill = loaded.backfill(assetSelection=[{"path": ["enrichment_refresh"]}], partitionNames=partitions)
    else:
        backfill = loaded.backfill(
            selector={"partitionSetName": f"{JOB}_partition_set", "repositorySelector": LOCATION},
            partitionNames=partitions,
            forceSynchronousSubmission=True,
        )
    most_at_once = 0

    def done() -> bool:
        nonlocal most_at_once
        status, runs = loaded.backfill_runs(backfill)
        most_at_once = max(most_at_once, sum(run["status"] == "STARTED" for run in runs))
        return status in {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED"} or (
            len(runs) == 8 and all(run["status"] in ENDED for run in runs)
        )

    wait_until(done, timeout_s=240, what="the backfill")
    _, runs = loaded.backfill_runs(backfill)
    assert len(runs) == 8, "one run per partition"
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert loaded.sandbox.violations() == 0
    keys = asked(loaded, before)
    assert len(keys) == len(set(keys)) > 100
    if kind == "asset backfill":
        assert most_at_once > 1
    else:
        assert most_at_once == 1


def slow_run(deployed: Deployment) -> tuple[str, int]:
    """A run in the middle of its work, and the position in the sandbox's log before it."""
    make_due(deployed)
    before = deployed.sandbox.log_position()
    deployed.sandbox.fault(source="sam_gov", kind="latency", ms=1500)
    run = deployed.refresh(FIRST, force=True)
    deployed.wait(run, "STARTED")
    wait_until(lambda: asked(deployed, before), timeout_s=60, what="the first answer")
    return run, before


def test_a_terminated_run_keeps_its_checkpoint_and_the_next_one_goes_on(loaded: Deployment):
    # One call at a time, so that the end comes in the middle.
    run, before = slow_run(loaded)
    engine = loaded.engine_pid()
    loaded.terminate(run)
    loaded.wait(run, "CANCELED")
    assert engine is not None
    assert not is_alive(engine)
    assert loaded.materializations(run) == []
    checkpoint = loaded.cli("checkpoints", "show", FIRST)["checkpoint"]
    assert checkpoint["status"] == "open"
    done = asked(loaded, before)
    position = loaded.sandbox.log_position()
    loaded.sandbox.admin("faults", method="DELETE")
    again = loaded.refresh(FIRST, force=True)
    loaded.wait(again, "SUCCESS")
    assert set(done).isdisjoint(asked(loaded, position)), "nothing that was completed is asked again"
    assert loaded.cli("checkpoints", "show", FIRST)["checkpoint"]["status"] == "complete"


def test_a_killed_run_process_is_a_failed_run_and_its_engine_stops(loaded: Deployment):
    run, before = slow_run(loaded)
    engine = loaded.engine_pid()
    assert engine is not None
    os.kill(parent_of(engine), signal.SIGKILL)
    loaded.wait(run, "FAILURE", timeout_s=60)
    wait_until(lambda: not is_alive(engine), timeout_s=20, what="the engine to notice")
    assert loaded.materializations(run) == [], "never a fabricated success"
    done = asked(loaded, before)
    position = loaded.sandbox.log_position()
    loaded.sandbox.admin("faults", method="DELETE")
    loaded.wait(loaded.refresh(FIRST, force=True), "SUCCESS")
    assert set(done).isdisjoint(asked(loaded, position))


def test_a_killed_engine_is_a_failed_step_that_is_tried_again(loaded: Deployment):
    run, _ = slow_run(loaded)
    engine = loaded.engine_pid()
    assert engine is not None
    loaded.sandbox.admin("faults", method="DELETE")
    os.kill(engine, signal.SIGKILL)
    loaded.wait(run, "SUCCESS", timeout_s=120)
    assert any("SIGKILL" in (event.get("message") or "") for event in loaded.events(run)) or "Restarted" in str(
        [event["__typename"] for event in loaded.events(run)]
    )
    assert len(loaded.materializations(run)) == 1


def test_a_failed_bulk_load_pauses_and_the_next_success_reopens(loaded: Deployment):
    awards = loaded.env["ENRICHMENT_AWARDS_FILE"]
    loaded.wait(loaded.materialize("enriched_sbir_awards"), "SUCCESS")
    content = Path(awards).read_bytes()
    try:
        Path(awards).write_bytes(b"<html>maintenance</html>")
        failed = loaded.materialize("enriched_sbir_awards")
        loaded.wait(failed, "FAILURE")
    finally:
        Path(awards).write_bytes(content)
    (tick, *_) = wait_for_tick(loaded, f"in run {failed}")
    assert tick["skipReason"].startswith("PAUSED")
    make_due(loaded)
    before = {run["id"] for run in loaded.runs(pipelineName=JOB)}
    loaded.wait(loaded.materialize("enriched_sbir_awards"), "SUCCESS")
    fresh = wait_until(
        lambda: [run for run in loaded.runs(pipelineName=JOB) if run["id"] not in before], timeout_s=90, what="the gate to reopen"
    )
    assert fresh
    settle(loaded)


def test_ctrl_c_in_the_middle_of_a_run_leaves_nothing_behind_and_the_next_start_goes_on(loaded: Deployment):
    """The last of this deployment."""
    run, before = slow_run(loaded)
    clock = loaded.sandbox.admin("clock")["epoch_ms"]
    took = stop(loaded)
    assert loaded.process.returncode == 0
    assert took < 60
    left = [pid for pid in loaded.known_pids if is_alive(pid)]
    assert left == []
    for url in (loaded.url, loaded.sandbox.url):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", int(url.rsplit(":", 1)[1])))

    # The same script in the background, by way of a shell, as npm does it; and the shell is what gets killed.
    again = start(
        loaded.directory,
        port=free_port(),
        sandbox_port=free_port(),
        wrapper=("/bin/sh", "-c", '"$0" "$@"; true'),
        npm_lifecycle_event="dagster",
    )
    try:
        assert again.run(run)["status"] == "CANCELED"
        assert again.sandbox.admin("clock")["epoch_ms"] >= clock, "the sandbox's time never steps back"
        again.wait(again.refresh(FIRST, force=True), "SUCCESS")
        again.descendants()
    finally:
        again.process.send_signal(signal.SIGTERM)
        again.process.wait(timeout=30)
    wait_until(lambda: not [pid for pid in again.known_pids if is_alive(pid)], timeout_s=60, what="everything to end")
    with pytest.raises(OSError):
        http(f"{again.url}/server_info")


def test_a_flood_of_a_thousand_messages_a_second_for_twenty_seconds(monkeypatch, tmp_path):
    """The full length of what test_engine_runner does shortly."""
    import subprocess
    import sys

    env = {**os.environ, "ENRICHMENT_FLOOD_S": "20"}
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/test_engine_runner.py", "-k", "flood_of_messages"],
        cwd=os.path.dirname(os.path.dirname(__file__)),
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert "1 passed" in ended.stdout
    assert time.monotonic() - began > 20
