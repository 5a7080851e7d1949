"""Webserver, daemon, code servers, runs and engines as processes of their own, driven over GraphQL as the UI does it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from deployment import (
    ENDED,
    JOB,
    LOCATION,
    Deployment,
    by_a_script_that_ends,
    directly,
    in_a_terminal,
    is_alive,
    launcher_env,
    listens,
    parent_of,
    press_ctrl_c,
    running,
    stop,
)
from engine_world import ROOT, SOURCES, free_port, wait_until

pytestmark = pytest.mark.e2e

QUIET = {"capture_output": True, "text": True, "timeout": 120}
#: Requests that SAM.gov's block in config/base.yaml has in flight at once.
IN_FLIGHT = 2
FIRST = "sam_gov:uei_batch_0001"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    with running(tmp_path_factory.mktemp("e2e"), directly) as deployment:
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
    if is_alive(deployed.started.pid):
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
    coverage = {one["source"]: one["coverage"] for one in loaded.cli("freshness")["sources"]}
    assert all(coverage[source] >= 0.9 for source in SOURCES), coverage
    assert loaded.sandbox.violations() == 0
    assert any("followed up" in (tick["skipReason"] or "") for tick in wait_for_tick(loaded, "followed up"))


def wait_for_tick(deployed: Deployment, text: str, *, after: float = 0) -> list[dict]:
    def found() -> list[dict]:
        ticks = deployed.ticks("post_bulk_enrichment_sensor")
        assert not [tick for tick in ticks if tick["status"] == "FAILURE"], ticks
        return [tick for tick in ticks if text in (tick["skipReason"] or "") and tick["timestamp"] > after]

    return wait_until(found, timeout_s=90, what=f"a tick that says {text}")


def test_runs_start_stale_first_and_one_at_a_time_per_source(loaded: Deployment):
    runs = [run for run in loaded.runs(pipelineName=JOB) if run["tags"]["enrichment/source"] == "sam_gov"]
    by_start = sorted(runs, key=lambda run: run["startTime"])
    numbers = [int(run["tags"]["dagster/priority"]) for run in by_start]
    assert numbers == sorted(numbers, reverse=True)


def test_the_monitor_and_its_checks(loaded: Deployment):
    run = loaded.materialize(*(f"enrichment_coverage/{source}" for source in SOURCES))
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
    (tick, *_) = wait_for_tick(loaded, f"failed in run {failed}")
    assert tick["skipReason"].startswith("PAUSED")
    # USAspending is due after 20 hours. Its change feed comes first, and what it leaves after it.
    loaded.sandbox.advance("22h")
    before = {run["id"] for run in loaded.runs(pipelineName=JOB)}
    loaded.wait(loaded.materialize("enriched_sbir_awards"), "SUCCESS")
    fresh = wait_until(
        lambda: [run for run in loaded.runs(pipelineName=JOB) if run["id"] not in before], timeout_s=90, what="the gate to reopen"
    )
    assert [run["tags"]["dagster/partition"] for run in fresh] == ["usaspending:change_feed"]
    (tick, *_) = wait_for_tick(loaded, "followed up", after=tick["timestamp"])
    settle(loaded)
    assert {run["tags"]["enrichment/source"] for run in loaded.runs(pipelineName=JOB) if run["id"] not in before} == {
        "usaspending"
    }


@pytest.mark.parametrize("kind", ["asset backfill", "job backfill"])
def test_many_partitions_of_one_source_at_once_keep_to_its_quota(loaded: Deployment, kind: str):
    """An asset backfill bears no tag per source, so runs of it work side by side: there leases and slots hold."""
    make_due(loaded)
    partitions = [key for key in loaded.partitions() if key.startswith("sam_gov:uei_batch")][:8]
    assert len(partitions) == 8
    before = loaded.sandbox.log_position()
    if kind == "asset backfill":
        # Long enough that two are seen at once, however fast the machine is.
        loaded.sandbox.fault(source="sam_gov", kind="latency", ms=4000)
        backfill = loaded.backfill(assetSelection=[{"path": ["enrichment_refresh"]}], partitionNames=partitions)
    else:
        backfill = loaded.backfill(
            selector={"partitionSetName": f"{JOB}_partition_set", "repositorySelector": LOCATION},
            partitionNames=partitions,
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
    (windows,) = [one["windows"] for one in loaded.sandbox.admin("arrivals?source=sam_gov")["sources"]]
    assert [one for one in windows if one["arrivals"] > 0], windows
    assert all(one["max_arrivals"] <= one["limit"] for one in windows), windows
    keys = asked(loaded, before)
    assert len(keys) == len(set(keys)) > 100
    if kind == "asset backfill":
        assert most_at_once > 1
    else:
        assert most_at_once == 1


def test_a_backfill_of_a_source_that_says_much_later_fails_no_run(loaded: Deployment):
    """Longer than a run may wait. Dagster's own account of an asset backfill goes by materializations, and is another matter."""
    make_due(loaded)
    loaded.sandbox.fault(source="sam_gov", kind="429-with-body", retry_after=7_200)
    partitions = [key for key in loaded.partitions() if key.startswith("sam_gov:uei_batch")][:3]
    backfill = loaded.backfill(assetSelection=[{"path": ["enrichment_refresh"]}], partitionNames=partitions)

    def ended() -> bool:
        status, _ = loaded.backfill_runs(backfill)
        return status.startswith("COMPLETED")

    wait_until(ended, timeout_s=120, what="the backfill")
    status, runs = loaded.backfill_runs(backfill)
    assert status == "COMPLETED_FAILED", "as docs/dagster.md says"
    assert [run["status"] for run in runs] == ["SUCCESS"] * 3
    tags = [{tag["key"] for tag in run["tags"]} for run in runs]
    assert all("enrichment/deferred_until" in one for one in tags)
    assert not any(loaded.materializations(run["id"]) for run in runs)


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


def test_a_killed_engine_is_a_failed_step_that_goes_on_with_the_next_try(loaded: Deployment):
    run, before = slow_run(loaded)
    engine = loaded.engine_pid()
    assert engine is not None
    done = asked(loaded, before)
    os.kill(engine, signal.SIGKILL)
    wait_until(lambda: "STEP_UP_FOR_RETRY" in event_types(loaded, run), timeout_s=60, what="the step to fail")
    assert loaded.materializations(run) == []
    loaded.sandbox.admin("faults", method="DELETE")
    loaded.wait(run, "SUCCESS", timeout_s=120)
    assert any("SIGKILL" in (event.get("message") or "") for event in loaded.events(run))
    assert len(loaded.materializations(run)) == 1
    keys = asked(loaded, before)
    repeated = [key for key in set(done) if keys.count(key) > 1]
    assert len(repeated) <= IN_FLIGHT, "of what was answered only what was not recorded yet is asked again"


def test_an_engine_that_is_killed_each_time_is_a_failed_run_and_no_success_is_made_up(loaded: Deployment):
    run, _ = slow_run(loaded)
    killed: set[int] = set()

    def kill_it() -> bool:
        pid = loaded.engine_pid()
        if pid is not None and pid not in killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        return loaded.run(run)["status"] in ENDED

    wait_until(kill_it, timeout_s=120, what="the run to end")
    assert loaded.run(run)["status"] == "FAILURE"
    assert "killed by SIGKILL" in loaded.failures(run)
    assert loaded.materializations(run) == []
    assert len(killed) >= 3


def event_types(deployed: Deployment, run: str) -> list[str]:
    return [event["eventType"] for event in deployed.events(run) if event.get("eventType")]


def test_a_stop_in_the_middle_of_a_run_leaves_nothing_behind(loaded: Deployment):
    """The last of this deployment. It was started with SIGINT ignored, as scripts do in the background."""
    run, _ = slow_run(loaded)
    clock = loaded.sandbox.admin("clock")["epoch_ms"]
    engine = loaded.engine_pid()
    assert engine is not None
    took = stop(loaded)
    assert loaded.started.process is not None
    assert loaded.started.process.returncode == 0
    assert took < 60
    assert not is_alive(engine)
    assert not listens(loaded.url)
    assert not listens(loaded.sandbox.url)
    assert "Canceling 1 run(s)" in loaded.log.read_text()

    # By way of npm, in the background, by a script that is gone at once.
    with running(loaded.directory, by_a_script_that_ends, ENRICHMENT_DUE_EVERY_S="3") as again:
        assert again.run(run)["status"] == "CANCELED"
        assert again.sandbox.admin("clock")["epoch_ms"] >= clock, "the sandbox's time never steps back"
        again.wait(again.refresh(FIRST, force=True), "SUCCESS")
        what_becomes_due_is_requested_by_day(again)
        assert stop(again, signal_number=signal.SIGTERM) < 60
        assert not listens(again.url)
        assert not listens(again.sandbox.url)


def what_becomes_due_is_requested_by_day(deployed: Deployment) -> None:
    before = {run["id"] for run in deployed.runs(pipelineName=JOB)}
    make_due(deployed)

    def requested() -> set[str]:
        runs = [run for run in deployed.runs(pipelineName=JOB) if run["id"] not in before]
        assert {run["tags"]["enrichment/trigger"] for run in runs} <= {"due"}
        return {run["tags"]["enrichment/source"] for run in runs}

    wait_until(lambda: requested() >= {"usaspending", "sam_gov"}, timeout_s=120, what="the sensor for what is due")


def test_ctrl_c_in_a_terminal_and_what_a_killed_launcher_has_left(tmp_path):
    with running(tmp_path, in_a_terminal) as first:
        # A second one on the same DAGSTER_HOME is refused.
        _, env = launcher_env(tmp_path, free_port())
        node = shutil.which("node")
        second = subprocess.run([node, str(ROOT / "scripts/dagster.mjs"), "--port", str(free_port())], env=env, **QUIET)
        assert second.returncode == 1
        assert "already" in second.stderr
        os.kill(first.launcher_pid(), signal.SIGKILL)
        assert listens(first.url), "nobody is left who could stop it"
        with running(tmp_path, in_a_terminal) as next_one:
            assert "stopping what it left (sandbox, webserver, daemon)" in next_one.log.read_text()
            wait_until(lambda: not any(is_alive(pid) for pid in first.known_pids), what="the first one's rest to end")
            assert press_ctrl_c(next_one) < 30
            assert not listens(next_one.url)
            assert not listens(next_one.sandbox.url)


def test_the_launcher_explains_itself():
    script = [shutil.which("node"), str(ROOT / "scripts/dagster.mjs")]
    shown = subprocess.run([*script, "--help"], **QUIET)
    assert shown.returncode == 0
    assert "--sandbox-port" in shown.stdout
    for wrong in (["--port", "0"], ["--prot", "3000"]):
        refused = subprocess.run([*script, *wrong], **QUIET)
        assert refused.returncode == 1
        assert wrong[0] in refused.stderr
        assert "    at " not in refused.stderr
    with socket.socket() as taken, tempfile.TemporaryDirectory() as home:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = subprocess.run([*script, "--port", port], env={**os.environ, "DAGSTER_HOME": home}, **QUIET)
        assert refused.returncode == 1
        assert f"port {port} is taken" in refused.stderr


def test_a_flood_of_a_thousand_messages_a_second_for_twenty_seconds(monkeypatch, tmp_path):
    """The full length of what test_engine_runner does shortly."""
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
