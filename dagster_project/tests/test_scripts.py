"""scripts/python-env.mjs on machines that lack something."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path):
    """Only what the script reads, so that the real .venv is left alone."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "dagster_project").mkdir()
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / "dagster_project" / name, tmp_path / "dagster_project" / name)
    (tmp_path / "bin").mkdir()
    return tmp_path


def run(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    assert node is not None
    command = [node, "scripts/test-python.mjs", "--counts", "counts.json"]
    variables = {"PATH": str(checkout / "bin"), **env}
    return subprocess.run(command, cwd=checkout, env=variables, capture_output=True, text=True, timeout=60)


def fake_python(checkout: Path, name: str, version: str) -> None:
    path = checkout / "bin" / name
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)


def test_without_python_it_says_what_is_needed(checkout):
    ended = run(checkout)
    assert ended.returncode == 1
    assert "Python 3.10 to 3.13 is needed, and none was found" in ended.stderr
    assert "PYTHON=" in ended.stderr
    assert "    at " not in ended.stderr
    assert (checkout / "counts.json").read_text() == '{"passed":0,"failed":1}'
    assert not (checkout / ".venv").exists()


def test_an_older_python_is_named(checkout):
    fake_python(checkout, "python3", "3.9")
    assert "python3 is 3.9" in run(checkout).stderr


def test_the_named_python_comes_first_and_what_fails_there_is_told(checkout):
    fake_python(checkout, "python3", "3.9")
    fake_python(checkout, "mine", "3.12")
    ended = run(checkout, PYTHON=str(checkout / "bin" / "mine"))
    assert ended.returncode == 1
    assert "Installing Python packages failed" in ended.stderr
    assert "run the same command again" in ended.stderr


def test_the_environment_of_these_tests_is_kept(checkout):
    """A second run installs nothing when the locks are the same."""
    if not (ROOT / ".venv" / "enrichment.json").exists():
        pytest.skip("these tests do not run in .venv")
    script = "import('./scripts/python-env.mjs').then(({ ensurePython }) => console.log(ensurePython({ dev: true })))"
    node = shutil.which("node")
    assert node is not None
    told = subprocess.run(
        [node, "-e", script], cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == str(ROOT / ".venv" / "bin" / "python")
    assert told.stderr == ""


def prepare_workspace(home: Path) -> dict:
    node = shutil.which("node")
    assert node is not None
    script = (
        "import('./scripts/dagster-support.mjs').then(({ prepareWorkspace }) =>"
        " console.log(JSON.stringify(prepareWorkspace(process.argv[1], 'dagster_project'))))"
    )
    told = subprocess.run([node, "-e", script, str(home)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(told.stdout)


def test_a_workspace_of_the_users_is_left_as_it_is(tmp_path):
    file = tmp_path / "workspace.yaml"
    assert prepare_workspace(tmp_path) == {"file": str(file), "notes": []}
    ours = file.read_text()
    (location,) = yaml.safe_load(ours)["load_from"]
    assert location["python_module"]["module_name"] == "dagster_project.definitions"
    # Of an earlier version of this script, and of an earlier version before it marked what is its own.
    for earlier in (ours.splitlines()[0] + "\nload_from: []\n", ours.splitlines()[1]):
        file.write_text(earlier)
        assert prepare_workspace(tmp_path)["notes"] == []
        assert file.read_text() == ours
    theirs = "load_from:\n- python_module: their.definitions\n"
    file.write_text(theirs)
    notes = " ".join(prepare_workspace(tmp_path)["notes"])
    assert file.read_text() == theirs
    assert f"Using {file} as it is" in notes
    assert "does not name dagster_project.definitions" in notes
