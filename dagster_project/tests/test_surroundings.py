"""Settings, environment of the worker, what is read of the configuration, Node, cursor."""

from pathlib import Path

import dagster as dg
import pytest

from dagster_project.lib.config_files import all_source_ids, credential_variables, enabled_source_ids, source_ids
from dagster_project.lib.engine_runner import EngineRun, SubprocessEngineRunner
from dagster_project.lib.environment import engine_environment
from dagster_project.lib.make_engine_runner import make_engine_runner
from dagster_project.lib.node import NodeNotFound, find_node
from dagster_project.lib.partition_sync import list_partitions
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


def test_relative_paths_are_relative_to_the_engine(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "base.yaml").touch()
    (tmp_path / "elsewhere" / "mine.yaml").touch()
    settings = Settings.from_env(
        {
            "ENRICHMENT_ENGINE_DIR": str(tmp_path),
            "ENRICHMENT_AWARDS_FILE": "data/a.csv",
            "ENRICHMENT_CONFIG_DIR": "elsewhere",
            "ENRICHMENT_ENV": "mine",
        }
    )
    assert settings.awards_file == tmp_path / "data" / "a.csv"
    assert settings.config_dir == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ENRICHMENT_ENV", "nope", "use one of: dev, prod, sandbox"),
        ("ENRICHMENT_ENV", "../x", "use one of"),
        ("ENRICHMENT_ENV", "base", "use one of"),
        ("ENRICHMENT_CONFIG_DIR", "/nonexistent", "holds no base.yaml"),
        ("ENRICHMENT_ENGINE_DIR", "/nowhere", "the engine's checkout"),
        ("ENRICHMENT_NIGHTLY_CRON", "at night", "0 3 * * *"),
        ("ENRICHMENT_COVERAGE_CRON", "0 0 31 2 *", "0 */6 * * *"),
        ("ENRICHMENT_TIMEZONE", "Mars/Olympus", "America/New_York"),
        ("ENRICHMENT_ENGINE_RUNNER", "k8s", "package.module:name"),
        ("ENRICHMENT_BULK_ASSET_KEYS", "enrichment_refresh", "of this package"),
        ("ENRICHMENT_BULK_ASSET_KEYS", "fine, enrichment_coverage/sam_gov", "of this package"),
        ("ENRICHMENT_BULK_ASSET_KEYS", "lake//companies", "prefix/name"),
        ("ENRICHMENT_BULK_ASSET_KEYS", '["lake"', "prefix/name"),
        ("ENRICHMENT_FORWARD_VARIABLES", "HTTP-PROXY", "no name of a variable"),
        ("ENRICHMENT_ALERT_ALL_CODE_LOCATIONS", "yes", "true nor false"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_to_write(name, value, says):
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({name: value})
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{name}=")
    assert says in line


def test_all_that_is_off_is_told_at_once():
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({"ENRICHMENT_ENV": "nope", "ENRICHMENT_TIMEZONE": "x", "ENRICHMENT_MAX_REQUESTS": "many"})
    names = [line.split("=")[0] for line in str(refused.value).splitlines()]
    assert sorted(names) == ["ENRICHMENT_ENV", "ENRICHMENT_MAX_REQUESTS", "ENRICHMENT_TIMEZONE"]


def test_a_value_where_a_name_belongs_is_not_repeated():
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({"ENRICHMENT_FORWARD_VARIABLES": "TOKEN=s3cret"})
    assert "s3cret" not in str(refused.value)


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


def test_identity_sources_follow_the_source_they_are_for(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "enrichment: {a: {adapter: orcid}, b: {adapter: edgar}, c: {adapter: sam_gov}, d: {adapter: dla_cage}}\n"
        "enrichment_refresh: {a: {enabled: true}, b: {enabled: false, identity: {cadence: 9d}}, c: {enabled: true},"
        " d: {enabled: true, identity: {enabled: false}}}\n"
    )
    assert all_source_ids(tmp_path, "dev", {}) == ("a", "a_identity", "b", "b_identity", "c", "d")
    assert enabled_source_ids(tmp_path, "dev", {}) == ("a", "a_identity", "c", "d")
    switched = {
        "ENRICHMENT__ENRICHMENT_REFRESH__A__IDENTITY__ENABLED": "false",
        "ENRICHMENT__ENRICHMENT_REFRESH__B__ENABLED": "true",
    }
    assert enabled_source_ids(tmp_path, "dev", switched) == ("a", "b", "b_identity", "c", "d")


def test_the_engine_has_the_same_sources(world):
    """Fails when an adapter learned (or forgot) to find identities: then name it in IDENTITY_ADAPTERS."""
    listed = list_partitions(make_engine_runner(Settings.from_env()))
    assert tuple(row.source for row in listed.sources) == all_source_ids(ROOT / "config", "sandbox", world.env)
    assert {row.source for row in listed.sources if row.enabled} == set(enabled_source_ids(ROOT / "config", "sandbox", world.env))


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


@pytest.mark.parametrize("runner", ["k8s", "nowhere.at_all:x", "json:nothing", "builtins:repr", "os:getcwd"])
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
