"""The code location as a whole: names others rely on, what is on, and that it loads as users load it."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.definitions import build_definitions
from dagster_project.lib.config_files import all_source_ids
from dagster_project.lib.settings import Settings

PROJECT = Path(__file__).resolve().parents[1]
ROOT = PROJECT.parent
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def built():
    return build_definitions(Settings.from_env({}))


def test_it_loads(built):
    dg.Definitions.validate_loadable(built)


def test_assets_and_groups(built):
    graph = built.resolve_asset_graph()
    by_group: dict[str, set[str]] = {}
    for key in graph.get_all_asset_keys():
        by_group.setdefault(graph.get(key).group_name, set()).add(key.to_user_string())
    assert by_group == {
        "bulk_enrichment": {"sbir_companies", "enriched_sbir_awards"},
        "iterative_enrichment": {
            "enrichment_refresh",
            *(f"enrichment_coverage/{source}" for source in all_source_ids(ROOT / "config", "sandbox", {})),
        },
    }
    assert {"enrichment_coverage/usaspending", "enrichment_coverage/orcid_identity"} <= by_group["iterative_enrichment"]
    refresh = graph.get(dg.AssetKey("enrichment_refresh"))
    assert refresh.partitions_def == dg.DynamicPartitionsDefinition(name="enrichment_source_cohort")
    assert refresh.parent_keys == {dg.AssetKey("sbir_companies"), dg.AssetKey("enriched_sbir_awards")}
    assert refresh.backfill_policy is None, "one run per partition"
    (asset,) = [one for one in built.assets if dg.AssetKey("enrichment_refresh") in one.keys]
    assert asset.op.retry_policy is None, "with one, Dagster tries a terminated run again instead of canceling it"


def test_jobs_sensors_and_schedules_are_on(built):
    repository = built.get_repository_def()
    assert {"iterative_enrichment_refresh_job", "enrichment_coverage_monitor_job"} <= set(repository.job_names)
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    assert sensors["post_bulk_enrichment_sensor"] == dg.DefaultSensorStatus.RUNNING
    assert sensors["enrichment_failure_alert_sensor"] == dg.DefaultSensorStatus.RUNNING
    assert sensors["enrichment_deferral_alert_sensor"] == dg.DefaultSensorStatus.RUNNING
    assert sensors["due_enrichment_sensor"] == dg.DefaultSensorStatus.RUNNING
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert {schedule.default_status for schedule in schedules.values()} == {dg.DefaultScheduleStatus.RUNNING}
    nightly = schedules["nightly_enrichment_refresh_schedule"]
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("0 3 * * *", "UTC")
    assert nightly.job_name == "iterative_enrichment_refresh_job"


def test_every_run_of_a_partition_bears_the_tags_of_its_source(built, instance):
    instance.add_dynamic_partitions("enrichment_source_cohort", ["sam_gov:uei_batch_0001"])
    job = built.resolve_job_def("iterative_enrichment_refresh_job")
    tags = job.get_tags_for_partition_key("sam_gov:uei_batch_0001", selected_asset_keys=None)
    assert tags["enrichment/source"] == "sam_gov"
    assert tags["enrichment/cohort"] == "uei_batch_0001"


def test_the_checks_and_freshness_of_coverage(built):
    graph = built.resolve_asset_graph()
    checks = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
    assert ("enrichment_coverage/sam_gov", "coverage_at_threshold") in checks
    assert ("enrichment_coverage/dla_cage_identity", "coverage_at_threshold") in checks
    assert "it was looked for in time" in graph.get(dg.AssetKey(["enrichment_coverage", "dla_cage_identity"])).description
    node = graph.get(dg.AssetKey(["enrichment_coverage", "sam_gov"]))
    assert node.freshness_policy_or_from_metadata is not None


def test_the_monitor_watches_what_is_switched_on_identities_included(built):
    monitored = {
        key.path[-1] for key in built.resolve_job_def("enrichment_coverage_monitor_job").asset_layer.executable_asset_keys
    }
    assert {"orcid", "orcid_identity", "dla_cage_identity"} <= monitored
    assert {"patentsview", "clearbit"}.isdisjoint(monitored)


def test_schedules_are_configurable():
    built = build_definitions(
        Settings.from_env({"ENRICHMENT_NIGHTLY_CRON": "30 1 * * *", "ENRICHMENT_TIMEZONE": "America/New_York"})
    )
    schedules = {schedule.name: schedule for schedule in built.get_repository_def().schedule_defs}
    nightly = schedules["nightly_enrichment_refresh_schedule"]
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("30 1 * * *", "America/New_York")


def test_a_teams_own_bulk_assets_take_the_place_of_the_demonstration():
    built = build_definitions(Settings.from_env({"ENRICHMENT_BULK_ASSET_KEYS": "enriched_sbir_awards,lake/companies"}))
    dg.Definitions.validate_loadable(built)
    graph = built.resolve_asset_graph()
    assert graph.materializable_asset_keys.isdisjoint({dg.AssetKey("enriched_sbir_awards"), dg.AssetKey("sbir_companies")})
    refresh = graph.get(dg.AssetKey("enrichment_refresh"))
    assert refresh.parent_keys == {dg.AssetKey("enriched_sbir_awards"), dg.AssetKey(["lake", "companies"])}


def test_partitioned_bulk_assets_of_the_same_location_can_be_upstream():
    """A user who merges this location's definitions with partitioned assets of their own."""
    built = build_definitions(Settings.from_env({"ENRICHMENT_BULK_ASSET_KEYS": "yearly"}))

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2024", "2025"]))
    def yearly(): ...

    dg.Definitions.validate_loadable(dg.Definitions.merge(built, dg.Definitions(assets=[yearly])))


def test_dagster_definitions_validate_as_a_user_runs_it(tmp_path):
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(PROJECT / "src")}
    ended = subprocess.run(
        [str(BIN / "dagster"), "definitions", "validate"], cwd=PROJECT, env=env, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert "dagster_project" in ended.stderr + ended.stdout
    assert "BetaWarning" not in ended.stderr
