"""The little that Dagster must know of the engine's configuration before the engine runs: which sources there are, and
which variables hold their keys. The engine itself checks the configuration, with all layers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_SOURCE_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ENV_OVERRIDE = re.compile(r"ENRICHMENT__ENRICHMENT__.+__CREDENTIALS__.+__ENV")


def _load(path: Path) -> Mapping[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} cannot be read: {error}; see: node ts/cli.js config check") from error
    return loaded if isinstance(loaded, dict) else {}


def _blocks(config_dir: Path, environment: str, section: str) -> dict[str, list[Mapping[str, Any]]]:
    """Blocks under `section`, by source; base.yaml first."""
    blocks: dict[str, list[Mapping[str, Any]]] = {}
    for name in ("base.yaml", f"{environment}.yaml"):
        found = _load(config_dir / name).get(section)
        for source, block in (found if isinstance(found, dict) else {}).items():
            blocks.setdefault(str(source), []).append(block if isinstance(block, dict) else {})
    return blocks


def _registered(config_dir: Path, environment: str) -> dict[str, list[Mapping[str, Any]]]:
    return _blocks(config_dir, environment, "enrichment")


def source_ids(config_dir: Path, environment: str) -> tuple[str, ...]:
    """Registered sources in the order of the files. Raises ValueError when there are none or a file is unreadable."""
    found = tuple(source for source in _registered(config_dir, environment) if _SOURCE_ID.fullmatch(source))
    if not found:
        raise ValueError(f"no source is registered in {config_dir / 'base.yaml'}; see: node ts/cli.js config check")
    return found


def enabled_source_ids(config_dir: Path, environment: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Of the registered sources those that are refreshed by themselves."""
    policies = _blocks(config_dir, environment, "enrichment_refresh")

    def is_enabled(source: str) -> bool:
        if override := variables.get(f"ENRICHMENT__ENRICHMENT_REFRESH__{source.upper()}__ENABLED", "").strip():
            return override.lower() == "true"
        told = [block["enabled"] for block in policies.get(source, []) if "enabled" in block]
        return bool(told) and told[-1] is True

    return tuple(source for source in source_ids(config_dir, environment) if is_enabled(source))


def credential_variables(config_dir: Path, environment: str, variables: Mapping[str, str]) -> frozenset[str]:
    """Names of the variables that hold keys of sources, in any layer of the configuration."""
    names = {value for name, value in variables.items() if _ENV_OVERRIDE.fullmatch(name)}
    for blocks in _registered(config_dir, environment).values():
        for block in blocks:
            credentials = block.get("credentials")
            for credential in (credentials if isinstance(credentials, dict) else {}).values():
                if isinstance(credential, dict) and isinstance(credential.get("env"), str):
                    names.add(credential["env"])
    return frozenset(names)
