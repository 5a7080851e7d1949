"""What the catalogue shows of the assets: column schemas and where their code is."""

import warnings
from pathlib import Path
from typing import Any

import dagster as dg

_LEDGER = (
    ("entity_kind", "string", "award, company, person, ..."),
    ("entity_key", "string", "our key of the entity"),
    ("source", "string", None),
    ("cohort", "string", None),
    ("last_attempt_at", "timestamp", "UTC"),
    ("last_success_at", "timestamp", "UTC"),
    ("response_status", "int", "of the provider's last answer"),
    ("outcome", "string", "changed, unchanged, not_modified, absent, failed, skipped"),
    ("payload_hash", "string", "SHA-256 of the normalized record"),
    ("attempts", "int", None),
    ("consecutive_failures", "int", None),
    ("next_attempt_at", "timestamp", "UTC"),
    ("run_id", "string", "the engine's run, not Dagster's"),
    ("due_at", "timestamp", "UTC"),
    ("stale", "bool", "past the SLA"),
    ("sla_delta_seconds", "float", "time left to the SLA; negative: past it"),
)


def ledger_schema() -> dg.TableSchema:
    return dg.TableSchema(columns=[dg.TableColumn(name, type_, description=description) for name, type_, description in _LEDGER])


def code_references(engine_dir: Path, *files: tuple[str, str]) -> dict[str, Any]:
    """Asset metadata that links to files of the engine; (path in the repository, label)."""
    with warnings.catch_warnings():
        # In beta at this (pinned) version of Dagster.
        warnings.simplefilter("ignore", dg.BetaWarning)
        references: list[Any] = [
            dg.LocalFileCodeReference(file_path=str(engine_dir / path), line_number=1, label=label) for path, label in files
        ]
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}
