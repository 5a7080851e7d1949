"""Every decision that the environment takes for this code location, in one place. Variables: docs/dagster.md."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

DEFAULT_ENVIRONMENT = "sandbox"
DEMO_BULK_KEYS = (dg.AssetKey("sbir_companies"), dg.AssetKey("enriched_sbir_awards"))


class SettingsError(ValueError):
    """A variable that cannot be used. The message names it and says what to write there."""


@dataclass(frozen=True)
class Settings:
    """Durations are in seconds. Paths are absolute."""

    engine_dir: Path
    config_dir: Path
    environment: str
    runner: str
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
    retry_delay_s: float
    max_wait_s: int
    silence_limit_s: int
    forwarded_variables: tuple[str, ...]

    @staticmethod
    def from_env(variables: Mapping[str, str] | None = None) -> "Settings":
        """Reads `variables` (the process's own if left out). Raises `SettingsError` with the first one that is off."""
        read = _Reader(os.environ if variables is None else variables)
        engine_dir = read.path("ENRICHMENT_ENGINE_DIR", Path.cwd(), _checkout_dir())
        csv_dir = engine_dir / "data" / "dagster" / "csv"
        own_keys = read.names("ENRICHMENT_BULK_ASSET_KEYS")
        return Settings(
            engine_dir=engine_dir,
            config_dir=read.path("ENRICHMENT_CONFIG_DIR", engine_dir, engine_dir / "config"),
            environment=read.text("ENRICHMENT_ENV", DEFAULT_ENVIRONMENT),
            runner=read.text("ENRICHMENT_ENGINE_RUNNER", "subprocess"),
            bulk_keys=tuple(dg.AssetKey.from_user_string(key) for key in own_keys) or DEMO_BULK_KEYS,
            defines_demo_bulk=not own_keys,
            awards_file=read.path("ENRICHMENT_AWARDS_FILE", engine_dir, csv_dir / "award_data.csv"),
            companies_file=read.path("ENRICHMENT_COMPANIES_FILE", engine_dir, csv_dir / "company_data.csv"),
            sensor_every_s=read.whole("ENRICHMENT_SENSOR_EVERY_S", 30),
            nightly_cron=read.text("ENRICHMENT_NIGHTLY_CRON", "0 3 * * *"),
            due_every_s=read.whole("ENRICHMENT_DUE_EVERY_S", 3_600, least=0),
            coverage_cron=read.text("ENRICHMENT_COVERAGE_CRON", "0 */6 * * *"),
            timezone=read.text("ENRICHMENT_TIMEZONE", "UTC"),
            coverage_fail_after_s=read.whole("ENRICHMENT_COVERAGE_FAIL_AFTER_S", 13 * 3600, least=120),
            call_budget=read.whole("ENRICHMENT_CALL_BUDGET", 250_000),
            max_requests=read.whole("ENRICHMENT_MAX_REQUESTS", 500),
            requests_per_tick=read.whole("ENRICHMENT_REQUESTS_PER_TICK", 100),
            retry_delay_s=read.whole("ENRICHMENT_RETRY_DELAY_S", 30, least=0),
            max_wait_s=read.whole("ENRICHMENT_MAX_WAIT_S", 900, least=0),
            silence_limit_s=read.whole("ENRICHMENT_SILENCE_LIMIT_S", 900, least=0),
            forwarded_variables=read.names("ENRICHMENT_FORWARD_VARIABLES"),
        )


def _checkout_dir() -> Path:
    """The repository that this package was installed from in place; elsewhere ENRICHMENT_ENGINE_DIR says where it is."""
    return Path(__file__).resolve().parents[4]


class _Reader:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str) -> str:
        return self._variables.get(name, "").strip() or default

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(part for part in re.split(r"[,\s]+", self._variables.get(name, "")) if part)

    def path(self, name: str, base: Path, default: Path) -> Path:
        given = self._variables.get(name, "").strip()
        return (base / given).resolve() if given else default

    def whole(self, name: str, default: int, *, least: int = 1) -> int:
        given = self._variables.get(name, "").strip()
        if not given:
            return default
        if not given.isdecimal() or int(given) < least:
            raise SettingsError(f"{name}={given} is no whole number of at least {least}; correct it or unset it")
        return int(given)
