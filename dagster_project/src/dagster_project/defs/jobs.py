from typing import Any

import dagster as dg

from dagster_project.defs.assets import MONITOR_JOB, REFRESH_KEY
from dagster_project.defs.checks import coverage_key
from dagster_project.defs.partitions import refresh_partitioned_config

REFRESH_JOB = "iterative_enrichment_refresh_job"

iterative_enrichment_refresh_job = dg.define_asset_job(
    REFRESH_JOB,
    selection=dg.AssetSelection.assets(REFRESH_KEY),
    config=refresh_partitioned_config,
    description="Refreshes one source:cohort partition. Started by the gate sensor and the nightly schedule, or by hand.",
)


def coverage_monitor_job(sources: tuple[str, ...]) -> Any:
    return dg.define_asset_job(
        MONITOR_JOB,
        selection=dg.AssetSelection.assets(*(coverage_key(source) for source in sources)),
        description="Measures the coverage of every source, and fails when one is below its threshold, which alerts.",
    )
