"""The order in which Dagster's own queue takes runs, as dagster.yaml sets it up."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from dagster_project.lib.requests import Known, Limits, choose, priorities, request_tags
from dagster_project.lib.run_coordinator import EnrichmentRunCoordinator
from test_requests import row

TEMPLATE = Path(__file__).parents[1] / "dagster.yaml"


@pytest.fixture
def queue():
    """An instance with the coordinator of dagster.yaml."""
    with dg.instance_for_test(overrides={"run_coordinator": yaml.safe_load(TEMPLATE.read_text())["run_coordinator"]}) as instance:
        assert isinstance(instance.run_coordinator, EnrichmentRunCoordinator)
        yield instance


@dg.asset
def sbir_companies(): ...


@dg.asset(name="enrichment_refresh")
def refresh(): ...


REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("dagster_project"), "__repository__")
ORIGIN = RemoteJobOrigin(REPOSITORY, "__ASSET_JOB")
DEFS = dg.Definitions(assets=[sbir_companies, refresh], executor=dg.in_process_executor)


def submit(instance, name, selection, **tags):
    run = instance.create_run_for_job(
        job_def=DEFS.resolve_implicit_global_asset_job_def(),
        asset_selection=frozenset(selection),
        tags={"name": name, **tags},
        status=dg.DagsterRunStatus.NOT_STARTED,
        remote_job_origin=ORIGIN,
    )
    return instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))


def test_a_bulk_load_then_what_a_person_launches_then_the_night_stale_first(queue, monkeypatch):
    monkeypatch.setenv("ENRICHMENT_BULK_ASSET_KEYS", "")
    rows = [row("s:due"), row("s:stale", stale=1, ratio=2.0), row("s:change_feed", kind="feed")]
    rows += [row(f"t:c{n}", ratio=0.1) for n in range(100)]
    chosen = choose(rows, known=Known(), limits=Limits(calls=10_000, partitions=1_000)).rows
    for one, priority in zip(chosen, priorities(chosen), strict=True):
        tags = request_tags(one, priority, trigger="nightly", occasion="night", token="t")
        submit(queue, one.partition, [refresh.key], **tags)
    submit(queue, "by hand", [refresh.key], **{"dagster/partition": "s:due"})
    submit(queue, "bulk", [sbir_companies.key])
    submit(queue, "first of all", [sbir_companies.key], **{"dagster/priority": "1000"})
    queued = queue.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), ascending=True)
    order = [run.tags["name"] for run in QueuedRunCoordinatorDaemon(1)._priority_sort(queued)]
    assert len(order) == len(rows) + 3
    assert order[:6] == ["first of all", "bulk", "by hand", "s:change_feed", "s:stale", "t:c0"]
    assert order[3:] == [one.partition for one in chosen]


def test_assets_of_your_own_go_first_and_settings_that_are_off_refuse_no_run(queue, monkeypatch):
    monkeypatch.setenv("ENRICHMENT_BULK_ASSET_KEYS", "lake/companies")
    assert "dagster/priority" not in submit(queue, "demo", [sbir_companies.key]).tags
    lake = dg.AssetKey(["lake", "companies"])
    run = dg.DagsterRun(job_name="theirs", asset_selection=frozenset([lake]), remote_job_origin=ORIGIN)
    queue.add_run(run)
    assert queue.run_coordinator.submit_run(SubmitRunContext(run, workspace=None)).tags["dagster/priority"] == "100"
    monkeypatch.setenv("ENRICHMENT_MAX_REQUESTS", "many")
    assert submit(queue, "anything", [refresh.key]).status == dg.DagsterRunStatus.QUEUED


def test_every_priority_of_what_starts_by_itself_is_below_that_of_a_launch_by_hand():
    rows = [row(f"s:c{n}") for n in range(3)] + [row("s:change_feed", kind="feed"), row("s:old", stale=1)]
    chosen = choose(rows, known=Known(), limits=Limits(calls=10_000, partitions=1_000)).rows
    assert all(number < 0 for number in priorities(chosen))
