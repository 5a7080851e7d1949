from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from dagster_project.defs.checks import coverage_check, coverage_key
from dagster_project.defs.partitions import enrichment_source_cohort
from dagster_project.lib.describe import code_references, ledger_schema
from dagster_project.lib.engine_runner import Deferred, EngineFailed, EngineRunner
from dagster_project.lib.no_output import ends_without_output
from dagster_project.lib.node import engine_version
from dagster_project.lib.partition_sync import (
    PARTITIONS_NAME,
    apply_changes,
    describe_changes,
    list_partitions,
    partition_changes,
)
from dagster_project.lib.retries import retried
from dagster_project.lib.run_workers import mark_worker
from dagster_project.lib.settings import Settings

REFRESH_KEY = dg.AssetKey("enrichment_refresh")
MONITOR_JOB = "enrichment_coverage_monitor_job"
SLA_GAPS_TAG = "enrichment/sla_gaps_closed"

_REFRESH_GROUP = "iterative_enrichment"
_BULK_GROUP = "bulk_enrichment"
_OWNERS = ["team:data-platform"]


class RefreshConfig(dg.Config):
    """What a launch by hand may ask for beyond "all that is due in this partition"."""

    #: `2023-10-01:2023-10-07`, both days included, UTC: what the provider says changed then.
    window: str | None = None
    #: Everything in the partition, due or not.
    force: bool = False
    #: At most so many entities, at most so many calls.
    limit: int | None = None
    max_calls: int | None = None


def refresh_asset(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=REFRESH_KEY,
        partitions_def=enrichment_source_cohort,
        deps=[dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping()) for key in settings.bulk_keys],
        group_name=_REFRESH_GROUP,
        owners=_OWNERS,
        kinds={"typescript", "sqlite"},
        code_version=engine_version(settings.engine_dir),
        # Without one when it is deferred.
        output_required=False,
        metadata={
            "dagster/column_schema": ledger_schema(),
            **code_references(
                settings.engine_dir,
                ("ts/pipes/mode-refresh.ts", "what the worker does for a partition"),
                ("ts/refresh/run.ts", "the engine's run"),
            ),
        },
        description=(
            "One cohort of one source, brought up to date: what is due is asked about by the cheapest way under the "
            "provider's quota, and what changed is written, with one event per changed field. A run that was stopped goes "
            "on where it was. Partitions are `source:cohort`; `source:change_feed` and `source:bulk_file` are passes over "
            "the whole source."
        ),
    )
    def enrichment_refresh(
        context: dg.AssetExecutionContext, config: RefreshConfig, engine_runner: dg.ResourceParam[EngineRunner]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        mark_worker(context)
        partition = _one_partition(context)
        # Not `0 in (None, False)`: a limit of 0 is the engine's to refuse, not one that was left out.
        asked = {name: value for name, value in config.model_dump().items() if value is not None and value is not False}
        try:
            with retried(context, delay_s=settings.retry_delay_s):
                run = engine_runner.run(context, {"mode": "refresh", "partition": partition, **asked})
        except Deferred as deferred:
            # No run fails for waiting; and none that only waited has materialized anything.
            context.log.warning(deferred.description or "deferred")
            context.log_event(_observed_deferral(partition, deferred))
            ends_without_output(context)
            return
        if not run.results:
            raise dg.Failure("the engine ended well and reported no materialization", allow_retries=False)
        closed = run.message("result").get("sla_gaps_closed", 0)
        context.instance.add_run_tags(context.run_id, {SLA_GAPS_TAG: str(closed)})
        source, _, cohort = partition.partition(":")
        # Both make partitions: a file brings new entities, a found identity something that can be asked about.
        if cohort == "bulk_file" or source.endswith("_identity"):
            _sync_partitions(context, engine_runner)
        for result in run.results:
            assert isinstance(result, dg.MaterializeResult)
            yield result

    return enrichment_refresh


def _observed_deferral(partition: str, deferred: Deferred) -> dg.AssetObservation:
    metadata: dict[str, Any] = {"deferred": deferred.description or "", **deferred.metadata}
    return dg.AssetObservation(REFRESH_KEY, partition=partition, metadata=metadata)


def _one_partition(context: dg.AssetExecutionContext) -> str:
    if context.has_partition_key:
        key: str = context.partition_key
        return key
    what = "over a range of partitions" if context.has_partition_key_range else "without a partition"
    raise dg.Failure(
        f"enrichment_refresh cannot run {what}: each run refreshes one, so that it can fail, be retried and be canceled alone. "
        "Launch it as a backfill (Materialize, pick partitions, do not choose a single run), or by: "
        "dagster job backfill -j iterative_enrichment_refresh_job --partitions sam_gov:uei_batch_0001 --noprompt",
        allow_retries=False,
    )


def coverage_assets(settings: Settings, sources: Sequence[str]) -> dg.AssetsDefinition:
    specs = [
        dg.AssetSpec(
            coverage_key(source),
            deps=[dg.AssetDep(REFRESH_KEY, partition_mapping=dg.AllPartitionMapping())],
            group_name=_REFRESH_GROUP,
            owners=_OWNERS,
            kinds={"typescript", "sqlite"},
            code_version=engine_version(settings.engine_dir),
            # Of the measurement, not of the records: those are what it measures.
            freshness_policy=dg.FreshnessPolicy.time_window(
                fail_window=timedelta(seconds=settings.coverage_fail_after_s),
                warn_window=timedelta(seconds=settings.coverage_fail_after_s * 7 // 13),
            ),
            metadata=code_references(settings.engine_dir, ("ts/pipes/coverage-metadata.ts", "what is measured")),
            description=_coverage_description(source, sources),
        )
        for source in sources
    ]

    @dg.multi_asset(
        name="enrichment_coverage",
        specs=specs,
        check_specs=[coverage_check(source) for source in sources],
        can_subset=True,
    )
    def enrichment_coverage(
        context: dg.AssetExecutionContext, engine_runner: dg.ResourceParam[EngineRunner]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        mark_worker(context)
        wanted = [key.path[-1] for key in context.selected_asset_keys]
        checks = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
        names = sorted({name for _, name in checks})
        with retried(context, delay_s=settings.retry_delay_s):
            run = engine_runner.run(context, {"mode": "coverage", "sources": sorted(wanted), "checks": names})
        for result in run.results:
            if isinstance(result, dg.MaterializeResult) or (result.asset_key, result.check_name) in checks:
                yield result
        below = [one for one in run.message("result").get("sources", ()) if one["below_threshold"]]
        if below and context.job_name == MONITOR_JOB:
            raise dg.Failure(_below_text(below), metadata={"below_threshold": len(below)}, allow_retries=False)

    return enrichment_coverage


def _coverage_description(source: str, sources: Sequence[str]) -> str:
    if (main := source.removesuffix("_identity")) != source and main in sources:
        return (
            f"For how many entities it was looked for in time which key of {main} is theirs, found or not; cohort by cohort, "
            f"plotted over time. How many have one: `unresolved` of enrichment_coverage/{main}."
        )
    return f"How much of {source} is fresh, cohort by cohort; plotted over time. Makes no call to the provider."


def _below_text(below: Sequence[Any]) -> str:
    lines = [
        f"{one['source']}: coverage {one['coverage']:.1%}, threshold {one['threshold']:.1%}, {one['stale']} past the SLA"
        for one in below
    ]
    return "Below the coverage threshold:\n" + "\n".join(lines)


def bulk_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Demonstration assets that load SBIR.gov's bulk files; a team names its own by ENRICHMENT_BULK_ASSET_KEYS instead."""
    companies, awards = "sbir_companies", "enriched_sbir_awards"

    @dg.asset(
        name=companies,
        group_name=_BULK_GROUP,
        owners=_OWNERS,
        kinds={"typescript", "csv"},
        description="Companies of SBIR.gov's bulk file, loaded into the population. Idempotent.",
        metadata=code_references(settings.engine_dir, ("ts/ingest/ingest.ts", "the bulk load")),
    )
    def sbir_companies(
        context: dg.AssetExecutionContext, engine_runner: dg.ResourceParam[EngineRunner]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        yield from _ingest(context, settings, engine_runner, {"companies": str(settings.companies_file)})

    @dg.asset(
        name=awards,
        deps=[companies],
        group_name=_BULK_GROUP,
        owners=_OWNERS,
        kinds={"typescript", "csv"},
        description="Awards of SBIR.gov's bulk file, with their companies, investigators and domains. Idempotent.",
        metadata=code_references(settings.engine_dir, ("ts/ingest/ingest.ts", "the bulk load")),
    )
    def enriched_sbir_awards(
        context: dg.AssetExecutionContext, engine_runner: dg.ResourceParam[EngineRunner]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        yield from _ingest(context, settings, engine_runner, {"awards": str(settings.awards_file)})

    return [sbir_companies, enriched_sbir_awards]


def _ingest(
    context: dg.AssetExecutionContext, settings: Settings, engine_runner: EngineRunner, files: dict[str, str]
) -> Iterator[dg.MaterializeResult[Any]]:
    mark_worker(context)
    with retried(context, delay_s=settings.retry_delay_s):
        run = engine_runner.run(context, {"mode": "ingest", **files})
    _sync_partitions(context, engine_runner)
    for result in run.results:
        assert isinstance(result, dg.MaterializeResult)
        yield result


def _sync_partitions(context: dg.AssetExecutionContext, engine_runner: EngineRunner) -> None:
    """New cohorts can be picked in the UI at once. That it fails costs nothing: the sensor does it too."""
    try:
        listed = list_partitions(engine_runner)
    except (EngineFailed, ValueError) as error:
        context.log.warning(f"partitions were not brought up to date, the sensor will: {error}")
        return
    changes = partition_changes(context.instance.get_dynamic_partitions(PARTITIONS_NAME), listed)
    # Only additions: what is gone may be queued, which the sensor looks at.
    apply_changes(context.instance, type(changes)(changes.add, ()))
    if changes.add:
        context.log.info(describe_changes(type(changes)(changes.add, ())))
