"""A whole Dagster as `npm run dagster` starts it, and the GraphQL to drive it."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine_world import ROOT, Sandbox, free_port, http, run_cli, wait_until, world_env

LOCATION = {"repositoryLocationName": "dagster_project", "repositoryName": "__repository__"}
JOB = "iterative_enrichment_refresh_job"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass
class Deployment:
    url: str
    sandbox: Sandbox
    directory: Path
    env: dict[str, str]
    process: subprocess.Popen[bytes]
    known_pids: set[int] = field(default_factory=set)

    def graphql(self, query: str, **variables: Any) -> Any:
        answer = http(f"{self.url}/graphql", {"query": query, "variables": variables})
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def cli(self, *arguments: str) -> Any:
        return run_cli([*arguments, "--json"], self.env)

    def materialize(self, *keys: str) -> str:
        selector = {
            **LOCATION,
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": key.split("/")} for key in keys],
            "assetCheckSelection": [],
        }
        return self._launch({"selector": selector, "mode": "default", "runConfigData": {}})

    def refresh(self, partition: str, **config: Any) -> str:
        tags = [{"key": "dagster/partition", "value": partition}]
        return self._launch(
            {
                "selector": {**LOCATION, "jobName": JOB},
                "mode": "default",
                "runConfigData": {"ops": {"enrichment_refresh": {"config": config}}} if config else {},
                "executionMetadata": {"tags": tags},
            }
        )

    def _launch(self, params: dict[str, Any]) -> str:
        launched = self.graphql(
            "mutation($p:ExecutionParams!){launchRun(executionParams:$p){__typename ... on LaunchRunSuccess{run{runId}} "
            "... on PythonError{message} ... on RunConfigValidationInvalid{errors{message}}}}",
            p=params,
        )["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def backfill(self, **params: Any) -> str:
        made = self.graphql(
            "mutation($b:LaunchBackfillParams!){launchPartitionBackfill(backfillParams:$b){__typename "
            "... on LaunchBackfillSuccess{backfillId} ... on PythonError{message}}}",
            b=params,
        )["launchPartitionBackfill"]
        assert made["__typename"] == "LaunchBackfillSuccess", made
        return made["backfillId"]

    def backfill_runs(self, backfill: str) -> tuple[str, list[dict[str, Any]]]:
        found = self.graphql(
            "query($i:String!){partitionBackfillOrError(backfillId:$i){... on PartitionBackfill{status "
            "runs(limit:100){id status tags{key value}}}}}",
            i=backfill,
        )["partitionBackfillOrError"]
        return found["status"], found["runs"]

    def runs(self, **run_filter: Any) -> list[dict[str, Any]]:
        found = self.graphql(
            "query($f:RunsFilter){runsOrError(filter:$f,limit:1000){... on Runs{results{id status pipelineName startTime "
            "tags{key value}}}}}",
            f=run_filter,
        )["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def run(self, run_id: str) -> dict[str, Any]:
        return self.runs(runIds=[run_id])[0]

    def wait(self, run_id: str, *statuses: str, timeout_s: float = 90) -> str:
        wanted = set(statuses) or ENDED

        def reached() -> str | None:
            status = self.run(run_id)["status"]
            assert status in wanted or status not in ENDED, f"{status}: {self.failures(run_id)}"
            return status if status in wanted else None

        return wait_until(reached, timeout_s=timeout_s, what=f"run {run_id} to be {wanted}")

    def events(self, run_id: str) -> list[dict[str, Any]]:
        return self.graphql(
            "query($r:ID!){logsForRun(runId:$r){... on EventConnection{events{__typename ... on MessageEvent{message} "
            "... on ExecutionStepFailureEvent{error{message} failureMetadata{description}} "
            "... on MaterializationEvent{partition assetKey{path} metadataEntries{label ... on IntMetadataEntry{intValue} "
            "... on FloatMetadataEntry{floatValue}}}}}}}",
            r=run_id,
        )["logsForRun"]["events"]

    def failures(self, run_id: str) -> str:
        return "; ".join(
            (event.get("failureMetadata") or {}).get("description") or event["error"]["message"]
            for event in self.events(run_id)
            if event["__typename"] == "ExecutionStepFailureEvent"
        )

    def materializations(self, run_id: str) -> list[dict[str, Any]]:
        return [event for event in self.events(run_id) if event["__typename"] == "MaterializationEvent"]

    def terminate(self, run_id: str) -> None:
        done = self.graphql("mutation($r:String!){terminateRun(runId:$r,terminatePolicy:SAFE_TERMINATE){__typename}}", r=run_id)[
            "terminateRun"
        ]
        assert done["__typename"] == "TerminateRunSuccess", done

    def partitions(self) -> list[str]:
        return self.graphql('{assetNodeOrError(assetKey:{path:["enrichment_refresh"]}){... on AssetNode{partitionKeys}}}')[
            "assetNodeOrError"
        ]["partitionKeys"]

    def ticks(self, sensor: str) -> list[dict[str, Any]]:
        return self.graphql(
            "query($s:SensorSelector!){sensorOrError(sensorSelector:$s){... on Sensor{sensorState{status "
            "ticks(limit:20){status skipReason runIds error{message}}}}}}",
            s={**LOCATION, "sensorName": sensor},
        )["sensorOrError"]["sensorState"]["ticks"]

    def descendants(self) -> set[int]:
        """Everything this deployment has started, also what has lost its parent meanwhile."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                rest = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if rest[0] != "Z":
                children.setdefault(int(rest[1]), []).append(int(stat.parent.name))
        found: set[int] = set()
        wave = [self.process.pid, *self.known_pids]
        while wave:
            wave = [child for pid in wave for child in children.get(pid, []) if child not in found]
            found.update(wave)
        self.known_pids |= found
        return found

    def engine_pid(self) -> int | None:
        """The engine's process of the run under way; None when there is none."""
        for pid in self.descendants():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b"ts/pipes/main.js" in command:
                return pid
        return None


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def start(directory: Path, *, port: int, sandbox_port: int, wrapper: tuple[str, ...] = (), **more_env: str) -> Deployment:
    """`wrapper`: a command that starts the given one and waits for it."""
    home = directory / "home"
    home.mkdir(exist_ok=True)
    url = f"http://127.0.0.1:{sandbox_port}"
    # One entity a call, so that eight partitions need more than a window's quota.
    batches = {"ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__BATCH_SIZE": "1"}
    env = {**world_env(url, directory, home / "csv"), **batches, **more_env}
    launcher_env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ENRICHMENT", "DAGSTER"))},
        **env,
        "DAGSTER_HOME": str(home),
    }
    node = shutil.which("node")
    assert node is not None
    command = [
        *wrapper,
        *(node, str(ROOT / "scripts" / "dagster.mjs")),
        *("--port", str(port), "--sandbox-port", str(sandbox_port)),
        *("--speed", "10", "--companies", "400", "--awards", "900"),
    ]
    with (directory / "launcher.log").open("ab") as log:
        process = subprocess.Popen(command, env=launcher_env, stdout=log, stderr=log, start_new_session=True)
    sandbox = Sandbox(url, home / "csv", directory / "state.sqlite")
    deployment = Deployment(f"http://127.0.0.1:{port}", sandbox, directory, env, process)

    def is_up() -> bool:
        assert process.poll() is None, (directory / "launcher.log").read_text()
        return "Dagster is at" in (directory / "launcher.log").read_text()

    wait_until(is_up, timeout_s=150, what="Dagster")
    deployment.descendants()
    return deployment


def stop(deployment: Deployment, signal_number: int = signal.SIGINT) -> float:
    """Seconds it took."""
    deployment.descendants()
    began = time.monotonic()
    deployment.process.send_signal(signal_number)
    deployment.process.wait(timeout=90)
    return time.monotonic() - began


@contextmanager
def running(directory: Path) -> Iterator[Deployment]:
    deployment = start(directory, port=free_port(), sandbox_port=free_port())
    try:
        yield deployment
    finally:
        if deployment.process.poll() is None:
            stop(deployment)
        for pid in deployment.known_pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
