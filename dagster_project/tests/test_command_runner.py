"""The engine behind a command, with stand-ins for `docker run`: no file, no environment but what is handed over, another
directory."""

import base64
import json
import os
import shlex
import stat
import sys
import threading
import time
import zlib
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.definitions import build_definitions
from dagster_project.lib.command_runner import CommandEngineRunner, command_words
from dagster_project.lib.engine_runner import EngineFailed
from dagster_project.lib.line_reader import StreamReader
from dagster_project.lib.make_engine_runner import make_engine_runner
from dagster_project.lib.node import worker_argv
from dagster_project.lib.partition_sync import PARTITIONS_NAME, list_partitions
from dagster_project.lib.settings import Settings, SettingsError
from engine_world import ROOT

PARTITION = "sam_gov:uei_batch_0001"

#: `container run [-e NAME]... IMAGE WORDS...`, as Docker understands it: says something of its own, hands over nothing but the
#: variables that are named, goes elsewhere, and notes what it was told.
CONTAINER = """#!{python}
import json, os, sys
words = sys.argv[2:]
env = {{"PATH": os.environ["PATH"]}}
while words[0] == "-e":
    env[words[1]] = os.environ[words[1]]
    words = words[2:]
with open({note!r}, "a") as note:
    note.write(json.dumps({{"env": env, "words": words}}) + "\\n")
print("Pulling image " + words[0] + " ...", flush=True)
os.chdir({elsewhere!r})
os.execve(words[1], words[1:], env)
"""


@pytest.fixture
def container(tmp_path, monkeypatch):
    """Path of the stand-in; what it was told is in `told.jsonl` beside it."""
    script, elsewhere = tmp_path / "container", tmp_path / "elsewhere"
    elsewhere.mkdir()
    script.write_text(CONTAINER.format(python=sys.executable, note=str(tmp_path / "told.jsonl"), elsewhere=str(elsewhere)))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("ENRICHMENT_ENGINE_RUNNER", "command")
    monkeypatch.setenv("ENRICHMENT_ENGINE_COMMAND", f"{shlex.quote(str(script))} run {{env}} image-of-{{run_id}}")
    monkeypatch.setenv("ENRICHMENT_ENGINE_WORKER", shlex.join(worker_argv(ROOT)))
    return script


def told(container: Path) -> list[dict]:
    return [json.loads(line) for line in (container.parent / "told.jsonl").read_text().splitlines()]


def decode(words: list[str], name: str):
    return json.loads(zlib.decompress(base64.b64decode(words[words.index(name) + 1])))


def refresh(instance, partition=PARTITION):
    instance.add_dynamic_partitions(PARTITIONS_NAME, [partition])
    job = build_definitions(Settings.from_env()).resolve_job_def("iterative_enrichment_refresh_job")
    return job.execute_in_process(instance=instance, partition_key=partition, raise_on_error=False)


def test_a_partition_is_refreshed_in_a_container(world, container, instance, monkeypatch):
    monkeypatch.setenv("SAM_GOV_API_KEY", "SANDBOX-KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    result = refresh(instance)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["coverage_after"].value == 1.0
    (said,) = told(container)
    assert said["words"][0] == f"image-of-{result.run_id}"
    context = decode(said["words"], "--dagster-pipes-context")
    assert context["data"]["partition_key"] == PARTITION
    assert "launcher_pid" not in context["data"]["extras"], "a number that may be anybody's there"
    assert "config_dir" not in context["data"]["extras"]
    assert decode(said["words"], "--dagster-pipes-messages") == {"stdio": "stdout"}
    assert said["env"]["SAM_GOV_API_KEY"] == "SANDBOX-KEY"
    assert said["env"]["ENRICHMENT__STATE__PATH"] == str(world.state)
    assert {"AWS_SECRET_ACCESS_KEY", "DOCKER_HOST", "HOME", "DAGSTER_HOME"}.isdisjoint(said["env"])
    assert "SANDBOX-KEY" not in json.dumps(said["words"]), "no secret in what ps shows"


def test_it_is_asked_there_too(world, container):
    listed = list_partitions(make_engine_runner(Settings.from_env()))
    assert PARTITION in listed.keys
    assert told(container)[0]["words"][0].startswith("image-of-ask-")


def test_nothing_but_arguments_and_stdout_is_needed(world, instance, monkeypatch):
    """`env -i` leaves no variable: what the engine is to know is written into the command."""
    variables = {name: value for name, value in world.env.items() if name.startswith("ENRICHMENT__")}
    known = shlex.join(f"{name}={value}" for name, value in variables.items())
    monkeypatch.setenv("ENRICHMENT_ENGINE_RUNNER", "command")
    monkeypatch.setenv("ENRICHMENT_ENGINE_COMMAND", f"env -i PATH={os.environ['PATH']} {known} sh -c 'cd / && exec \"$@\"' --")
    monkeypatch.setenv("ENRICHMENT_ENGINE_WORKER", shlex.join(worker_argv(ROOT)))
    assert refresh(instance).success


def step(instance, script: str, tmp_path: Path):
    """A step whose worker is a shell script."""
    runner = CommandEngineRunner(
        engine_dir=str(tmp_path),
        config_dir=str(ROOT / "config"),
        environment="sandbox",
        forwarded_variables=[],
        command="sh -c",
        worker=shlex.quote(script),
    )

    @dg.asset
    def made(context: dg.AssetExecutionContext):
        yield from runner.run(context, {"mode": "refresh"}).results

    return runner, dg.materialize([made], instance=instance, raise_on_error=False)


def message(method: str, **params) -> str:
    return shlex.quote(json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params}))


OPENED = f"echo {message('opened', extras={})}"
MADE = f"echo {message('report_asset_materialization', asset_key='made', data_version=None, metadata={})}"
CLOSED = f"echo {message('closed')}"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (f"{OPENED}; {MADE}; echo some words; {CLOSED}", None),
        (f"{OPENED}; {MADE}", "did not close"),
        (f"{MADE}; {CLOSED}; exit 125", "exit code 125"),
        ("echo No such image; exit 0", "never opened"),
        (f'{OPENED}; {MADE}; {CLOSED}; printf \'{{"__dagster_pipes_version": "0\'', "unreadable"),
        (f'{OPENED}; echo \'{{"__dagster_pipes_version": "0.1", "meth\'; {MADE}; {CLOSED}', "unreadable"),
    ],
)
def test_how_commands_end(instance, tmp_path, script, says):
    _, result = step(instance, script, tmp_path)
    if says is None:
        assert result.success
        return
    assert not result.success
    assert result.get_asset_materialization_events() == []
    (event,) = [one for one in result.all_events if one.event_type_value == "STEP_FAILURE"]
    assert says in event.step_failure_data.user_failure_data.description


def test_a_flood_through_the_stream_loses_nothing():
    read_end, write_end = os.pipe()
    reader, seen = StreamReader(), []

    class Handler:
        def handle_message(self, one):
            seen.append(one["params"]["payload"])

    def write():
        with os.fdopen(write_end, "w") as stream:
            for n in range(20_000):
                line = json.dumps(
                    {
                        "__dagster_pipes_version": "0.1",
                        "method": "report_custom_message",
                        "params": {"payload": n, "x": "y" * 300},
                    }
                )
                stream.write(f"{line}\n")

    with reader.read_messages(Handler()) as params:
        assert params == {"stdio": "stdout"}
        reader.attach(os.fdopen(read_end, "rb"))
        threading.Thread(target=write).start()
    assert seen == reader.custom == list(range(20_000))
    assert reader.bad == []


def test_somebody_who_keeps_the_stream_open_holds_up_nobody(monkeypatch):
    monkeypatch.setattr(StreamReader, "_JOIN_S", 0.1)
    read_end, write_end = os.pipe()
    reader, began = StreamReader(), time.monotonic()
    with reader.read_messages(None):
        reader.attach(os.fdopen(read_end, "rb"))
    assert time.monotonic() - began < 30
    assert "keeps the stream open" in reader.bad[0][0]
    os.close(write_end)


def test_a_question_that_is_not_answered_there(tmp_path):
    runner = CommandEngineRunner(
        engine_dir=str(tmp_path),
        config_dir=str(ROOT / "config"),
        environment="sandbox",
        forwarded_variables=[],
        command="sh -c",
        worker=shlex.quote("echo No such image >&2; exit 125"),
    )
    with pytest.raises(EngineFailed, match="No such image"):
        runner.ask({"mode": "partitions"})


def test_words_of_a_template():
    words = command_words("docker run --name e-{run_id} {env} -v 'a b:/c' IMAGE", run_id="r1", variables=["A", "B"])
    assert words == ["docker", "run", "--name", "e-r1", "-e", "A", "-e", "B", "-v", "a b:/c", "IMAGE"]


@pytest.mark.parametrize(("command", "says"), [("", "it is empty"), ("docker run 'x", "No closing quotation")])
def test_a_template_that_is_none(command, says):
    with pytest.raises(SettingsError, match=says):
        make_engine_runner(Settings.from_env({"ENRICHMENT_ENGINE_RUNNER": "command", "ENRICHMENT_ENGINE_COMMAND": command}))
