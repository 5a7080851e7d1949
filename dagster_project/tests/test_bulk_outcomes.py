"""The gate's state, derived from the records of real runs on a real instance."""

import math
import os
import time
from dataclasses import replace

import dagster as dg
import pytest

from dagster_project.lib.bulk_outcomes import bulk_outcomes, longest_load_s
from dagster_project.lib.gate import Open, Paused, Waiting, evaluate
from dagster_project.lib.run_workers import WORKER_TAG, Mark, here, start_of
from dagster_project.lib.scheduling import gate_of

COMPANIES, AWARDS = dg.AssetKey("companies"), dg.AssetKey("awards")
KEYS = [COMPANIES, AWARDS]
YEARS = dg.StaticPartitionsDefinition(["2023", "2024", "2025"])


class Warehouse:
    """Two bulk assets that fail on demand, and runs of them."""

    def __init__(self, instance: dg.DagsterInstance, *, partitioned: bool = False, retries: int = 0) -> None:
        self.instance = instance
        self.failing: set[str] = set()
        self.tries = 0

        @dg.asset(
            name="companies",
            partitions_def=YEARS if partitioned else None,
            retry_policy=dg.RetryPolicy(max_retries=retries) if retries else None,
        )
        def companies(context: dg.AssetExecutionContext):
            self.tries += 1
            if "once" in self.failing and self.tries == 1:
                raise dg.Failure("the first try")
            if "companies" in self.failing or (context.has_partition_key and context.partition_key in self.failing):
                raise dg.Failure("a bad file", allow_retries=False)

        @dg.asset(name="awards", deps=[] if partitioned else [companies])
        def awards():
            if "awards" in self.failing:
                raise dg.Failure("a bad file")

        self.defs = dg.Definitions(
            assets=[companies, awards], jobs=[dg.define_asset_job("bulk_job")], executor=dg.in_process_executor
        )

    def load(self, *keys: dg.AssetKey, partition: str | None = None, failing: tuple[str, ...] = ()):
        self.failing = set(failing)
        self.tries = 0
        job = self.defs.resolve_job_def("bulk_job")
        return job.execute_in_process(
            instance=self.instance, asset_selection=list(keys or KEYS), partition_key=partition, raise_on_error=False
        )

    def plan(self, *keys: dg.AssetKey, status=dg.DagsterRunStatus.STARTED, partition: str | None = None) -> dg.DagsterRun:
        """A run that was created and is not executed here."""
        return self.instance.create_run_for_job(
            job_def=self.defs.resolve_job_def("bulk_job"),
            asset_selection=frozenset(keys or KEYS),
            status=status,
            tags={"dagster/partition": partition} if partition else None,
        )

    @property
    def gate(self):
        return evaluate(bulk_outcomes(self.instance, KEYS))


@pytest.fixture
def warehouse(instance):
    return Warehouse(instance)


def test_before_any_load(warehouse):
    assert warehouse.gate == Waiting("never materialized: companies, awards")


def test_after_some_and_after_all(warehouse):
    warehouse.load(COMPANIES)
    assert warehouse.gate == Waiting("never materialized: awards")
    warehouse.load(AWARDS)
    first = warehouse.gate
    assert isinstance(first, Open)
    warehouse.load(AWARDS)
    assert isinstance(warehouse.gate, Open)
    assert warehouse.gate.token != first.token
    assert warehouse.gate == warehouse.gate


def test_a_failure_after_a_success_pauses_and_a_success_reopens(warehouse):
    warehouse.load()
    opened = warehouse.gate
    failed = warehouse.load(AWARDS, failing=("awards",))
    assert isinstance(warehouse.gate, Paused)
    assert (warehouse.gate.asset, warehouse.gate.run_id) == ("awards", failed.run_id)
    warehouse.load(AWARDS)
    assert isinstance(warehouse.gate, Open)
    assert warehouse.gate.token != opened.token


def test_a_failure_before_any_success(warehouse):
    failed = warehouse.load(failing=("companies",))
    assert isinstance(warehouse.gate, Paused)
    assert warehouse.gate.run_id == failed.run_id
    assert "never succeeded" in warehouse.gate.reason


def test_an_asset_that_was_loaded_before_another_of_its_run_failed_is_not_the_one(warehouse):
    warehouse.load(failing=("awards",))
    assert warehouse.gate.asset == "awards"


def test_another_asset_downstream_that_was_skipped_is_failed_with_its_run(warehouse):
    warehouse.load()
    failed = warehouse.load(failing=("companies",))
    outcomes = {one.asset: one for one in bulk_outcomes(warehouse.instance, KEYS)}
    assert [one.run_id for one in outcomes["awards"].open_attempts] == [failed.run_id]


def test_a_retry_within_the_run_that_succeeds_is_no_failure(instance):
    warehouse = Warehouse(instance, retries=1)
    assert warehouse.load(failing=("once",)).success
    assert isinstance(warehouse.gate, Open)


def test_a_re_execution_that_succeeds_reopens(warehouse):
    warehouse.load()
    failed = warehouse.load(failing=("awards",))
    assert isinstance(warehouse.gate, Paused)
    warehouse.failing = set()
    again = dg.execute_job(
        dg.reconstructable(_job_of_test),
        instance=warehouse.instance,
        reexecution_options=dg.ReexecutionOptions(parent_run_id=failed.run_id, step_selection=["awards"]),
    )
    assert again.success
    assert isinstance(warehouse.gate, Open)


def _job_of_test():
    @dg.asset(name="companies")
    def companies(): ...

    @dg.asset(name="awards", deps=[companies])
    def awards(): ...

    defs = dg.Definitions(assets=[companies, awards], jobs=[dg.define_asset_job("bulk_job")], executor=dg.in_process_executor)
    return defs.resolve_job_def("bulk_job")


def test_queued_and_running_loads_are_waited_for(warehouse):
    warehouse.load()
    run = warehouse.plan(AWARDS)
    assert warehouse.gate == Waiting(f"bulk asset awards is being loaded in run {run.run_id}")


def test_a_canceled_load_pauses_with_its_run(warehouse):
    warehouse.load()
    run = warehouse.plan(AWARDS)
    warehouse.instance.report_run_canceled(run)
    assert isinstance(warehouse.gate, Paused)
    assert "was canceled" in warehouse.gate.reason
    warehouse.load(AWARDS)
    assert isinstance(warehouse.gate, Open)


def test_a_run_that_never_started_is_a_failure(warehouse):
    warehouse.load()
    run = warehouse.plan(COMPANIES)
    warehouse.instance.report_run_failed(run)
    assert warehouse.gate.run_id == run.run_id


def began(instance, run: dg.DagsterRun, ago_s: float = 0) -> dg.DagsterRun:
    """The run starts, or started some time ago, and nothing is heard of it since."""
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    entry = dg.EventLogEntry(None, 20, "", run.run_id, time.time() - ago_s, job_name=run.job_name, dagster_event=event)
    instance.handle_new_event(entry)
    return run


def step_event(instance, run: dg.DagsterRun) -> None:
    event = dg.DagsterEvent(dg.DagsterEventType.STEP_START.value, run.job_name, step_key="awards")
    entry = dg.EventLogEntry(None, 20, "", run.run_id, time.time(), step_key="awards", job_name=run.job_name, dagster_event=event)
    instance.handle_new_event(entry)


def lives(instance, run: dg.DagsterRun) -> None:
    """It is executed by this very process."""
    instance.add_run_tags(run.run_id, {WORKER_TAG: Mark(run.run_id, here(), os.getpid(), start_of(os.getpid())).dump()})


def died(instance, run: dg.DagsterRun) -> None:
    """It was executed on this host before the last boot."""
    place = replace(here(), boot="the one before")
    instance.add_run_tags(run.run_id, {WORKER_TAG: Mark(run.run_id, place, 1, 1).dump()})


def test_a_load_under_way_is_waited_for_whatever_succeeds_meanwhile_unless_its_process_died(warehouse):
    warehouse.load()
    instance = warehouse.instance
    slow = began(instance, warehouse.plan(AWARDS))
    lives(instance, slow)
    waits = Waiting(f"bulk asset awards is being loaded in run {slow.run_id}")
    assert warehouse.gate == waits
    warehouse.load(AWARDS)
    assert warehouse.gate == waits, "it still writes"
    died(instance, slow)
    opened = warehouse.gate
    assert isinstance(opened, Open)
    instance.report_run_canceling(slow)
    assert warehouse.gate == opened
    instance.report_run_canceled(slow)
    assert warehouse.gate == opened, "somebody has closed the record of what was answered already"


def test_a_load_that_dies_is_waited_for_until_its_record_is_closed_or_another_has_succeeded(warehouse):
    warehouse.load()
    dead = began(warehouse.instance, warehouse.plan(AWARDS))
    died(warehouse.instance, dead)
    assert isinstance(warehouse.gate, Waiting)
    warehouse.instance.report_run_failed(dead)
    assert isinstance(warehouse.gate, Paused)
    warehouse.load(AWARDS)
    assert isinstance(warehouse.gate, Open)


def test_a_load_of_which_nobody_knows_whether_it_lives_is_answered_by_one_that_began_later(warehouse):
    warehouse.load()
    slow = began(warehouse.instance, warehouse.plan(AWARDS))
    assert isinstance(warehouse.gate, Waiting)
    warehouse.load(AWARDS)
    assert isinstance(warehouse.gate, Open), slow.run_id


def test_of_two_loads_at_once_the_one_that_is_heard_of_last_decides(warehouse):
    warehouse.load()
    slow = began(warehouse.instance, warehouse.plan(AWARDS))
    warehouse.load(AWARDS)
    step_event(warehouse.instance, slow)
    warehouse.instance.report_run_failed(slow)
    assert isinstance(warehouse.gate, Paused)
    assert warehouse.gate.run_id == slow.run_id


def test_a_success_of_one_that_began_earlier_answers_nothing_that_ended_after_it(warehouse):
    warehouse.load()
    later = warehouse.plan(AWARDS, status=dg.DagsterRunStatus.NOT_STARTED)
    warehouse.load(AWARDS)
    assert isinstance(warehouse.gate, Waiting), "it is still to come"
    began(warehouse.instance, later)
    assert isinstance(warehouse.gate, Waiting)
    warehouse.instance.report_run_failed(later)
    assert isinstance(warehouse.gate, Paused)
    assert warehouse.gate.run_id == later.run_id


def test_a_load_that_began_first_and_whose_process_died_first_is_judged_by_its_own_last_word(warehouse):
    """What somebody wrote into its record later is no news of it."""
    warehouse.load()
    instance = warehouse.instance
    dead = began(instance, warehouse.plan(AWARDS))
    step_event(instance, dead)
    # Reported from outside: when it was begun is not known.
    instance.report_runless_asset_event(dg.AssetMaterialization(AWARDS))
    assert isinstance(warehouse.gate, Waiting)
    instance.report_run_failed(dead, "its process is gone")
    assert isinstance(warehouse.gate, Open)


def test_a_load_without_an_end_is_a_failure_after_the_longest_time_one_may_take():
    with dg.instance_for_test(overrides={"run_monitoring": {"enabled": True, "max_runtime_seconds": 3_600}}) as instance:
        warehouse = Warehouse(instance)
        slow = began(instance, warehouse.plan(AWARDS), ago_s=3_000)
        assert warehouse.gate == Waiting(f"bulk asset awards is being loaded in run {slow.run_id}")
        instance.report_run_canceled(slow)
        stuck = began(instance, warehouse.plan(AWARDS), ago_s=4_000)
        gate = warehouse.gate
        assert isinstance(gate, Paused)
        assert gate.run_id == stuck.run_id
        assert "terminate that run and load again" in gate.reason
        warehouse.load()
        assert isinstance(warehouse.gate, Open)
        longer = warehouse.plan(AWARDS)
        instance.add_run_tags(longer.run_id, {"dagster/max_runtime": "9000"})
        began(instance, longer, ago_s=-10)
        assert isinstance(warehouse.gate, Waiting)
        assert longest_load_s(instance, instance.get_run_by_id(longer.run_id)) == 9_000
        assert longest_load_s(instance, stuck) == 3_600
        instance.add_run_tags(longer.run_id, {"dagster/max_runtime": "0"})
        assert longest_load_s(instance, instance.get_run_by_id(longer.run_id)) == math.inf, "no limit"


def test_twelve_hours_where_nothing_is_configured(instance):
    assert longest_load_s(instance, dg.DagsterRun(job_name="j")) == 43_200
    assert longest_load_s(instance, dg.DagsterRun(job_name="j", tags={"dagster/max_runtime": "soon"})) == 43_200


def test_of_two_runs_at_once_that_fail_both_are_told(warehouse):
    warehouse.load()
    bad = warehouse.plan(AWARDS)
    warehouse.instance.report_run_failed(bad)
    warehouse.load(AWARDS)
    assert isinstance(warehouse.gate, Open), "it failed before the success"
    first, second = warehouse.plan(AWARDS), warehouse.plan(AWARDS)
    warehouse.instance.report_run_canceled(second)
    assert warehouse.gate.run_id == second.run_id
    assert f"run {first.run_id} is loading it" in warehouse.gate.reason
    warehouse.instance.report_run_failed(first)
    assert isinstance(warehouse.gate, Paused)
    warehouse.load(AWARDS)
    assert isinstance(warehouse.gate, Open)


def test_many_later_loads_do_not_hide_one_that_is_still_to_come(warehouse):
    warehouse.load()
    slow = warehouse.plan(AWARDS, status=dg.DagsterRunStatus.NOT_STARTED)
    for _ in range(3):
        warehouse.load(AWARDS)
    assert slow.run_id in warehouse.gate.reason


def test_a_load_that_ended_well_without_the_asset_is_nothing_against_it(warehouse):
    warehouse.load()
    left_out = warehouse.plan(AWARDS)
    warehouse.instance.handle_new_event(_ended_well(left_out))
    assert isinstance(warehouse.gate, Open)


def _ended_well(run: dg.DagsterRun) -> dg.EventLogEntry:
    return dg.EventLogEntry(
        error_info=None,
        level=20,
        user_message="",
        run_id=run.run_id,
        timestamp=time.time(),
        job_name=run.job_name,
        dagster_event=dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name),
    )


def test_a_success_reported_from_outside_reopens(warehouse):
    warehouse.load()
    warehouse.load(AWARDS, failing=("awards",))
    warehouse.instance.report_runless_asset_event(dg.AssetMaterialization(AWARDS))
    assert isinstance(warehouse.gate, Open)


def test_a_failed_run_whose_record_was_deleted_holds_nothing_up(warehouse):
    warehouse.load()
    failed = warehouse.load(AWARDS, failing=("awards",))
    warehouse.instance.delete_run(failed.run_id)
    assert isinstance(warehouse.gate, Open)


def test_a_failed_partition_pauses_until_that_partition_succeeds(instance):
    warehouse = Warehouse(instance, partitioned=True)
    warehouse.load(AWARDS)
    for year in ("2023", "2024"):
        warehouse.load(COMPANIES, partition=year)
    assert isinstance(warehouse.gate, Open)
    failed = warehouse.load(COMPANIES, partition="2023", failing=("2023",))
    assert warehouse.gate.run_id == failed.run_id
    assert "partition 2023" in warehouse.gate.reason
    warehouse.load(COMPANIES, partition="2025")
    assert isinstance(warehouse.gate, Paused), "another partition's success answers nothing"
    warehouse.load(COMPANIES, partition="2023")
    assert isinstance(warehouse.gate, Open)


def test_a_partition_under_way_is_waited_for(instance):
    warehouse = Warehouse(instance, partitioned=True)
    warehouse.load(AWARDS)
    warehouse.load(COMPANIES, partition="2023")
    warehouse.plan(COMPANIES, partition="2024")
    assert isinstance(warehouse.gate, Waiting)


def test_assets_that_no_code_location_here_defines(instance):
    """What another team's location materializes is judged by the same records."""
    instance.report_runless_asset_event(dg.AssetMaterialization(COMPANIES))
    assert evaluate(bulk_outcomes(instance, KEYS)) == Waiting("never materialized: awards")


# --- blocking checks


def checked(instance, *, passes: bool, blocking=True, severity=dg.AssetCheckSeverity.ERROR, apart=False, partition=None):
    """A load of `companies` with a check, in its own step or in one apart."""
    years = YEARS if partition else None
    spec = dg.AssetCheckSpec("not_empty", asset=COMPANIES, blocking=blocking)

    @dg.asset(name="companies", check_specs=[] if apart else [spec], partitions_def=years)
    def companies():
        result = dg.AssetCheckResult(passed=passes, check_name="not_empty", severity=severity)
        yield dg.MaterializeResult(check_results=[] if apart else [result])

    @dg.asset_check(asset=companies, name="not_empty", blocking=blocking)
    def not_empty():
        return dg.AssetCheckResult(passed=passes, severity=severity)

    assets = [companies, not_empty] if apart else [companies]
    return dg.materialize(assets, instance=instance, raise_on_error=False, partition_key=partition)


def gate_of_companies(instance):
    return evaluate(bulk_outcomes(instance, [COMPANIES]))


@pytest.mark.parametrize("apart", [False, True])
def test_what_did_not_pass_its_blocking_check_pauses_until_it_does(instance, apart):
    failed = checked(instance, passes=False, apart=apart)
    assert not failed.success
    gate = gate_of_companies(instance)
    assert isinstance(gate, Paused)
    assert gate.run_id == failed.run_id
    assert "did not pass its blocking check not_empty" in gate.reason
    assert checked(instance, passes=True, apart=apart).success
    assert isinstance(gate_of_companies(instance), Open)


def test_a_check_that_passes_when_it_is_run_again_reopens(instance):
    checked(instance, passes=False, apart=True)

    @dg.asset_check(asset=COMPANIES, name="not_empty", blocking=True)
    def not_empty():
        return dg.AssetCheckResult(passed=True)

    again = dg.Definitions(
        assets=[dg.AssetSpec(COMPANIES)],
        asset_checks=[not_empty],
        jobs=[dg.define_asset_job("check", selection=dg.AssetSelection.all_asset_checks())],
    )
    assert again.resolve_job_def("check").execute_in_process(instance=instance).success
    assert isinstance(gate_of_companies(instance), Open)


@pytest.mark.parametrize("given", [{"blocking": False}, {"severity": dg.AssetCheckSeverity.WARN}])
def test_checks_that_block_nothing_do_not_pause(instance, given):
    checked(instance, passes=False, **given)
    assert isinstance(gate_of_companies(instance), Open)


def test_the_check_of_a_partition_is_answered_by_that_partition_alone(instance):
    checked(instance, passes=False, partition="2023")
    checked(instance, passes=True, partition="2024")
    assert "partition 2023" in gate_of_companies(instance).reason
    checked(instance, passes=True, partition="2023")
    assert isinstance(gate_of_companies(instance), Open)


# --- partitions that were deleted


def test_a_failed_partition_that_was_deleted_holds_nothing_up(instance):
    broken = {"2023"}

    @dg.asset(name="companies", partitions_def=dg.DynamicPartitionsDefinition(name="years"))
    def companies(context: dg.AssetExecutionContext):
        if context.partition_key in broken:
            raise dg.Failure("a bad file")

    repository = dg.Definitions(assets=[companies]).get_repository_def()
    instance.add_dynamic_partitions("years", ["2023", "2024"])
    for year in ("2023", "2024"):
        dg.materialize([companies], instance=instance, partition_key=year, raise_on_error=False)
    assert isinstance(gate_of(instance, [COMPANIES], repository), Paused)
    instance.delete_dynamic_partition("years", "2023")
    assert isinstance(gate_of(instance, [COMPANIES], repository), Open)
    # Another code location's partitions are not known here: deleting its failed run is the way.
    assert isinstance(gate_of(instance, [COMPANIES]), Paused)
    instance.add_dynamic_partitions("years", ["2023"])
    assert isinstance(gate_of(instance, [COMPANIES], repository), Paused), "it is back, and was not loaded since"
