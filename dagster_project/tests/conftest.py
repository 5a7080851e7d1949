import gc
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.definitions import build_definitions
from dagster_project.lib.settings import Settings
from engine_world import Sandbox, World, copy_state, running_sandbox, world_env


@pytest.fixture(scope="session")
def _imports_are_not_garbage() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _garbage_is_collected_between_tests(_imports_are_not_garbage: None) -> Iterator[None]:
    """Python before 3.12 collects in the midst of any call; in runs of hundreds of Dagster runs 3.11.7 crashed there once."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A state of its own, bulk-loaded, against the shared sandbox."""
    env = world_env(sandbox.url, tmp_path, sandbox.csv)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    copy_state(sandbox, tmp_path / "state.sqlite")
    yield World(sandbox, tmp_path, env)
    sandbox.admin("faults", method="DELETE")


@pytest.fixture
def empty_world(world: World) -> World:
    """The same before any bulk load."""
    for path in world.directory.glob("state.sqlite*"):
        path.unlink()
    return world


@pytest.fixture
def defs(world: World) -> dg.Definitions:
    return build_definitions(Settings.from_env())


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made
