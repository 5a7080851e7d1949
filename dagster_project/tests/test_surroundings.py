"""Settings, environment of the worker, what is read of the configuration, Node, cursor."""

from pathlib import Path

import dagster as dg
import pytest

from dagster_project.lib.config_files import credential_variables, enabled_source_ids, source_ids
from dagster_project.lib.engine_runner import EngineRun, SubprocessEngineRunner, make_engine_runner
from dagster_project.lib.environment import engine_environment
from dagster_project.lib.node import NodeNotFound, find_node
from dagster_project.lib.sensor_cursor import GateCursor, read_cursor
from dagster_project.lib.settings import DEMO_BULK_KEYS, Settings, SettingsError

ROOT = Path(__file__).resolve().parents[2]


def test_without_any_variable_everything_is_set_for_the_sandbox():
    settings = Settings.from_env({})
    assert settings.engine_dir == ROOT
    assert settings.environment == "sandbox"
    assert settings.bulk_keys == DEMO_BULK_KEYS
    assert settings.defines_demo_bulk
    assert settings.nightly_cron == "0 3 * * *"


def test_a_teams_own_bulk_assets_replace_the_demonstration():
    settings = Settings.from_env({"ENRICHMENT_BULK_ASSET_KEYS": "enriched_sbir_awards, lake/companies"})
    assert settings.bulk_keys == (dg.AssetKey("enriched_sbir_awards"), dg.AssetKey(["lake", "companies"]))
    assert not settings.defines_demo_bulk


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_that_is_none_is_named(value):
    with pytest.raises(SettingsError, match="ENRICHMENT_MAX_REQUESTS"):
        Settings.from_env({"ENRICHMENT_MAX_REQUESTS": value})


def test_relative_paths_are_relative_to_the_engine():
    settings = Settings.from_env({"ENRICHMENT_AWARDS_FILE": "data/a.csv", "ENRICHMENT_CONFIG_DIR": "elsewhere"})
    assert settings.awards_file == ROOT / "data" / "a.csv"
    assert settings.config_dir == ROOT / "elsewhere"


def test_the_worker_gets_what_it_needs_and_no_other_secret():
    variables = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "ENRICHMENT__RUN__MAX_CALLS": "5",
        "SAM_GOV_API_KEY": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "ENRICHMENT_ALERT_SLACK_URL": "https://secret",
        "DAGSTER_HOME": "/x",
        "MINE": "m",
    }
    env = engine_environment(variables, allowed=["SAM_GOV_API_KEY", "MINE", "NOT_SET"])
    assert set(env) == {"PATH", "LC_ALL", "ENRICHMENT__RUN__MAX_CALLS", "SAM_GOV_API_KEY", "MINE"}


def test_enabled_sources_by_the_last_layer_that_says(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "enrichment: {a: {}, b: {}, c: {}, d: {}}\n"
        "enrichment_refresh: {a: {enabled: true}, b: {enabled: true}, c: {enabled: false}, d: {cadence: 1d}}\n"
    )
    (tmp_path / "dev.yaml").write_text("enrichment_refresh: {b: {enabled: false}}\n")
    assert enabled_source_ids(tmp_path, "dev", {}) == ("a",)
    assert enabled_source_ids(tmp_path, "prod", {}) == ("a", "b")
    overrides = {"ENRICHMENT__ENRICHMENT_REFRESH__C__ENABLED": "true", "ENRICHMENT__ENRICHMENT_REFRESH__A__ENABLED": "false"}
    assert enabled_source_ids(tmp_path, "dev", overrides) == ("c",)


def test_names_of_credentials_come_from_every_layer(tmp_path):
    (tmp_path / "base.yaml").write_text("enrichment:\n  a: {credentials: {key: {env: A_KEY}}}\n  b:\n")
    (tmp_path / "prod.yaml").write_text("enrichment:\n  b: {credentials: {token: {env: B_TOKEN}, other: {loopback_value: x}}}\n")
    assert source_ids(tmp_path, "prod") == ("a", "b")
    override = {"ENRICHMENT__ENRICHMENT__A__CREDENTIALS__KEY__ENV": "A_OTHER"}
    assert credential_variables(tmp_path, "prod", override) == {"A_KEY", "B_TOKEN", "A_OTHER"}
    assert credential_variables(tmp_path, "dev", {}) == {"A_KEY"}


def test_the_real_configuration():
    assert {"usaspending", "sam_gov", "sbir_gov"} <= set(source_ids(ROOT / "config", "sandbox"))
    assert "SAM_GOV_API_KEY" in credential_variables(ROOT / "config", "prod", {})


@pytest.mark.parametrize("text", ["[1, 2", "enrichment: {}", "just text", ""])
def test_a_configuration_without_sources_is_named(tmp_path, text):
    (tmp_path / "base.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"base\.yaml"):
        source_ids(tmp_path, "dev")


def test_an_engine_that_is_not_there_says_what_to_set(tmp_path):
    with pytest.raises(NodeNotFound, match="ENRICHMENT_ENGINE_DIR"):
        find_node(tmp_path)


def test_a_node_that_is_too_old_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "ts" / "pipes").mkdir(parents=True)
    (tmp_path / "ts" / "pipes" / "main.js").touch()
    old = tmp_path / "bin" / "node"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho v20.1.0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(NodeNotFound, match="npm ci"):
        find_node(tmp_path)
    old.with_name("node").write_text("#!/bin/sh\necho v24.9.0\n")
    assert find_node(tmp_path) == old


class RecordingRunner:
    def __init__(self, settings):
        self.settings = settings

    def run(self, context, request):
        return EngineRun(())

    def ask(self, request, *, timeout_s=50):
        return []


def test_another_runner_by_configuration():
    assert isinstance(make_engine_runner(Settings.from_env({})), SubprocessEngineRunner)
    made = make_engine_runner(Settings.from_env({"ENRICHMENT_ENGINE_RUNNER": f"{__name__}:RecordingRunner"}))
    assert isinstance(made, RecordingRunner)


@pytest.mark.parametrize("runner", ["k8s", "nowhere.at_all:x", "json:nothing", "builtins:repr"])
def test_a_runner_that_is_none_is_named(runner):
    with pytest.raises(SettingsError, match="ENRICHMENT_ENGINE_RUNNER"):
        make_engine_runner(Settings.from_env({"ENRICHMENT_ENGINE_RUNNER": runner}))


def test_the_cursor_round_trips_and_survives_nonsense():
    cursor = GateCursor(token="t", is_done=True, calls=7, synced_at=12.5)
    assert read_cursor(cursor.dump()) == cursor
    for text in (None, "", "42", "[]", "{", '{"calls": "x"}'):
        assert read_cursor(text) == GateCursor()


def test_a_new_token_begins_anew():
    cursor = GateCursor(token="t", is_done=True, calls=7, synced_at=12.5)
    assert cursor.for_token("t") is cursor
    assert cursor.for_token("u") == GateCursor(token="u", synced_at=12.5)
