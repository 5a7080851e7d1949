"""The conformance cases of Dagster Pipes, from the installed Dagster's side: what the TypeScript client writes is what
Dagster makes of it, type by type, and no failure of the worker is a success of the step."""

import json
import logging
import os
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest
from pipes_support import GOLDEN, NODE, ROOT, LineReader, golden, run_step

EXTRAS = [
    {},
    {"foo": "bar"},
    {"foo": {"bar": [1, 2.5, None, True, {"deep": "ünï ⚙"}]}, "baz": 12_345, "corge": None},
    {"sam_gov:uei_batch_0001": ["a", ""], "big": 2**53 - 1},
]
MATERIALIZE = {"materialize": {}}


@pytest.mark.parametrize("injector", [dg.PipesTempFileContextInjector, dg.PipesEnvContextInjector])
@pytest.mark.parametrize("extras", EXTRAS)
def test_extras_arrive_as_they_were_sent(instance, injector, extras):
    ran = golden([{"echo": True}, MATERIALIZE], instance=instance, extras=extras, injector=injector())
    assert ran.result.success, ran.stderr
    echo = ran.custom[0]
    assert echo["extras"] == extras
    assert echo["run_id"] == ran.result.run_id
    assert echo["asset_keys"] == ["my_asset"]
    assert echo["partition_key"] is None


def test_partition_and_arguments(instance):
    ran = golden([{"echo": True}, MATERIALIZE], instance=instance, partition="sam_gov:uei_batch_0001", by_arguments=True)
    assert ran.result.success, ran.stderr
    assert ran.custom[0]["partition_key"] == "sam_gov:uei_batch_0001"
    assert ran.materializations[0].partition == "sam_gov:uei_batch_0001"


def test_key_with_slashes_and_backslashes(instance):
    key = ["coverage", "a/b\\c"]
    ran = golden([{"echo": True}, MATERIALIZE], instance=instance, key=key)
    assert ran.result.success, ran.stderr
    assert ran.materializations[0].asset_key == dg.AssetKey(key)


def test_logs_at_five_levels(instance):
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    ran = golden([*({"log": [f"{level} message", level]} for level in levels), MATERIALIZE], instance=instance)
    assert ran.result.success, ran.stderr
    logged = [(level, text) for level, text in ran.logs(instance) if text.endswith(" message")]
    assert logged == [(getattr(logging, level), f"{level} message") for level in levels]


@pytest.mark.parametrize("payload", [{"foo": "bar"}, 1, 1.5, "text", [1, 2, 3], None, {"nested": {"list": [None, 1e300]}}])
def test_custom_payload(instance, payload):
    ran = golden([{"custom": payload}, MATERIALIZE], instance=instance)
    assert ran.result.success, ran.stderr
    assert list(ran.custom) == [payload]
    assert type(ran.custom[0]) is type(payload)


def assert_static_metadata(metadata):
    value = dg.MetadataValue
    expected = {
        "text": value.text("foo"),
        "url": value.url("https://dagster.io"),
        "path": value.path("/dev/null"),
        "notebook": value.notebook("book.ipynb"),
        "json": value.json({"foo": "bar", "baz": [1, None, {"deep": True}]}),
        "md": value.md("**bold**"),
        "float": value.float(1.0),
        "int": value.int(42),
        "bool_true": value.bool(True),
        "bool_false": value.bool(False),
        "dagster_run": value.dagster_run("db892d7f-0031-4747-973d-22e8b9095d9d"),
        "asset": value.asset(dg.AssetKey(["foo", "bar"])),
        "timestamp": value.timestamp(1_700_000_000.5),
        "null": value.null(),
        "table": value.table(
            records=[
                dg.TableRecord({"partition": "sam_gov:uei_batch_0001", "closed": 3, "share": 0.5, "ok": True}),
                dg.TableRecord({"partition": "empty", "closed": None, "share": None, "ok": None}),
            ],
            schema=dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        "partition",
                        "string",
                        "what",
                        constraints=dg.TableColumnConstraints(nullable=False, unique=True),
                    ),
                    dg.TableColumn("closed", "int", tags={"unit": "entities"}),
                    dg.TableColumn("share", "float"),
                    dg.TableColumn("ok", "bool"),
                ]
            ),
        ),
        "table_schema": value.table_schema(dg.TableSchema(columns=[dg.TableColumn("a", "int")])),
        "table_column_lineage": value.column_lineage(
            dg.TableColumnLineage({"a": [dg.TableColumnDep(dg.AssetKey(["up", "stream"]), "x")]})
        ),
        "plain_int": value.int(1),
        "plain_float": value.float(1.5),
        "plain_text": value.text("text"),
        "plain_bool": value.bool(True),
        "plain_null": value.null(),
        "plain_list": value.json([1, "two"]),
        "plain_undefined": value.null(),
        "not_a_number": value.null(),
        "infinite": value.null(),
        "float_not_a_number": value.null(),
        "huge": value.int(2**70),
        "looks_typed": value.json({"type": "mine", "raw_value": 1, "more": 2}),
        "half_a_surrogate": value.text("broken \ufffd pair"),
    }
    assert {name: metadata.get(name) for name in expected} == expected
    assert isinstance(metadata["float"], dg.FloatMetadataValue)


@pytest.mark.parametrize("asset_key", [None, "my_asset"])
@pytest.mark.parametrize("data_version", [None, "alpha"])
def test_materialization(instance, data_version, asset_key):
    given = {name: value for name, value in {"dataVersion": data_version, "assetKey": asset_key}.items() if value is not None}
    ran = golden([{"materialize": given}], instance=instance)
    assert ran.result.success, ran.stderr
    (materialization,) = ran.materializations
    assert materialization.asset_key == dg.AssetKey(["my_asset"])
    assert_static_metadata(materialization.metadata)
    if data_version is not None:
        assert materialization.tags["dagster/data_version"] == data_version
    # As the database gives it back, not as it went in.
    stored = instance.get_latest_materialization_event(dg.AssetKey(["my_asset"]))
    assert_static_metadata(stored.asset_materialization.metadata)


@pytest.mark.parametrize("severity", ["WARN", "ERROR"])
@pytest.mark.parametrize("passed", [True, False])
def test_check(instance, passed, severity):
    check = {"name": "my_check", "passed": passed, "severity": severity}
    ran = golden([{"check": check}, MATERIALIZE], instance=instance, checks=["my_check"])
    assert ran.result.success, ran.stderr
    (evaluation,) = ran.checks
    assert (evaluation.check_name, evaluation.passed, evaluation.severity.value) == ("my_check", passed, severity)
    assert_static_metadata(evaluation.metadata)


def test_nothing_is_fabricated(instance):
    ran = golden([{"log": ["did nothing", "INFO"]}], instance=instance)
    assert ran.exit_code == 0
    assert not ran.result.success
    assert ran.materializations == []


@pytest.mark.parametrize(
    ("steps", "more", "exit_code", "name", "message"),
    [
        ([{"throw": "Very bad error has happened!"}], {}, 1, "TypeError", "Very bad error has happened!"),
        ([{"throw": "under using"}], {"using": True}, 1, "TypeError", "under using"),
        ([{"reject": "left alone"}, {"sleepMs": 9_000}], {}, 1, "RangeError", "left alone"),
        ([{"close": "it did not work"}], {}, 1, None, "it did not work"),
        ([MATERIALIZE, MATERIALIZE], {}, 1, "DagsterPipesError", "reported as materialized already"),
        ([{"exit": 0}], {}, 1, "Unfinished", "without closing"),
        ([{"exit": 75}], {}, 75, "ExitCode", "exit code 75"),
        ([{"stall": True}], {}, 13, "ExitCode", "exit code 13"),
    ],
)
def test_errors_reach_dagster_and_fail_the_step(instance, steps, more, exit_code, name, message):
    ran = golden([{"custom": "begun"}, *steps], instance=instance, more=more)
    assert not ran.result.success
    assert ran.exit_code == exit_code
    assert ran.reader.refused == []
    assert ran.custom[0] == "begun"
    exception = ran.reader.closed["exception"]
    assert set(exception) == {"message", "stack", "name", "cause", "context"}
    assert exception["name"] == name
    assert message in exception["message"]
    errors = ran.engine_errors(instance)
    assert any(message in error.message for error in errors)
    assert ran.materializations == []


def test_causes_are_shown_in_the_event_log(instance):
    ran = golden([{"throw": "outer"}], instance=instance)
    error = next(error for error in ran.engine_errors(instance) if "outer" in error.message)
    assert error.cls_name == "TypeError"
    assert error.cause.message == "the cause"
    assert error.cause.cause.message == "the root"
    assert any("pipes-golden.ts" in frame for frame in error.stack)


@pytest.mark.parametrize(("sig", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_signals(instance, sig, exit_code):
    def send(process, reader):
        deadline = time.monotonic() + 30
        while not reader.params_of("report_custom_message") and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, sig)

    ran = golden([{"custom": "ready"}, MATERIALIZE, {"sleepMs": 60_000}], instance=instance, on_start=send)
    assert not ran.result.success
    assert ran.exit_code == exit_code
    assert ran.materializations == []
    if sig is signal.SIGKILL:
        assert ran.reader.closed is None
    else:
        assert ran.reader.closed["exception"]["name"] == "Interrupted"


TORN_WRITER = """
import base64, json, os, sys, time, zlib
params = json.loads(zlib.decompress(base64.b64decode(os.environ["DAGSTER_PIPES_MESSAGES"])))
with open(params["path"], "ab", buffering=0) as file:
    def send(method, params, torn=False):
        line = (json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params}) + "\\n").encode()
        for part in ((line[:20], line[20:]) if torn else (line,)):
            file.write(part); time.sleep(0.2 if torn else 0)
    send("opened", {"extras": {}})
    for n in range(5): send("report_custom_message", {"payload": n}, torn=True)
    send("report_asset_materialization", {"asset_key": "my_asset", "metadata": None, "data_version": None})
    send("closed", {})
    if "cut" in sys.argv: file.write(b'{"method": "log", "par')
"""


def test_a_line_torn_by_a_slow_writer_is_read_whole(instance):
    ran = run_step([sys.executable, "-c", TORN_WRITER], instance=instance)
    assert ran.result.success, ran.stderr
    assert list(ran.custom) == [0, 1, 2, 3, 4]


def test_a_line_without_an_end_fails_the_step(instance):
    ran = run_step([sys.executable, "-c", TORN_WRITER, "cut"], instance=instance)
    assert not ran.result.success
    assert ran.reader.refused[0][0] == "no end"


FLOOD_SECONDS = float(os.environ.get("PIPES_FLOOD_SECONDS", "3"))


def test_flood(instance):
    """1,000 messages a second and lines of 100 kB: nothing is lost, nothing out of order. Full length: PIPES_FLOOD_SECONDS=20."""
    count = int(1_000 * FLOOD_SECONDS)
    steps = [
        {"flood": {"count": count, "perSecond": 1_000, "bytes": 300}},
        {"flood": {"count": 200, "bytes": 100_000}},
        {"flood": {"count": 20_000, "bytes": 100}},
        MATERIALIZE,
    ]
    ran = golden(steps, instance=instance)
    assert ran.result.success, (ran.reader.refused, ran.stderr)
    assert [payload["n"] for payload in ran.custom] == [*range(count), *range(200), *range(20_000)]
    assert {len(payload["filler"]) for payload in ran.custom} == {300, 100_000, 100}


def test_log_flood_is_capped_and_said(instance):
    ran = golden([{"flood": {"count": 2_000, "bytes": 50, "as": "log"}}, MATERIALIZE], instance=instance)
    assert ran.result.success, ran.stderr
    texts = [text for _level, text in ran.logs(instance)]
    floods = [text for text in texts if text.startswith("flood ")]
    assert 40 <= len(floods) <= 120
    remarks = [text for text in texts if "left out to spare Dagster's event log" in text]
    assert len(floods) + sum(int(text.split(" ")[0]) for text in remarks) == 2_000


def test_the_stock_client_works_too(instance):
    @dg.asset
    def my_asset(context: dg.AssetExecutionContext):
        command = [NODE, str(GOLDEN), json.dumps({"steps": [{"log": ["hello", "INFO"]}, MATERIALIZE]})]
        return dg.PipesSubprocessClient(cwd=str(ROOT)).run(context=context, command=command).get_materialize_result()

    result = dg.materialize([my_asset], instance=instance, raise_on_error=False)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    assert_static_metadata(event.step_materialization_data.materialization.metadata)


class StderrReader(dg.PipesMessageReader):
    """As the K8s and CloudWatch readers: messages are lines of a stream, among other lines."""

    def __init__(self, params):
        self.params = params

    def read_messages(self, handler):
        from contextlib import contextmanager

        @contextmanager
        def reading():
            self.handler = handler
            yield self.params

        return reading()

    def take(self, text):
        from dagster._core.pipes.utils import extract_message_or_forward_to_stdout

        for line in text.splitlines():
            extract_message_or_forward_to_stdout(self.handler, line)

    def no_messages_debug_text(self):
        return "a standard stream"


@pytest.mark.parametrize("params", [{"stdio": "stderr"}, {"stdio": "stdout"}, {"buffered_stdio": "stderr"}])
def test_messages_on_a_standard_stream(instance, capfd, params):
    steps = [{"print": "plain line\n"}, {"custom": {"n": 1}}, MATERIALIZE]
    reader = StderrReader(params)

    @dg.asset
    def my_asset(context: dg.AssetExecutionContext):
        with dg.open_pipes_session(
            context=context, context_injector=dg.PipesEnvContextInjector(), message_reader=reader
        ) as session:
            ended = subprocess.run(
                [NODE, str(GOLDEN), json.dumps({"steps": steps})],
                env={"PATH": os.environ["PATH"], **session.get_bootstrap_env_vars()},
                capture_output=True,
                text=True,
                check=True,
            )
            reader.take(ended.stderr + ended.stdout)
        assert session.get_custom_messages() == ({"n": 1},)
        yield from session.get_results(implicit_materializations=False)

    result = dg.materialize([my_asset], instance=instance, raise_on_error=False)
    assert result.success
    assert "plain line" in capfd.readouterr().out


def test_secrets_do_not_reach_dagster(instance):
    steps = [
        {"log": ["the key is CANARY-123", "INFO"]},
        {"custom": {"CANARY-123": "xCANARY-123x"}},
        {"throw": "CANARY-123"},
    ]
    ran = golden(steps, instance=instance, more={"secret": "CANARY-123"})
    everything = json.dumps(ran.reader.messages) + ran.stderr + repr(ran.logs(instance)) + repr(ran.engine_errors(instance))
    assert "CANARY-123" not in everything
    assert "[redacted]" in everything


def test_outside_dagster_the_same_worker_runs_and_reports_nothing():
    steps = [{"log": ["hello", "INFO"]}, {"custom": 1}, MATERIALIZE, {"echo": True}]
    environment = {"PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [NODE, str(GOLDEN), json.dumps({"steps": steps})], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_reader_itself_notes_what_dagster_refuses(instance):
    """The other half of the contract: a message that breaks the protocol fails the step and hides nothing that follows."""
    writer = TORN_WRITER.replace('send("closed", {})', 'send("log", {"message": "x", "level": "TRACE"})\n    send("closed", {})')
    ran = run_step([sys.executable, "-c", writer], instance=instance)
    assert not ran.result.success
    assert len(ran.reader.refused) == 1
    assert ran.reader.closed == {}
    assert isinstance(ran.reader, LineReader)
