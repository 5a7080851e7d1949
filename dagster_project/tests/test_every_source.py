"""A partition of every source that the sandbox switches on, identity passes included, as runs of the job, in process, with the
real engine under the published quotas."""

import json

import dagster as dg
import pytest

from dagster_project.definitions import build_definitions
from dagster_project.lib.config_files import enabled_source_ids
from dagster_project.lib.make_engine_runner import make_engine_runner
from dagster_project.lib.partition_sync import PARTITIONS_NAME, apply_changes, list_partitions, partition_changes
from dagster_project.lib.settings import Settings
from engine_world import ROOT, Sandbox, all_sources_env, copy_state, running_sandbox

#: A minute of quota lasts a quarter of a second.
SPEED = 240
SOURCES = enabled_source_ids(ROOT / "config", "sandbox", {})
NUMBERS = {
    "coverage_before",
    "coverage_after",
    "due",
    "due_after",
    "refreshed",
    "changed",
    "unchanged",
    "absent",
    "failed",
    "skipped",
    "deltas",
    "api_calls",
    "calls_saved",
    "quota_wait_s",
    "duration_s",
    "sla_gaps_closed",
    "sla_gaps_left",
    "dagster/row_count",
}
OTHERS = {"calls_saved_by_strategy", "sla_gaps", "checkpoint", "report", "source", "cohort", "window", "strategy", "resumed"}


def in_order(sources):
    """What finds identities comes before what needs them. SAM.gov's records have the CAGE codes that DLA's are found by,
    ORCID's the iDs of OpenAlex's authors, and ASN and GeoIP are about the addresses that names resolve to."""
    last = ("openalex_identity", "openalex", "asn", "geoip")
    rest = set(sources) - {"sam_gov", *last}
    first = sorted(rest, key=lambda one: (one.removesuffix("_identity"), not one.endswith("_identity")))
    return ["sam_gov", *first, *(one for one in last if one in sources)]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    directory = tmp_path_factory.mktemp("every-source")
    with running_sandbox(directory, companies=150, awards=450, speed=SPEED, env_of=all_sources_env) as running:
        yield running


@pytest.fixture(scope="module")
def made(sandbox: Sandbox, tmp_path_factory):
    """Metadata of the last run of each source, and the coverage measured after all of them."""
    directory = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch, dg.instance_for_test() as instance:
        for name, value in all_sources_env(sandbox.url, directory, sandbox.csv).items():
            patch.setenv(name, value)
        copy_state(sandbox, directory / "state.sqlite")
        settings = Settings.from_env()
        defs = build_definitions(settings)
        job = defs.resolve_job_def("iterative_enrichment_refresh_job")
        runner = make_engine_runner(settings)
        listed = list_partitions(runner)
        assert set(SOURCES) == {row.source for row in listed.sources if row.enabled}
        refreshed = {}
        for source in in_order(SOURCES):
            # Again for each: refreshing one source may give another its partitions.
            listed = list_partitions(runner)
            apply_changes(instance, partition_changes(instance.get_dynamic_partitions(PARTITIONS_NAME), listed))
            rows = [row for row in listed.rows if row.source == source and row.served_by is None and row.kind != "feed"]
            assert rows, f"{source} has no partition"
            largest = max(rows, key=lambda row: row.population)
            result = job.execute_in_process(instance=instance, partition_key=largest.partition, raise_on_error=False)
            failures = [e.step_failure_data.user_failure_data for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
            assert result.success, f"{largest.partition}: {failures}"
            (event,) = result.get_asset_materialization_events()
            assert event.partition == largest.partition
            refreshed[source] = {name: value.value for name, value in event.materialization.metadata.items()}
        keys = [dg.AssetKey(["enrichment_coverage", source]) for source in SOURCES]
        measured = defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance, asset_selection=keys)
        coverage = {
            event.asset_key.path[-1]: {name: value.value for name, value in event.materialization.metadata.items()}
            for event in measured.get_asset_materialization_events()
        }
        checks = {one.asset_key.path[-1] for one in measured.get_asset_check_evaluations()}
        yield refreshed, coverage, checks


def test_there_are_many_and_identities_among_them():
    assert len(SOURCES) > 18
    assert {
        "nih",
        "uspto_odp",
        "edgar",
        "opencorporates",
        "dla_cage",
        "orcid",
        "openalex",
        "openfec",
        "dns",
        "asn",
        "geoip",
    } <= set(SOURCES)
    assert {"sam_exclusions", "orcid_identity", "dla_cage_identity", "uspto_odp_identity"} <= set(SOURCES)


@pytest.mark.parametrize("source", SOURCES)
def test_a_partition_of_it_is_refreshed(made, source):
    refreshed, _, _ = made
    metadata = refreshed[source]
    assert set(metadata) >= NUMBERS | OTHERS
    assert all(isinstance(metadata[name], int | float) for name in NUMBERS)
    assert metadata["source"] == source
    assert metadata["due"] > 0
    asked = metadata["changed"] + metadata["unchanged"] + metadata["absent"]
    assert metadata["refreshed"] == asked
    # A name that does not resolve for a while backs off and is asked again; of the world's few domains that may be several.
    assert metadata["failed"] == 0 or source in ("dns", "asn", "geoip")
    assert metadata["coverage_after"] >= (0.6 if source in ("dns", "asn", "geoip") else 0.999)
    assert metadata["coverage_after"] >= metadata["coverage_before"]
    assert asked > 0
    assert metadata["strategy"] != "none"
    assert json.dumps(metadata["checkpoint"]).count("complete") == 1


def test_what_is_learned_for_the_first_time_is_a_delta(made):
    refreshed, _, _ = made
    silent = {source for source, metadata in refreshed.items() if metadata["deltas"] == 0}
    # Of 150 companies perhaps none is excluded.
    assert silent <= {"sam_exclusions"}


def test_all_of_them_are_measured(made):
    _, coverage, checks = made
    assert set(coverage) == checks == set(SOURCES)
    assert all(metadata["coverage"] > 0 for metadata in coverage.values())


def test_no_quota_was_violated(made, sandbox):
    assert sandbox.violations() == 0
    assert len({entry["source"] for entry in sandbox.log()}) > 10
