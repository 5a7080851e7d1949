"""Runs whose process is gone, with real processes that are killed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_project import dead_runs
from dagster_project.dead_runs import end_dead_runs
from dagster_project.lib.run_launcher import EnrichmentRunLauncher
from dagster_project.lib.run_workers import WORKER_TAG, Mark, here, mark_run, start_of, worker_state
from engine_world import wait_until

TEMPLATE = Path(__file__).parents[1] / "dagster.yaml"
#: Loads for as long as it is let; with a mark, as the assets of this package leave it, or without.
CODE = """
import os, time
import dagster as dg
from dagster_project.lib.run_workers import mark_worker

@dg.asset
def load(context: dg.AssetExecutionContext):
    if os.environ.get("MARKS") == "yes":
        mark_worker(context)
    open(os.environ["AT_WORK"], "w").close()
    time.sleep(120)

defs = dg.Definitions(assets=[load], executor=dg.in_process_executor)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A DAGSTER_HOME with the launcher and the monitoring of dagster.yaml."""
    template = yaml.safe_load(TEMPLATE.read_text())
    kept = {name: template[name] for name in ("telemetry", "run_launcher", "run_monitoring")}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(kept))
    (tmp_path / "code.py").write_text(CODE)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def load(home):
    """Starts `dagster asset materialize` and waits until its step is at work; returns process and run."""
    processes = []

    def load(instance, *, marks=True):
        flag = home / f"at-work-{len(processes)}"
        before = {run.run_id for run in instance.get_runs()}
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "asset", "materialize", "-f", str(home / "code.py"), "--select", "load"],
            env={**os.environ, "AT_WORK": str(flag), "MARKS": "yes" if marks else "no"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        processes.append(process)
        wait_until(flag.exists, what="the step")
        (run,) = [run for run in instance.get_runs() if run.run_id not in before]
        assert run.status == dg.DagsterRunStatus.STARTED
        return process, run

    yield load
    for process in processes:
        kill(process)


def kill(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def status(instance, run):
    return instance.get_run_by_id(run.run_id).status


def test_what_was_killed_is_failed_and_what_lives_is_left_alone(home, load, capsys):
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.run_launcher, EnrichmentRunLauncher)
        dead, dead_run = load(instance)
        _, live_run = load(instance)
        stranger, stranger_run = load(instance, marks=False)
        assert worker_state(instance, instance.get_run_by_id(dead_run.run_id)) == "alive"
        assert end_dead_runs(instance) == []
        kill(dead)
        kill(stranger)
        health = instance.run_launcher.check_run_worker_health
        assert health(instance.get_run_by_id(dead_run.run_id)).status.value == "FAILED"
        assert health(instance.get_run_by_id(live_run.run_id)).status.value == "RUNNING"
        assert health(instance.get_run_by_id(stranger_run.run_id)).status.value == "RUNNING", "nobody knows where it ran"
        assert dead_runs.main([]) == 0
        said = capsys.readouterr().out
        assert said == f"Run {dead_run.run_id} (load) had no process any more; it is ended.\n"
        states = [status(instance, run).value for run in (dead_run, live_run, stranger_run)]
        assert states == ["FAILURE", "STARTED", "STARTED"]
        # The launcher marks what it launches, whatever its code does then; Dagster's events have the process.
        mark_run(instance, stranger_run.run_id)
        assert [run.run_id for run in end_dead_runs(instance)] == [stranger_run.run_id]
        assert status(instance, live_run) == dg.DagsterRunStatus.STARTED
        assert [run.run_id for run in end_dead_runs(instance, all_are_dead=True)] == [live_run.run_id]


def test_a_run_that_was_being_canceled_is_canceled(load):
    with dg.DagsterInstance.get() as instance:
        process, run = load(instance)
        instance.report_run_canceling(run)
        assert end_dead_runs(instance) == []
        kill(process)
        assert len(end_dead_runs(instance)) == 1
        assert status(instance, run) == dg.DagsterRunStatus.CANCELED


@dg.job
def job(): ...


def marked(instance, mark):
    run = instance.create_run_for_job(job_def=job, status=dg.DagsterRunStatus.STARTED)
    instance.add_run_tags(run.run_id, {WORKER_TAG: replace(mark, run_id=run.run_id).dump()})
    return instance.get_run_by_id(run.run_id)


def test_only_what_is_certain_is_dead(instance):
    gone = subprocess.Popen(["true"])
    gone.wait()
    me = Mark("", here(), os.getpid(), start_of(os.getpid()))
    cases = {
        "alive": me,
        # Its number was given to another process since.
        "dead, reused": replace(me, start=(me.start or 0) - 1),
        "dead, gone": replace(me, pid=gone.pid, start=1),
        # A host that was switched off and on has none of its processes.
        "dead, of an earlier boot": replace(me, place=replace(here(), boot="another")),
        "unknown, on another host": replace(me, pid=gone.pid, place=replace(here(), host="elsewhere", boot="another")),
        "unknown, in another container": replace(me, pid=gone.pid, place=replace(here(), namespace="pid:[1]")),
        "unknown, not begun": Mark("", here()),
    }
    for expected, mark in cases.items():
        assert worker_state(instance, marked(instance, mark)) == expected.split(",")[0], expected


def test_a_mark_that_is_not_its_own_says_nothing(instance):
    parent = marked(instance, Mark("", replace(here(), boot="another"), 1, 1))
    assert worker_state(instance, parent) == "dead"
    again = instance.create_run_for_job(job_def=job, status=dg.DagsterRunStatus.STARTED, tags=parent.tags)
    assert worker_state(instance, again) == "unknown"
    for text in ("", "{", json.dumps({"run_id": again.run_id}), json.dumps([1])):
        instance.add_run_tags(again.run_id, {WORKER_TAG: text})
        assert worker_state(instance, instance.get_run_by_id(again.run_id)) == "unknown"
