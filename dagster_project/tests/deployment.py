"""A whole Dagster as `npm run dagster` starts it, and the GraphQL to drive it."""

import os
import pty
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
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
    started: "Started"
    log: Path
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
            "query($r:ID!){logsForRun(runId:$r){... on EventConnection{events{__typename ... on MessageEvent{message eventType} "
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
            "ticks(limit:20){status timestamp skipReason runIds error{message}}}}}}",
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
        wave = [self.started.pid, *self.known_pids]
        while wave:
            wave = [child for pid in wave for child in children.get(pid, []) if child not in found]
            found.update(wave)
        self.known_pids |= found
        return found

    def launcher_pid(self) -> int:
        """Of scripts/dagster.mjs itself, wherever npm and shells are."""
        (pid,) = [pid for pid in (self.started.pid, *self.descendants()) if b"scripts/dagster.mjs" in _node_arguments(pid)]
        return pid

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


def _node_arguments(pid: int) -> bytes:
    """Empty for what is no node: a shell has the name of the script in its arguments, too."""
    try:
        command, _, arguments = Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")
    except OSError:
        return b""
    return arguments if command.rsplit(b"/", 1)[-1] == b"node" else b""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


#: As a script starts something in the background: Ctrl-C is ignored from the beginning.
IN_BACKGROUND = ("/bin/sh", "-c", 'trap \'\' INT; exec "$0" "$@"')
COMPANIES, AWARDS = 240, 450


def launcher_env(directory: Path, sandbox_port: int, **more_env: str) -> tuple[dict[str, str], dict[str, str]]:
    """(what the engine is told, all that the launcher gets)"""
    home = directory / "home"
    home.mkdir(exist_ok=True)
    env = {
        **world_env(f"http://127.0.0.1:{sandbox_port}", directory, home / "csv"),
        # One entity a call, so that eight partitions need more than a window's quota.
        "ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__BATCH_SIZE": "1",
        "ENRICHMENT__RUN__LEASE": "5s",
        "ENRICHMENT_SENSOR_EVERY_S": "5",
        **more_env,
    }
    rest = {
        name: value for name, value in os.environ.items() if not name.startswith(("ENRICHMENT", "DAGSTER", "npm_", "VIRTUAL_ENV"))
    }
    return env, {**rest, **env, "DAGSTER_HOME": str(home)}


def start(directory: Path, how: Callable[[list[str], dict[str, str], Path], "Started"], **more_env: str) -> Deployment:
    """`how` gets the arguments of `npm run dagster --`, the environment and a file for what is said."""
    port, sandbox_port = free_port(), free_port()
    env, all_env = launcher_env(directory, sandbox_port, **more_env)
    arguments = ["--port", str(port), "--sandbox-port", str(sandbox_port), "--speed", "10"]
    arguments += ["--companies", str(COMPANIES), "--awards", str(AWARDS)]
    log = directory / f"launcher-{port}.log"
    started = how(arguments, all_env, log)
    sandbox = Sandbox(f"http://127.0.0.1:{sandbox_port}", directory / "home" / "csv", directory / "state.sqlite")
    deployment = Deployment(f"http://127.0.0.1:{port}", sandbox, directory, env, started, log)

    def is_up() -> bool:
        assert is_alive(started.pid), log.read_text()
        return "Dagster is at" in log.read_text()

    wait_until(is_up, timeout_s=150, what="Dagster")
    deployment.descendants()
    return deployment


@dataclass
class Started:
    pid: int
    #: None when it is no child of ours.
    process: subprocess.Popen[bytes] | None = None
    #: Its terminal, when it has one.
    terminal: int | None = None


def directly(arguments: list[str], env: dict[str, str], log: Path) -> Started:
    node = shutil.which("node")
    assert node is not None
    with log.open("ab") as file:
        command = [*IN_BACKGROUND, node, str(ROOT / "scripts" / "dagster.mjs"), *arguments]
        process = subprocess.Popen(command, env=env, stdout=file, stderr=file, start_new_session=True)
    return Started(process.pid, process)


def by_a_script_that_ends(arguments: list[str], env: dict[str, str], log: Path) -> Started:
    """No terminal, no parent, nohup."""
    script = f'nohup npm run dagster -- "$@" >>{log} 2>&1 </dev/null & echo $!'
    told = subprocess.run(
        ["/bin/sh", "-c", script, "script", *arguments],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        start_new_session=True,
    )
    return Started(int(told.stdout))


def in_a_terminal(arguments: list[str], env: dict[str, str], log: Path) -> Started:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe("npm", ["npm", "run", "dagster", "--", *arguments], env)

    def copy() -> None:
        with log.open("ab", buffering=0) as file:
            try:
                while chunk := os.read(terminal, 65_536):
                    file.write(chunk)
            except OSError:
                return

    threading.Thread(target=copy, daemon=True).start()
    return Started(pid, terminal=terminal)


def stop(deployment: Deployment, *, to: int | None = None, signal_number: int = signal.SIGINT) -> float:
    """Sends the signal and waits until nothing is left that the deployment ever started. Returns seconds."""
    deployment.descendants()
    began = time.monotonic()
    os.kill(deployment.started.pid if to is None else to, signal_number)
    return wait_for_end(deployment, began)


def press_ctrl_c(deployment: Deployment) -> float:
    assert deployment.started.terminal is not None
    deployment.descendants()
    began = time.monotonic()
    os.write(deployment.started.terminal, b"\x03")
    return wait_for_end(deployment, began)


def wait_for_end(deployment: Deployment, began: float) -> float:
    def is_over() -> bool:
        if deployment.started.process is not None:
            deployment.started.process.poll()
        # What begins while it stops counts, too.
        deployment.descendants()
        return not any(is_alive(pid) for pid in (deployment.started.pid, *deployment.known_pids))

    wait_until(is_over, timeout_s=90, what="everything to end")
    # It may have ended between the poll and the look at the others: its exit code is asked for once more.
    if deployment.started.process is not None:
        deployment.started.process.wait(timeout=10)
    return time.monotonic() - began


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) == 0


@contextmanager
def running(directory: Path, how: Callable[[list[str], dict[str, str], Path], Started], **more_env: str) -> Iterator[Deployment]:
    deployment = start(directory, how, **more_env)
    try:
        yield deployment
    finally:
        deployment.descendants()
        pids = (deployment.started.pid, *deployment.known_pids)
        if any(is_alive(pid) for pid in pids):
            try:
                stop(deployment, signal_number=signal.SIGTERM)
            except (AssertionError, ProcessLookupError):
                for pid in filter(is_alive, pids):
                    os.kill(pid, signal.SIGKILL)
