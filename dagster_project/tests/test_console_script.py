"""`refresh_enrichment`, as installed, is the engine's command line: arguments, output, exit code and signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.cli import refresh_command
from engine_world import ROOT, wait_until

SCRIPT = Path(sys.executable).parent / "refresh_enrichment"
FIRST = "sam_gov:uei_batch_0001"


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": os.environ["PATH"], **env}
    return subprocess.run([SCRIPT, *arguments], env=variables, capture_output=True, text=True, timeout=60)


def test_help_is_the_engines():
    shown = run("--help")
    assert shown.returncode == 0, shown.stderr
    assert "--window" in shown.stdout


def test_what_the_specification_asks_for(world):
    done = run("--source", "sam_gov", "--window", "2026-11-01:2026-11-20", "--json", **world.env)
    assert done.returncode == 0, done.stderr
    assert [one["partition"] for one in json.loads(done.stdout)["partitions"]] == ["sam_gov:change_feed"]
    assert world.cli("checkpoints", "show", "sam_gov:change_feed")["checkpoint"]["status"] == "complete"


@pytest.mark.parametrize(
    ("arguments", "env", "code", "says"),
    [
        (["--source", "sam_gv"], {}, 2, "sam_gov"),
        (["--wndow", "x"], {}, 2, "wndow"),
        ([], {"ENRICHMENT_ENGINE_DIR": "/nowhere"}, 78, "ENRICHMENT_ENGINE_DIR"),
        ([], {"ENRICHMENT_MAX_REQUESTS": "many"}, 78, "ENRICHMENT_MAX_REQUESTS"),
        (["--dry-run"], {"ENRICHMENT_CONFIG_DIR": "/nonexistent"}, 78, "ENRICHMENT_CONFIG_DIR=/nonexistent"),
        (["--dry-run", "--config-dir", "/nonexistent"], {}, 78, "--config-dir /nonexistent"),
        (["--dry-run", "--env=nope"], {}, 78, "--env nope"),
        (["--env"], {}, 2, "--env needs a value"),
    ],
)
def test_exit_codes(world, arguments, env, code, says):
    ended = run(*arguments, **{**world.env, **env})
    assert ended.returncode == code, ended.stderr
    assert says in ended.stderr


def test_it_works_with_what_the_dagster_project_works_with(world, tmp_path):
    """Without any variable: the sandbox, not the real providers; else whatever the variables say."""
    env = {name: value for name, value in world.env.items() if name != "ENRICHMENT_ENV"}
    planned = run("--source", "sam_gov", "--dry-run", "--json", **env)
    assert planned.returncode == 0, planned.stderr
    assert "environment sandbox of " in planned.stderr
    assert "the default" in planned.stderr
    assert "environment" not in run("--source", "sam_gov", "--dry-run", "--quiet", **env).stderr

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "base.yaml").write_text((ROOT / "config" / "base.yaml").read_text() + "\nnonsense: 1\n")
    (mine / "own.yaml").write_text("")
    refused = run("--dry-run", **{**env, "ENRICHMENT_CONFIG_DIR": str(mine), "ENRICHMENT_ENV": "own"})
    assert refused.returncode == 78
    assert f"environment own of {mine} (ENRICHMENT_ENV)" in refused.stderr
    assert "nonsense" in refused.stderr, "the engine reads that very directory"


def test_arguments_outrank_variables():
    variables = {"ENRICHMENT_ENV": "prod", "ENRICHMENT_CONFIG_DIR": "/nonexistent"}
    command = refresh_command(["--env", "dev", "--config-dir", str(ROOT / "config")], variables)
    assert command.env["ENRICHMENT_ENV"] == "dev"
    assert command.argv.count("--config-dir") == 1
    assert command.note == f"environment dev of {ROOT / 'config'} (--env)"
    given = refresh_command(["--source", "sam_gov"], {"ENRICHMENT_ENV": "prod"})
    assert given.env["ENRICHMENT_ENV"] == "prod"
    assert given.argv[-4:] == ["--config-dir", str(ROOT / "config"), "--source", "sam_gov"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_engine_which_saves_its_state(world, sandbox, number):
    sandbox.fault(source="sam_gov", kind="latency", ms=1500)
    before = sandbox.log_position()
    command = [SCRIPT, "--partition", FIRST, "--json"]
    env = {"PATH": os.environ["PATH"], **world.env}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        wait_until(lambda: sandbox.log(before), what="the first request")
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert world.cli("checkpoints", "show", FIRST)["checkpoint"]["status"] == "open"
