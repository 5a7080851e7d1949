import dagster as dg

COVERAGE_CHECK = "coverage_at_threshold"


def coverage_key(source: str) -> dg.AssetKey:
    return dg.AssetKey(["enrichment_coverage", source])


def coverage_check(source: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        COVERAGE_CHECK,
        asset=coverage_key(source),
        description=f"The fresh share of {source} is at its coverage_threshold or above (0.90 unless configured).",
    )
