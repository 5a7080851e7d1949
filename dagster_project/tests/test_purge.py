"""The snippet of docs/dagster.md that deletes old runs, as it stands there."""

import re
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.lib.gate import Open, Paused
from dagster_project.lib.scheduling import gate_of
from test_sensor_and_schedule import BULK, ROWS, STALE_FIRST, GivenEngine, load, start, tick

DOCS = Path(__file__).resolve().parents[2] / "docs" / "dagster.md"
SUCCESS, CANCELED, FAILURE = (dg.DagsterRunStatus[name] for name in ("SUCCESS", "CANCELED", "FAILURE"))


def purge(*, days: int) -> None:
    section = DOCS.read_text().split("## Runs pile up")[1].split("\n## ")[0]
    (snippet,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert "DAYS = 30" in snippet
    exec(compile(snippet.replace("DAYS = 30", f"DAYS = {days}"), str(DOCS), "exec"), {})


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as made:
        yield made


def refreshes(instance):
    return [
        start(instance, one, status)
        for one, status in zip(
            tick(instance, GivenEngine(*ROWS)).run_requests, (SUCCESS, CANCELED, FAILURE, SUCCESS), strict=True
        )
    ]


def from_the_asset_page(instance) -> dg.DagsterRun:
    @dg.asset
    def enrichment_refresh(): ...

    job = dg.Definitions(assets=[enrichment_refresh]).get_implicit_global_asset_job_def()
    return instance.create_run_for_job(job, status=SUCCESS, asset_selection=frozenset({enrichment_refresh.key}))


def test_old_refreshes_go_and_the_gate_stays_as_it_is(instance):
    load(instance)
    runs = refreshes(instance)
    asset_page = from_the_asset_page(instance)
    before = gate_of(instance, [BULK])
    purge(days=30)
    assert all(instance.get_run_by_id(run.run_id) for run in runs), "none is that old"
    purge(days=-1)
    assert [instance.get_run_by_id(run.run_id) is not None for run in runs] == [False, False, True, False]
    assert instance.get_run_by_id(asset_page.run_id) is None
    assert isinstance(before, Open)
    assert gate_of(instance, [BULK]) == before
    assert len(STALE_FIRST) == len(runs)


def test_a_canceled_load_still_pauses(instance):
    load(instance)

    @dg.asset(name=BULK.path[0])
    def bulk(): ...

    defs = dg.Definitions(assets=[bulk], jobs=[dg.define_asset_job("bulk_job")])
    canceled = instance.create_run_for_job(defs.resolve_job_def("bulk_job"), status=dg.DagsterRunStatus.STARTED)
    instance.report_run_canceled(canceled)
    assert isinstance(gate_of(instance, [BULK]), Paused)
    purge(days=-1)
    assert isinstance(gate_of(instance, [BULK]), Paused)
