"""Finds a Node that runs the engine: the one that `npm ci` installed, else one on the PATH that is new enough."""

import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

NEEDED_MAJOR = 24


class NodeNotFound(RuntimeError):
    """There is no usable Node. The message says what to install."""


def installed_node(engine_dir: Path) -> Path | None:
    """The Node that the lock file pins for this platform; None when the package is not there."""
    arch = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine())
    package = f"node-win-{arch}" if sys.platform == "win32" else f"node-{sys.platform}-{arch}"
    path = engine_dir / "node_modules" / package / "bin" / ("node.exe" if sys.platform == "win32" else "node")
    return path if path.is_file() else None


@cache
def _major_of(node: str, _mtime: float) -> int:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        return int(told.strip().removeprefix("v").split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def find_node(engine_dir: Path) -> Path:
    """Raises `NodeNotFound`."""
    if not (engine_dir / "ts" / "pipes" / "main.js").is_file():
        raise NodeNotFound(f"the engine is not in {engine_dir}; set ENRICHMENT_ENGINE_DIR to its directory")
    own = installed_node(engine_dir)
    if own is not None:
        return own
    found = shutil.which("node")
    if found is not None and _major_of(found, os.path.getmtime(found)) >= NEEDED_MAJOR:  # noqa: PTH204
        return Path(found)
    has = "none is on the PATH" if found is None else f"{found} is older"
    raise NodeNotFound(f"the engine needs Node >= {NEEDED_MAJOR}, and {has}; run npm ci in {engine_dir}")


def worker_argv(engine_dir: Path) -> list[str]:
    """The engine's entry for Dagster, without a shell or another Node in between, so that signals reach it."""
    return [str(find_node(engine_dir)), str(engine_dir / "ts" / "pipes" / "main.js")]


def engine_version(engine_dir: Path) -> str:
    """The version in package.json, which is the code version of the assets."""
    import json

    try:
        return str(json.loads((engine_dir / "package.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return "unknown"
