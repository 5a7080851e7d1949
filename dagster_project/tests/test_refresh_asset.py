"""The partitioned asset in process, with the real engine against the sandbox."""

from dataclasses import replace

import dagster as dg
import pytest

from dagster_project.defs.assets import bulk_assets, coverage_assets, refresh_asset
from dagster_project.lib.engine_runner import Deferred, EngineFailed, EngineRun
from dagster_project.lib.partition_sync import PARTITIONS_NAME
from dagster_project.lib.settings import Settings

PARTITION = "sam_gov:uei_batch_0001"


@pytest.fixture
def refresh(defs, instance):
    def run(partition: str, **options):
        instance.add_dynamic_partitions(PARTITIONS_NAME, [partition])
        job = defs.resolve_job_def("iterative_enrichment_refresh_job")
        return job.execute_in_process(instance=instance, partition_key=partition, raise_on_error=False, **options)

    return run


def failure_of(result):
    (event,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return event.step_failure_data


def test_a_partition_is_refreshed_and_tells_what_it_did(world, refresh, instance):
    result = refresh(PARTITION)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    assert event.partition == PARTITION
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert metadata["coverage_before"] == 0
    assert metadata["coverage_after"] == 1
    assert metadata["due"] == 20
    assert metadata["refreshed"] + metadata["skipped"] == 20
    assert metadata["api_calls"] == 2
    assert metadata["calls_saved"] == 18
    assert metadata["checkpoint"]["status"] == "complete"
    assert {"deltas", "unchanged", "quota_wait_s", "duration_s", "sla_gaps_closed", "calls_saved_by_strategy"} <= set(metadata)
    assert all(type(metadata[name]) is float for name in ("coverage_before", "coverage_after", "quota_wait_s", "duration_s"))
    run = instance.get_run_by_id(result.run_id)
    assert run.tags["enrichment/source"] == "sam_gov"
    assert run.tags["enrichment/cohort"] == "uei_batch_0001"
    assert run.tags["enrichment/sla_gaps_closed"] == str(metadata["sla_gaps_closed"])


def test_a_provider_that_says_much_later_fails_no_run(world, refresh, sandbox, instance):
    """With the session that the real engine talks through, which demands an output of every step."""
    sandbox.fault(source="sam_gov", kind="429-with-body", retry_after=7_200)
    result = refresh(PARTITION)
    assert result.success
    run = instance.get_run_by_id(result.run_id)
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert run.tags["enrichment/deferred_until"].endswith("Z")
    assert result.get_asset_materialization_events() == []
    assert instance.get_materialized_partitions(dg.AssetKey("enrichment_refresh")) == set()
    (observed,) = result.get_asset_observation_events()
    observation = observed.asset_observation_data.asset_observation
    assert observation.partition == PARTITION
    assert observation.metadata["exit_code"].value == 75


class Recorder:
    """Answers as a worker that closed three gaps."""

    def __init__(self, defect: Exception | None = None) -> None:
        self.asked: list[dict] = []
        self.defect = defect

    def run(self, context, request):
        self.asked.append(dict(request))
        if self.defect is not None and len(self.asked) < 3:
            raise self.defect
        keys = sorted(context.selected_asset_keys)
        results = tuple(dg.MaterializeResult(asset_key=key) for key in keys)
        return EngineRun(results, ({"kind": "result", "exit_code": 0, "sla_gaps_closed": 3},))

    def ask(self, request, *, timeout_s=50):
        raise EngineFailed("not now")


@pytest.fixture
def settings():
    return replace(Settings.from_env({}), retry_delay_s=0)


@pytest.fixture
def recorded(instance, settings):
    def run(recorder, config=None, **options):
        instance.add_dynamic_partitions(PARTITIONS_NAME, [PARTITION, "sam_gov:uei_batch_0002"])
        return dg.materialize(
            [refresh_asset(settings)],
            instance=instance,
            resources={"engine_runner": recorder},
            run_config={"ops": {"enrichment_refresh": {"config": config or {}}}},
            raise_on_error=False,
            **options,
        )

    return run


def test_the_run_is_tagged_with_how_many_gaps_it_closed(recorded, instance):
    result = recorded(Recorder(), partition_key=PARTITION)
    assert result.success
    assert instance.get_run_by_id(result.run_id).tags["enrichment/sla_gaps_closed"] == "3"


def test_what_was_asked_for_is_handed_on_and_what_was_not_is_left_out(recorded):
    recorder = Recorder()
    assert recorded(recorder, {"limit": 0, "max_calls": 0, "force": False}, partition_key=PARTITION).success
    assert recorder.asked == [{"mode": "refresh", "partition": PARTITION, "limit": 0, "max_calls": 0}]


def test_a_run_that_only_waited_ends_well_and_materializes_nothing(recorded, instance):
    until = {"enrichment/deferred_until": "2026-11-22T00:00:00Z"}
    recorder = Recorder(Deferred("deferred until midnight", metadata={"exit_code": 75}, allow_retries=False))
    result = recorded(recorder, partition_key=PARTITION, tags=until)
    assert result.success
    assert len(recorder.asked) == 1, "it is left to a later run"
    assert result.get_asset_materialization_events() == []
    assert instance.get_materialized_partitions(dg.AssetKey("enrichment_refresh")) == set()
    (observed,) = result.get_asset_observation_events()
    assert observed.asset_observation_data.asset_observation.metadata["deferred"].value == "deferred until midnight"


def test_a_clean_end_without_a_materialization_is_a_failure(recorded):
    class Silent(Recorder):
        def run(self, context, request):
            return EngineRun((), ({"kind": "result", "exit_code": 0},))

    result = recorded(Silent(), partition_key=PARTITION)
    assert "reported no materialization" in failure_of(result).user_failure_data.description


@pytest.mark.parametrize("name", ["limit", "max_calls"])
def test_none_at_all_is_refused_and_not_taken_for_no_limit(world, refresh, sandbox, name):
    before = sandbox.log_position()
    result = refresh(PARTITION, run_config={"ops": {"enrichment_refresh": {"config": {"force": True, name: 0}}}})
    assert f'extra "{name}"' in failure_of(result).user_failure_data.description
    assert sandbox.log(before) == []


RANGE = {"dagster/asset_partition_range_start": PARTITION, "dagster/asset_partition_range_end": "sam_gov:uei_batch_0002"}


@pytest.mark.parametrize(("options", "says"), [({}, "without a partition"), ({"tags": RANGE}, "over a range of partitions")])
def test_a_run_of_no_or_of_many_partitions_says_what_to_do(recorded, options, says):
    recorder = Recorder()
    description = failure_of(recorded(recorder, **options)).user_failure_data.description
    assert says in description
    assert "dagster job backfill" in description
    assert recorder.asked == []


def test_every_asset_tries_a_failure_twice_more(instance, settings):
    coverage = coverage_assets(settings, ("sam_gov",))
    for asset in (coverage, *bulk_assets(settings)):
        recorder = Recorder(BlockingIOError(11, "Resource temporarily unavailable"))
        result = dg.materialize(
            [asset, *[dg.SourceAsset(key) for key in set(asset.dependency_keys) - set(asset.keys)]],
            instance=instance,
            resources={"engine_runner": recorder},
            selection=[asset],
            raise_on_error=False,
        )
        assert len(recorder.asked) == 3
        assert len([event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]) == 2


def test_what_is_not_due_costs_no_call_unless_forced(world, refresh, sandbox):
    assert refresh(PARTITION).success
    before = sandbox.log_position()
    again = refresh(PARTITION)
    assert again.success
    assert sandbox.log(before) == []
    assert again.get_asset_materialization_events()[0].materialization.metadata["api_calls"].value == 0
    forced = refresh(PARTITION, run_config={"ops": {"enrichment_refresh": {"config": {"force": True}}}})
    assert forced.success
    assert len(sandbox.log(before)) == 2


def test_a_window_is_handed_on(world, refresh):
    config = {"ops": {"enrichment_refresh": {"config": {"window": "2026-11-01:2026-11-20"}}}}
    result = refresh("sam_gov:change_feed", run_config=config)
    assert result.success
    metadata = result.get_asset_materialization_events()[0].materialization.metadata
    assert metadata["window"].value == "2026-11-01:2026-11-20"
    assert metadata["strategy"].value == "feed"


def test_a_window_that_is_none_fails_at_once_and_says_why(world, refresh):
    config = {"ops": {"enrichment_refresh": {"config": {"window": "last week"}}}}
    result = refresh(PARTITION, run_config=config)
    assert not result.success
    description = failure_of(result).user_failure_data.description
    assert "configuration or credentials" in description
    assert "last week" in description
    assert [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"] == []
    assert result.get_asset_materialization_events() == []


def test_a_partition_that_does_not_exist_is_refused(world, refresh):
    result = refresh("sam_gov:uei_batch_9999")
    assert not result.success
    assert "uei_batch_9999" in failure_of(result).user_failure_data.description


def test_refused_credentials_need_a_person(world, refresh, monkeypatch):
    monkeypatch.setenv("ENRICHMENT__ENRICHMENT__SAM_GOV__CREDENTIALS__API_KEY__LOOPBACK_VALUE", "WRONG-KEY")
    result = refresh(PARTITION)
    assert not result.success
    data = failure_of(result).user_failure_data
    assert data.metadata["exit_code"].value == 78
    assert "WRONG-KEY" not in str(data)


def test_the_bulk_file_is_a_partition_too(world, refresh, instance):
    result = refresh("sbir_gov:bulk_file")
    assert result.success
    assert "usaspending:award_year_2024" in instance.get_dynamic_partitions(PARTITIONS_NAME)


def test_bulk_assets_load_the_files_and_bring_partitions(empty_world, defs, instance):
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey("sbir_companies"), dg.AssetKey("enriched_sbir_awards")],
    )
    assert result.success
    awards = instance.get_latest_materialization_event(dg.AssetKey("enriched_sbir_awards")).asset_materialization
    assert awards.metadata["rows"].value > 500
    keys = instance.get_dynamic_partitions(PARTITIONS_NAME)
    assert {"sam_gov:uei_batch_0001", "usaspending:award_year_2024", "sbir_gov:bulk_file"} <= set(keys)
    assert not any("," in key for key in keys)
