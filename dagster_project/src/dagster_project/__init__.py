"""Runs the enrichment refresh engine under Dagster. What is refreshed, and how, is decided in the engine (`ts/`)."""
