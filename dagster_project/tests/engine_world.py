"""A provider sandbox and a loaded state for tests, and how to reach both."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dagster_project.lib.config_files import source_ids
from dagster_project.lib.node import find_node

ROOT = Path(__file__).resolve().parents[2]
#: The sandbox shortens every window by this, and so do the quotas of the engine.
SPEED = 10
COMPANIES, AWARDS = 220, 600


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def http(url: str, body: Any = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def wait_until(ready, *, timeout_s: float = 60, what: str = "it") -> Any:
    """What `ready` returned once that was truthy; connection errors mean "not yet"."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        try:
            if found := ready():
                return found
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"waited {timeout_s} s in vain for {what}")


def quotas(per_minute: int) -> str:
    return json.dumps([{"limit": per_minute, "per": f"{60 / SPEED:g}s"}])


@dataclass(frozen=True)
class Sandbox:
    url: str
    csv: Path
    #: State file right after the bulk load, to be copied.
    loaded_state: Path

    def admin(self, path: str, body: Any = None, method: str | None = None) -> Any:
        return http(f"{self.url}/_admin/{path}", body, method)

    def advance(self, by: str) -> None:
        self.admin("clock", {"advance": by})

    def fault(self, **fault: Any) -> None:
        self.admin("faults", fault)

    def log_position(self) -> int:
        return self.admin("log?limit=1")["next"] if not self.log() else max(entry["n"] for entry in self.log())

    def log(self, after: int = 0) -> list[dict[str, Any]]:
        return self.admin(f"log?after={after}&limit=100000")["entries"]

    def violations(self) -> int:
        return self.admin("violations")["total"]


#: Variables of a world: (the sandbox's address, directory of the state, bulk files).
EnvOf = Callable[[str, Path, Path], dict[str, str]]


@dataclass(frozen=True)
class World:
    sandbox: Sandbox
    directory: Path
    #: Variables of this code location and the engine; the fixture sets them.
    env: dict[str, str]

    @property
    def state(self) -> Path:
        return self.directory / "state.sqlite"

    def cli(self, *arguments: str) -> Any:
        return run_cli([*arguments, "--json"], self.env)


def run_cli(arguments: list[str], env: dict[str, str]) -> Any:
    ended = subprocess.run(
        [str(find_node(ROOT)), str(ROOT / "ts" / "cli.js"), *arguments],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout[-2000:]
    return json.loads(ended.stdout)


#: What these tests are about, and count.
SOURCES = ("usaspending", "sam_gov", "sbir_gov")


def moved_addresses(url: str) -> dict[str, str]:
    """Variables that point config/sandbox.yaml at a sandbox on another port."""
    found: dict[str, str] = {}

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                walk(member, (*path, str(name)))
        elif isinstance(value, str) and value.startswith("http://127.0.0.1:8585"):
            found[f"ENRICHMENT__{'__'.join(path).upper()}"] = value.replace("http://127.0.0.1:8585", url, 1)

    walk(yaml.safe_load((ROOT / "config" / "sandbox.yaml").read_text()), ())
    assert "ENRICHMENT__CLOCK__SANDBOX_URL" in found
    return found


def switched_off() -> dict[str, str]:
    others = set(source_ids(ROOT / "config", "sandbox")) - set(SOURCES)
    return {f"ENRICHMENT__ENRICHMENT_REFRESH__{source.upper()}__ENABLED": "false" for source in others}


def all_sources_env(url: str, directory: Path, csv: Path) -> dict[str, str]:
    """Every source that config/sandbox.yaml switches on, under its published quotas, at whatever speed the sandbox has."""
    return {
        "ENRICHMENT_ENV": "sandbox",
        "ENRICHMENT_AWARDS_FILE": str(csv / "award_data_no_abstract.csv"),
        "ENRICHMENT_COMPANIES_FILE": str(csv / "company_data.csv"),
        "ENRICHMENT_RETRY_DELAY_S": "0",
        # Only where a test is about it: it would come between all others.
        "ENRICHMENT_DUE_EVERY_S": "0",
        "ENRICHMENT__STATE__PATH": str(directory / "state.sqlite"),
        "ENRICHMENT__WAREHOUSE__PATH": str(directory / "warehouse"),
        "ENRICHMENT__WAREHOUSE__EXPORT_AFTER_RUN": "false",
        **moved_addresses(url),
        "ENRICHMENT__CLOCK__SCALE_QUOTAS": "true",
        # Left over from whoever starts the tests.
        "ENRICHMENT_BULK_ASSET_KEYS": "",
        "ENRICHMENT_ALERT_WEBHOOK_URL": "",
        "ENRICHMENT_ALERT_SLACK_URL": "",
    }


def world_env(url: str, directory: Path, csv: Path) -> dict[str, str]:
    return {
        **all_sources_env(url, directory, csv),
        "ENRICHMENT__CLOCK__SCALE_QUOTAS": "false",
        **switched_off(),
        "ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__COHORT__SIZE": "20",
        "ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__QUOTAS": quotas(60),
        # Switched off or not, it shares the quota of SAM.gov and must state the same.
        "ENRICHMENT__ENRICHMENT_REFRESH__SAM_EXCLUSIONS__QUOTAS": quotas(60),
        "ENRICHMENT__ENRICHMENT_REFRESH__USASPENDING__QUOTAS": quotas(120),
        "ENRICHMENT__ENRICHMENT_REFRESH__SBIR_GOV__QUOTAS": quotas(60),
    }


@contextmanager
def running_sandbox(
    directory: Path, *, companies: int = COMPANIES, awards: int = AWARDS, speed: int = SPEED, env_of: EnvOf = world_env
) -> Iterator[Sandbox]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    csv = directory / "csv"
    arguments = {"seed": 7, "companies": companies, "awards": awards, "port": port, "speed": speed, "write-csv": csv}
    flat = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    with (directory / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(
            [str(find_node(ROOT)), str(ROOT / "ts" / "cli.js"), "sandbox", *flat],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"]},
            start_new_session=True,
        )
        try:
            wait_until(lambda: http(f"{url}/_admin/clock"), what=f"the sandbox, see {directory}/sandbox.log")
            loading = directory / "loading"
            loading.mkdir()
            env = env_of(url, loading, csv)
            run_cli(
                ["ingest", "--json", "--awards", env["ENRICHMENT_AWARDS_FILE"], "--companies", env["ENRICHMENT_COMPANIES_FILE"]],
                env,
            )
            yield Sandbox(url, csv, loading / "state.sqlite")
        finally:
            process.terminate()
            process.wait(timeout=15)


def copy_state(sandbox: Sandbox, to: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        source = sandbox.loaded_state.with_name(sandbox.loaded_state.name + suffix)
        if source.exists():
            shutil.copy(source, to.with_name(to.name + suffix))
