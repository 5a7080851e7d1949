"""Every decision that the environment takes for this code location, in one place. Variables: docs/dagster.md."""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

DEFAULT_ENVIRONMENT = "sandbox"
DEMO_BULK_KEYS = (dg.AssetKey("sbir_companies"), dg.AssetKey("enriched_sbir_awards"))


_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RUNNER = re.compile(r"subprocess|command|[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_KEY_PART = re.compile(r"[\w.-]+")
#: What this package defines itself.
_OWN_KEYS = ("enrichment_refresh", "enrichment_coverage")


class SettingsError(ValueError):
    """Variables that cannot be used, one a line. The message names each and says what to write there."""


@dataclass(frozen=True)
class Settings:
    """Durations are in seconds. Paths are absolute."""

    engine_dir: Path
    config_dir: Path
    environment: str
    runner: str
    #: For the runner `command`: what begins the command, and what starts a worker there.
    engine_command: str
    engine_worker: str
    bulk_keys: tuple[dg.AssetKey, ...]
    defines_demo_bulk: bool
    awards_file: Path
    companies_file: Path
    #: How often the sensors are evaluated, at least.
    sensor_every_s: int
    nightly_cron: str
    #: How often it is looked for what has become due meanwhile; 0: only at night.
    due_every_s: int
    coverage_cron: str
    timezone: str
    coverage_fail_after_s: int
    call_budget: int
    max_requests: int
    requests_per_tick: int
    #: Refreshes that are queued or running at once: in all, and of one source.
    max_queued: int
    max_queued_per_source: int
    retry_delay_s: float
    #: For a quota, a lease, a source that is down: a single wait, and all waits of a run together.
    max_wait_s: int
    max_total_wait_s: int
    silence_limit_s: int
    forwarded_variables: tuple[str, ...]
    #: Failed runs of other code locations are alerted of, too.
    alerts_on_all_locations: bool
    #: A source whose runs are only deferred for so long is alerted of, once.
    alert_deferred_after_s: int

    @staticmethod
    def from_env(variables: Mapping[str, str] | None = None) -> "Settings":
        """Reads `variables` (the process's own if left out). Raises `SettingsError` with all that are off."""
        read = _Reader(os.environ if variables is None else variables)
        engine_dir = read.path("ENRICHMENT_ENGINE_DIR", Path.cwd(), _checkout_dir())
        csv_dir = engine_dir / "data" / "dagster" / "csv"
        config_dir = read.config_dir(engine_dir)
        runner = read.runner("ENRICHMENT_ENGINE_RUNNER", "subprocess")
        words = read.words if runner == "command" else read.text
        own_keys = read.names("ENRICHMENT_BULK_ASSET_KEYS", _bulk_key_problem)
        settings = Settings(
            engine_dir=engine_dir,
            config_dir=config_dir,
            environment=read.environment(config_dir),
            runner=runner,
            engine_command=words("ENRICHMENT_ENGINE_COMMAND", ""),
            engine_worker=words("ENRICHMENT_ENGINE_WORKER", "node ts/pipes/main.js"),
            bulk_keys=tuple(dg.AssetKey.from_user_string(key) for key in own_keys) or DEMO_BULK_KEYS,
            defines_demo_bulk=not own_keys,
            awards_file=read.path("ENRICHMENT_AWARDS_FILE", engine_dir, csv_dir / "award_data.csv"),
            companies_file=read.path("ENRICHMENT_COMPANIES_FILE", engine_dir, csv_dir / "company_data.csv"),
            sensor_every_s=read.whole("ENRICHMENT_SENSOR_EVERY_S", 30),
            nightly_cron=read.cron("ENRICHMENT_NIGHTLY_CRON", "0 3 * * *"),
            due_every_s=read.whole("ENRICHMENT_DUE_EVERY_S", 3_600, least=0),
            coverage_cron=read.cron("ENRICHMENT_COVERAGE_CRON", "0 */6 * * *"),
            timezone=read.timezone("ENRICHMENT_TIMEZONE", "UTC"),
            coverage_fail_after_s=read.whole("ENRICHMENT_COVERAGE_FAIL_AFTER_S", 13 * 3600, least=120),
            call_budget=read.whole("ENRICHMENT_CALL_BUDGET", 250_000),
            max_requests=read.whole("ENRICHMENT_MAX_REQUESTS", 500),
            requests_per_tick=read.whole("ENRICHMENT_REQUESTS_PER_TICK", 50),
            max_queued=read.whole("ENRICHMENT_MAX_QUEUED", 500),
            max_queued_per_source=read.whole("ENRICHMENT_MAX_QUEUED_PER_SOURCE", 100),
            retry_delay_s=read.whole("ENRICHMENT_RETRY_DELAY_S", 30, least=0),
            max_wait_s=read.whole("ENRICHMENT_MAX_WAIT_S", 900, least=0),
            max_total_wait_s=read.whole("ENRICHMENT_MAX_TOTAL_WAIT_S", 1_800, least=0),
            silence_limit_s=read.whole("ENRICHMENT_SILENCE_LIMIT_S", 900, least=0),
            forwarded_variables=read.names("ENRICHMENT_FORWARD_VARIABLES", _variable_problem),
            alerts_on_all_locations=read.flag("ENRICHMENT_ALERT_ALL_CODE_LOCATIONS"),
            alert_deferred_after_s=read.whole("ENRICHMENT_ALERT_DEFERRED_AFTER_S", 93_600, least=60),
        )
        if read.problems:
            raise SettingsError("\n".join(read.problems))
        return settings


def _checkout_dir() -> Path:
    """The repository that this package was installed from in place; elsewhere ENRICHMENT_ENGINE_DIR says where it is."""
    return Path(__file__).resolve().parents[4]


def _bulk_key_problem(key: str) -> str | None:
    parts = key.split("/")
    if not all(_KEY_PART.fullmatch(part) for part in parts):
        return "is no asset key; write it as name or prefix/name"
    if parts[0] in _OWN_KEYS:
        return "is an asset of this package; name those that load the population"
    return None


def _variable_problem(name: str) -> str | None:
    return None if _VARIABLE.fullmatch(name) else "is no name of a variable; write names alone, without values"


def _schedule_problem(cron: str, timezone: str) -> str | None:
    """As Dagster judges it, which goes by more than the shape (31 February)."""
    try:
        dg.ScheduleDefinition(name="tried", job_name="tried", cron_schedule=cron, execution_timezone=timezone)
    except dg.DagsterInvalidDefinitionError as error:
        return str(error)
    return None


class _Reader:
    """Collects what is off in `problems` and goes on with the default, so that all of it is told at once."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []

    def _refuse(self, name: str, given: str, why: str) -> None:
        self.problems.append(f"{name}={given} {why}")

    def text(self, name: str, default: str) -> str:
        return self._variables.get(name, "").strip() or default

    def runner(self, name: str, default: str) -> str:
        given = self.text(name, default)
        if _RUNNER.fullmatch(given) is None:
            self._refuse(name, given, "cannot be used; write subprocess, command, or package.module:name")
        return given

    def names(self, name: str, problem_of: Callable[[str], str | None]) -> tuple[str, ...]:
        """Without repetitions, in order."""
        given = tuple(dict.fromkeys(part for part in re.split(r"[,\s]+", self._variables.get(name, "")) if part))
        for part in given:
            if (problem := problem_of(part)) is not None:
                # The part alone: what stands beside it may be a value by mistake.
                self._refuse(name, "…" if "=" in part else part, problem)
        return given

    def words(self, name: str, default: str) -> str:
        template = self.text(name, default)
        try:
            why = None if shlex.split(template) else "it is empty"
        except ValueError as error:
            why = str(error)
        if why is not None:
            self.problems.append(f"{name} cannot be used ({why}); write a command such as: docker run --rm {{env}} IMAGE")
        return template

    def cron(self, name: str, default: str) -> str:
        given = self.text(name, default)
        if _schedule_problem(given, "UTC") is None:
            return given
        self._refuse(name, given, f"is no cron schedule of five fields that ever comes; write it as: {default}")
        return default

    def timezone(self, name: str, default: str) -> str:
        given = self.text(name, default)
        if _schedule_problem("0 3 * * *", given) is None:
            return given
        self._refuse(name, given, "is no time zone; write it as: America/New_York")
        return default

    def config_dir(self, engine_dir: Path) -> Path:
        name = "ENRICHMENT_CONFIG_DIR"
        found = self.path(name, engine_dir, engine_dir / "config")
        if not (found / "base.yaml").is_file():
            if self.text(name, ""):
                self._refuse(name, str(found), "holds no base.yaml; name the directory of the configuration, or unset it")
            else:
                self._refuse("ENRICHMENT_ENGINE_DIR", str(engine_dir), "holds no config/base.yaml; name the engine's checkout")
        return found

    def environment(self, config_dir: Path) -> str:
        name = "ENRICHMENT_ENV"
        given = self.text(name, DEFAULT_ENVIRONMENT)
        present = sorted(path.stem for path in config_dir.glob("*.yaml") if path.stem != "base")
        # Without a directory that is the problem, and it is told already.
        if _ENVIRONMENT.fullmatch(given) is None or ((config_dir / "base.yaml").is_file() and given not in present):
            self._refuse(name, given, f"is no environment of {config_dir}; use one of: {', '.join(present) or 'none is there'}")
        return given

    def path(self, name: str, base: Path, default: Path) -> Path:
        given = self._variables.get(name, "").strip()
        return (base / given).resolve() if given else default

    def flag(self, name: str) -> bool:
        given = self.text(name, "false").lower()
        if given not in ("true", "false"):
            self._refuse(name, given, "is neither true nor false; correct it or unset it")
        return given == "true"

    def whole(self, name: str, default: int, *, least: int = 1) -> int:
        given = self._variables.get(name, "").strip()
        if not given:
            return default
        if not given.isdecimal() or int(given) < least:
            self._refuse(name, given, f"is no whole number of at least {least}; correct it or unset it")
            return default
        return int(given)
