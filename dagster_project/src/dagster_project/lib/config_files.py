"""The little that Dagster must know of the engine's configuration before the engine runs: which sources there are, and
which variables hold their keys. The engine itself checks the configuration, with all layers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_SOURCE_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: Adapters that find out which of a provider's keys is ours. The engine adds a source `<source>_identity` for each source with
#: one of them; a test holds this against the engine.
IDENTITY_ADAPTERS = frozenset({"dla_cage", "edgar", "openalex", "opencorporates", "orcid", "uspto_odp"})
_IDENTITY = "_identity"
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


def _flag(blocks: list[Mapping[str, Any]], override: str, *, default: bool) -> bool:
    """`enabled` as the last layer that says it."""
    if override.strip():
        return override.strip().lower() == "true"
    told = [block["enabled"] for block in blocks if "enabled" in block]
    return told[-1] is True if told else default


def all_source_ids(config_dir: Path, environment: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Registered sources, each followed by the one that finds its identities if there is one. Raises as `source_ids`."""
    registered = _registered(config_dir, environment)
    policies = _blocks(config_dir, environment, "enrichment_refresh")

    def finds_identities(source: str) -> bool:
        adapters = [block["adapter"] for block in registered[source] if "adapter" in block]
        blocks = [block["identity"] for block in policies.get(source, []) if isinstance(block.get("identity"), dict)]
        override = variables.get(f"ENRICHMENT__ENRICHMENT_REFRESH__{source.upper()}__IDENTITY__ENABLED", "")
        return bool(adapters) and adapters[-1] in IDENTITY_ADAPTERS and _flag(blocks, override, default=True)

    found: list[str] = []
    for source in source_ids(config_dir, environment):
        found.append(source)
        if finds_identities(source):
            found.append(f"{source}{_IDENTITY}")
    return tuple(found)


def enabled_source_ids(config_dir: Path, environment: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Of all sources those that are refreshed by themselves; identities are found for a source that is."""
    policies = _blocks(config_dir, environment, "enrichment_refresh")
    registered = source_ids(config_dir, environment)

    def is_enabled(name: str) -> bool:
        source = name if name in registered else name.removesuffix(_IDENTITY)
        override = variables.get(f"ENRICHMENT__ENRICHMENT_REFRESH__{source.upper()}__ENABLED", "")
        return _flag(policies.get(source, []), override, default=False)

    return tuple(name for name in all_source_ids(config_dir, environment, variables) if is_enabled(name))


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
