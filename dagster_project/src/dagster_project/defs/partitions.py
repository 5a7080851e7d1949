import dagster as dg

from dagster_project.lib.partition_sync import PARTITIONS_NAME
from dagster_project.lib.requests import source_tags

#: `source:cohort`, e.g. `sam_gov:uei_batch_0001`; kept in step with the engine's state by sensor, schedule and runs.
enrichment_source_cohort = dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)

#: Every run of the job bears the tags of its source, so that limits per source in dagster.yaml reach it.
refresh_partitioned_config = dg.PartitionedConfig(
    partitions_def=enrichment_source_cohort,
    run_config_for_partition_key_fn=lambda _key: {},
    tags_for_partition_key_fn=source_tags,
)
