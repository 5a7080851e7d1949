"""The order in which Dagster's own queue takes runs, as dagster.yaml sets it up."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from dagster_project.lib.requests import Known, Limits, choose, priorities, request_tags
from test_requests import row

TEMPLATE = Path(__file__).parents[1] / "dagster.yaml"


@pytest.fixture
def queue():
    """An instance with the coordinator of dagster.yaml."""
    with dg.instance_for_test(overrides={"run_coordinator": yaml.safe_load(TEMPLATE.read_text())["run_coordinator"]}) as instance:
        assert type(instance.run_coordinator).__module__.startswith("dagster."), "other code locations load it, too"
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


def test_what_a_person_launches_and_bulk_loads_then_the_night_stale_first(queue):
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
    assert order[:6] == ["first of all", "by hand", "bulk", "s:change_feed", "s:stale", "t:c0"]
    assert order[3:] == [one.partition for one in chosen]


def test_every_priority_of_what_starts_by_itself_is_below_that_of_a_launch_by_hand():
    rows = [row(f"s:c{n}") for n in range(3)] + [row("s:change_feed", kind="feed"), row("s:old", stale=1)]
    chosen = choose(rows, known=Known(), limits=Limits(calls=10_000, partitions=1_000)).rows
    assert all(number < 0 for number in priorities(chosen))
