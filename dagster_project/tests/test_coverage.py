"""Coverage assets, their checks, and the monitor, with the real engine."""

import dagster as dg
import pytest

SAM = dg.AssetKey(["enrichment_coverage", "sam_gov"])
USASPENDING = dg.AssetKey(["enrichment_coverage", "usaspending"])
CHECK = "coverage_at_threshold"


@pytest.fixture
def measure(defs, instance):
    def run(*keys: dg.AssetKey, job: str | None = None):
        found = defs.resolve_job_def(job) if job else defs.resolve_implicit_global_asset_job_def()
        return found.execute_in_process(instance=instance, asset_selection=list(keys) or None, raise_on_error=False)

    return run


def checks_of(result):
    return {one.asset_key.path[-1]: one for one in result.get_asset_check_evaluations()}


def test_one_source_is_measured_and_below_its_threshold_before_any_refresh(world, measure):
    result = measure(SAM)
    assert result.success, "a failed check is no failed run"
    (event,) = result.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert event.asset_key == SAM
    assert (metadata["coverage"], metadata["threshold"]) == (0, 0.9)
    assert metadata["never_attempted"] == metadata["due"] > 100
    assert type(metadata["coverage"]) is float
    assert {"stale", "pending", "backing_off", "calls_due", "quota_utilisation", "stale_cohorts"} <= set(metadata)
    check = checks_of(result)["sam_gov"]
    assert (check.check_name, check.passed) == (CHECK, False)


def test_what_was_refreshed_passes_and_the_monitor_names_the_others(world, measure, instance):
    world.cli("refresh", "--source", "sam_gov")
    result = measure(job="enrichment_coverage_monitor_job")
    made = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}
    assert made == {"usaspending", "sam_gov", "sbir_gov"}
    checks = checks_of(result)
    assert checks["sam_gov"].passed
    assert not checks["usaspending"].passed
    assert not result.success, "the monitor fails when a source is below, so that somebody is told"
    (failure,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    text = failure.step_failure_data.user_failure_data.description
    assert "usaspending: coverage 0.0%, threshold 90.0%" in text
    assert "sam_gov" not in text
    recorded = instance.get_latest_materialization_event(SAM).asset_materialization.metadata
    assert recorded["coverage"].value == 1.0


def test_an_identity_pass_is_measured_like_any_source(world, measure):
    key = dg.AssetKey(["enrichment_coverage", "dla_cage_identity"])
    result = measure(key)
    (event,) = result.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert event.asset_key == key
    assert metadata["source"] == "dla_cage_identity"
    assert metadata["population"] > 100
    assert (metadata["coverage"], metadata["threshold"]) == (0, 0.9)
    assert not checks_of(result)["dla_cage_identity"].passed


def test_the_threshold_is_the_configured_one(world, measure, monkeypatch):
    monkeypatch.setenv("ENRICHMENT__ENRICHMENT_REFRESH__USASPENDING__COVERAGE_THRESHOLD", "0")
    assert checks_of(measure(USASPENDING))["usaspending"].passed


def test_assets_without_their_checks(world, measure, defs, instance):
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={SAM}, asset_check_selection=set())
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    assert checks_of(result) == {}


def test_before_the_first_load_there_is_nothing_to_measure(empty_world, measure):
    result = measure(SAM)
    assert not result.success
    assert result.get_asset_materialization_events() == []
