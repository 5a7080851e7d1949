"""The launcher, with workers that misbehave in every way Dagster itself would take for success."""

import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.lib.engine_process import DEFAULT_ESCALATION, EngineProcess
from dagster_project.lib.engine_runner import EngineFailed, EngineRunner, SubprocessEngineRunner
from dagster_project.lib.make_engine_runner import make_engine_runner
from dagster_project.lib.retries import Tries, earlier_tries, retried
from dagster_project.lib.settings import Settings
from dagster_project.lib.step_files import step_directory

ROOT = Path(__file__).resolve().parents[2]

#: The protocol in a few lines; `script` is the body of the worker.
PRELUDE = """
import { readFileSync, openSync, writeSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
const decode = (name) => JSON.parse(inflateSync(Buffer.from(process.env[name], 'base64')))
const isStep = process.env.DAGSTER_PIPES_MESSAGES !== undefined
const fd = isStep ? openSync(decode('DAGSTER_PIPES_MESSAGES').path, 'a') : 1
const context = isStep ? JSON.parse(readFileSync(decode('DAGSTER_PIPES_CONTEXT').path)) : { extras: JSON.parse(process.argv[2]) }
const line = (method, params) => JSON.stringify({ __dagster_pipes_version: '0.1', method, params }) + '\\n'
const send = (method, params) => writeSync(fd, line(method, params))
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
const open = () => send('opened', { extras: {} })
const close = (params = {}) => send('closed', params)
const tell = (payload) => send('report_custom_message', { payload })
const materialize = (n = 1) => send('report_asset_materialization', {
  asset_key: 'made', data_version: null, metadata: { n: { type: '__infer__', raw_value: n } } })
const end = (exit_code, more = {}) => tell({ kind: 'result', exit_code, why: null, retry_after_s: null, error: null, ...more })
"""


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def run(tmp_path, instance):
    """Runs a step whose worker does `script`."""
    engine = tmp_path / "engine"
    (engine / "ts" / "pipes").mkdir(parents=True)
    (engine / "node_modules").symlink_to(ROOT / "node_modules")
    (engine / "package.json").write_text('{"type": "module", "version": "1.2.3"}')
    (engine / "config").symlink_to(ROOT / "config")

    def make(script: str, **given) -> SubprocessEngineRunner:
        (engine / "ts" / "pipes" / "main.js").write_text(PRELUDE + script)
        settings = replace(Settings.from_env({}), **{"engine_dir": engine, "config_dir": engine / "config", **given})
        runner = make_engine_runner(settings)
        assert isinstance(runner, SubprocessEngineRunner)
        runner._escalation = ((signal.SIGINT, 1.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0))
        return runner

    def run(script: str, *, retries: int = 0, **given):
        @dg.asset
        def made(context: dg.AssetExecutionContext, engine_runner: dg.ResourceParam[EngineRunner]):
            with retried(context, delay_s=0, max_retries=retries):
                done = engine_runner.run(context, {"mode": "refresh"})
            yield from done.results

        return dg.materialize([made], instance=instance, resources={"engine_runner": make(script, **given)}, raise_on_error=False)

    run.make = make
    return run


def failure_of(result):
    assert not result.success
    assert result.get_asset_materialization_events() == [], "nothing is ever materialized in a worker's place"
    (event,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return event.step_failure_data.user_failure_data


def retries_of(result):
    return [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]


def test_a_good_worker(run):
    result = run("open(); materialize(7); end(0); close()")
    assert result.success
    assert result.get_asset_materialization_events()[0].materialization.metadata["n"].value == 7


def test_a_worker_that_is_slow_to_end_a_line(run):
    """Half a line at the moving end of the file: Dagster's own reader loses everything from here on."""
    result = run("""
        open()
        const whole = line('report_custom_message', { payload: 'x'.repeat(300) })
        writeSync(fd, whole.slice(0, 50)); await sleep(150); writeSync(fd, whole.slice(50))
        const text = line('log', { message: 'ünï ⚙', level: 'INFO' }), bytes = Buffer.from(text)
        const cut = bytes.indexOf(0xc3) + 1
        writeSync(fd, bytes.subarray(0, cut)); await sleep(150); writeSync(fd, bytes.subarray(cut))
        materialize(); end(0); close()
    """)
    assert result.success


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("", "never opened"),
        ("materialize(); end(0); close()", "never opened"),
        ("open(); materialize(); end(0)", "did not close"),
        ("open(); materialize(); close({exception: {message: 'm', name: 'E', stack: [], cause: null, context: null}})", "E: m"),
        ("open(); materialize(); writeSync(fd, '{half a line'); ", "no end"),
        ("open(); materialize(); writeSync(fd, 'garbage\\n'); close()", "unreadable"),
        ("open(); materialize(); send('no_such_method', {}); close()", "unreadable"),
        ("open(); send('report_asset_materialization', {asset_key: 'made'}); close()", "unreadable"),
        ("open(); materialize(); end(1); close()", "reported exit code 1"),
        ("open(); materialize(); close(); process.exitCode = 3", "exit code 3"),
        ("open(); materialize(); close(); process.kill(process.pid, 'SIGKILL'); await sleep(5000)", "SIGKILL"),
    ],
)
def test_what_dagster_would_take_for_success(run, script, says):
    assert says in failure_of(run(script)).description


def test_a_worker_that_reports_nothing_materializes_nothing(run):
    result = run("open(); end(0); close()")
    assert not result.success
    assert result.get_asset_materialization_events() == []


def test_75_is_tried_again_after_the_time_the_engine_says(run, tmp_path):
    flag = tmp_path / "seen"
    result = run(f"""
        import {{ existsSync, writeFileSync }} from 'node:fs'
        open()
        if (existsSync('{flag}')) {{ materialize(context.retry_number); end(0); close() }}
        else {{ writeFileSync('{flag}', ''); end(75, {{ why: 'lease held', retry_after_s: 0.2 }}); close(); process.exitCode = 75 }}
    """)
    assert result.success
    (retry,) = retries_of(result)
    assert retry.step_retry_data.seconds_to_wait == 5
    assert result.get_asset_materialization_events()[0].materialization.metadata["n"].value == 1


def worker_that(tmp_path, *ends):
    """Ends its tries as told: `wait` (75), `fail` (1), `done`."""
    count = tmp_path / "tries"
    return f"""
        import {{ appendFileSync }} from 'node:fs'
        appendFileSync('{count}', 'x')
        const how = {json.dumps(ends)}[readFileSync('{count}').length - 1] ?? 'fail'
        const code = {{ wait: 75, fail: 1, done: 0 }}[how]
        open(); if (code === 0) materialize(context.retry_number); end(code, {{ why: how }}); close(); process.exitCode = code
    """


@pytest.fixture
def impatient(monkeypatch):
    """Waits begin with 0.05 s instead of 5."""
    monkeypatch.setattr("dagster_project.lib.verdict._FIRST_WAIT_S", 0.05)


def test_waiting_uses_up_no_try_of_a_failure(run, tmp_path, instance, impatient):
    ends = ["wait", "wait", "wait", "fail", "wait", "fail", "wait", "done"]
    result = run(worker_that(tmp_path, *ends), retries=2)
    assert result.success
    kinds = [event.step_retry_data.error.cls_name for event in retries_of(result)]
    assert kinds == ["Waits", "Waits", "Waits", "FailedTry", "Waits", "FailedTry", "Waits"]
    assert result.get_asset_materialization_events()[0].materialization.metadata["n"].value == 7


def test_the_third_failure_ends_the_step_however_often_it_waited(run, tmp_path, impatient):
    result = run(worker_that(tmp_path, "wait", "fail", "wait", "fail", "wait", "fail", "done"), retries=2)
    assert failure_of(result).description == "fail"
    assert (tmp_path / "tries").read_text() == "x" * 6


def test_waiting_has_a_bound_of_its_own_in_time(run, tmp_path, instance, impatient):
    result = run(
        worker_that(tmp_path, "wait", "fail", "wait", "wait", "wait", "wait"), retries=2, max_total_wait_s=1, max_wait_s=1
    )
    waits = [e.step_retry_data.seconds_to_wait for e in retries_of(result) if e.step_retry_data.error.cls_name == "Waits"]
    assert waits == [0.05, 0.1, 0.2, 0.4]
    assert "deferred" in failure_of(result).description, "0.8 s more would be over 1 s"
    assert "enrichment/deferred_until" in instance.get_run_by_id(result.run_id).tags


def test_what_was_tried_is_read_from_the_run_itself(instance):
    seen = []

    @dg.asset
    def made(context: dg.AssetExecutionContext):
        seen.append(earlier_tries(context))
        if context.retry_number == 0:
            raise dg.RetryRequested(max_retries=9, seconds_to_wait=0)
        with retried(context, delay_s=0):
            raise dg.Failure("no")

    assert not dg.materialize([made], instance=instance, raise_on_error=False).success
    assert seen == [Tries(), Tries(failures=1), Tries(failures=2)]


def test_75_for_hours_is_left_to_a_later_run_and_marked(run, instance):
    result = run(
        "open(); end(75, { why: 'spent until midnight', retry_after_s: 40000 }); close(); process.exitCode = 75", retries=2
    )
    assert "spent until midnight" in failure_of(result).description
    assert retries_of(result) == []
    assert "enrichment/deferred_until" in instance.get_run_by_id(result.run_id).tags


def test_78_is_not_tried_again(run):
    why = "{ why: 'no key', error: { next: 'set SAM_GOV_API_KEY' } }"
    result = run(f"open(); end(78, {why}); close(); process.exitCode = 78", retries=2)
    data = failure_of(result)
    assert "set SAM_GOV_API_KEY" in data.description
    assert data.metadata["exit_code"].value == 78
    assert retries_of(result) == []


ENDED_FROM_OUTSIDE = {
    "it said so": "open(); end(130, { why: 'stopped' }); close(); process.exitCode = 130",
    "SIGTERM": "open(); process.kill(process.pid, 'SIGTERM'); await sleep(5000)",
}


@pytest.mark.parametrize("how", ENDED_FROM_OUTSIDE)
def test_an_engine_that_somebody_else_stopped_is_a_failed_try(run, how):
    result = run(ENDED_FROM_OUTSIDE[how], retries=2)
    assert "interrupted: " in failure_of(result).description
    assert [event.step_retry_data.error.cls_name for event in retries_of(result)] == ["FailedTry", "FailedTry"]


@pytest.mark.parametrize("how", ENDED_FROM_OUTSIDE)
def test_one_that_is_stopped_while_its_run_is_canceled_is_not_tried_again(run, instance, how):
    """Where the host ends both at once, the engine may be gone before the interruption arrives."""
    runner = run.make(ENDED_FROM_OUTSIDE[how])

    @dg.asset
    def made(context: dg.AssetExecutionContext):
        context.instance.report_run_canceling(context.instance.get_run_by_id(context.run_id))
        with retried(context, delay_s=0):
            runner.run(context, {"mode": "refresh"})

    result = dg.materialize([made], instance=instance, raise_on_error=False)
    assert "interrupted: " in failure_of(result).description
    assert retries_of(result) == []


def test_1_is_tried_again(run):
    result = run("open(); end(1, { why: 'two partitions failed' }); close(); process.exitCode = 1", retries=2)
    assert "two partitions failed" in failure_of(result).description
    assert len(retries_of(result)) == 2
    error = retries_of(result)[0].step_retry_data.error
    assert error.cause is not None
    assert "two partitions failed" in error.cause.message, "why it is tried again is in the event"


@pytest.mark.parametrize(
    "error", [BlockingIOError(11, "Resource temporarily unavailable"), sqlite3.OperationalError("database is locked")]
)
def test_what_the_host_refuses_is_a_failed_try(instance, error):
    tries = []

    @dg.asset
    def made(context: dg.AssetExecutionContext):
        tries.append(context.retry_number)
        with retried(context, delay_s=0):
            if len(tries) < 3:
                raise error

    assert dg.materialize([made], instance=instance).success
    assert tries == [0, 1, 2]
    tries.clear()
    tries.extend([9, 9, 9])

    @dg.asset
    def never(context: dg.AssetExecutionContext):
        tries.append(context.retry_number)
        with retried(context, delay_s=0):
            raise error

    result = dg.materialize([never], instance=instance, raise_on_error=False)
    assert tries[3:] == [0, 1, 2]
    (event,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert str(error) in event.step_failure_data.error.cause.message, "the error itself ends it"


def test_an_interruption_is_no_failed_try(instance):
    @dg.asset
    def made(context: dg.AssetExecutionContext):
        with retried(context, delay_s=0):
            raise KeyboardInterrupt

    result = None
    with suppress(BaseException):
        result = dg.materialize([made], instance=instance, raise_on_error=False)
    assert result is None or (not result.success and retries_of(result) == [])
    (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.FAILURE


def test_the_wait_before_another_try_doubles_more_or_less(instance):
    waits = []

    @dg.asset
    def made(context: dg.AssetExecutionContext):
        try:
            with retried(context, delay_s=30):
                raise dg.Failure("not today")
        except dg.RetryRequested as asked:
            waits.append(asked.seconds_to_wait)
            raise dg.RetryRequested(max_retries=asked.max_retries, seconds_to_wait=0) from None

    assert not dg.materialize([made], instance=instance, raise_on_error=False).success
    first, second = waits
    assert 22 < first < 38
    assert 44 < second < 76


def test_a_silent_worker_is_stopped(run):
    result = run("open(); setInterval(() => {}, 1000)", silence_limit_s=1)
    assert "nothing was heard" in failure_of(result).description


def test_the_worker_knows_its_launcher_and_none_of_its_secrets(run, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("SAM_GOV_API_KEY", "wanted")
    result = run("""
        open()
        const { AWS_SECRET_ACCESS_KEY: secret, SAM_GOV_API_KEY: key, DAGSTER_HOME: home } = process.env
        const ok = secret === undefined && home === undefined && key === 'wanted' &&
          context.extras.launcher_pid === process.ppid && context.extras.env === 'sandbox'
        if (ok) materialize()
        end(0); close()
    """)
    assert result.success


def test_a_flood_of_messages_loses_none(run, instance):
    """1,000 messages a second and lines of 100 kB. Full length (20 s): ENRICHMENT_FLOOD_S=20."""
    seconds = float(os.environ.get("ENRICHMENT_FLOOD_S", "4"))
    result = run(f"""
        open()
        const count = {int(1000 * seconds)}, began = performance.now()
        for (let n = 0; n < count; ) {{
          for (const due = (performance.now() - began); n < count && n <= due; n += 1) tell({{ n, filler: 'x'.repeat(300) }})
          if (n % 500 < 10) tell({{ big: 'y'.repeat(100_000) }})
          await sleep(1)
        }}
        materialize(count); end(0); close()
    """)
    assert result.success
    assert result.get_asset_materialization_events()[0].materialization.metadata["n"].value == int(1000 * seconds)


def test_every_message_of_the_flood_is_kept_in_order(run, instance):
    runner = run.make("open(); for (let n = 0; n < 50000; n += 1) tell({ n }); materialize(); end(0); close()")
    seen = []

    @dg.asset
    def made(context: dg.AssetExecutionContext):
        done = runner.run(context, {})
        seen.extend(one["n"] for one in done.messages if "n" in one)
        yield from done.results

    assert dg.materialize([made], instance=instance).success
    assert seen == list(range(50_000))


# --- stopping


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc").is_dir()


def is_gone(pid: int) -> bool:
    """Soon, at least: SIGKILL takes effect when the process is next run."""
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def stubborn(tmp_path: Path, *, ignores: str, child_ignores: str = "") -> tuple[EngineProcess, int]:
    """A process that ignores signals, with a child that would outlive it. Returns both pids."""
    pid_file = tmp_path / "child"
    child = f"(trap '' {child_ignores}; sleep 60)" if child_ignores else "sleep 60"
    trap = f"trap '' {ignores}; " if ignores else ""
    script = f"{trap}{child} & echo $! > {pid_file}; while :; do sleep 0.05; done"
    process = EngineProcess(["/bin/sh", "-c", script], env={"PATH": os.environ["PATH"]}, cwd=tmp_path)
    until = time.monotonic() + 10
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.02)
    # The child's own trap is set a moment after it began.
    time.sleep(0.2 if child_ignores else 0)
    return process, int(pid_file.read_text())


@pytest.mark.parametrize(("ignores", "ended_by"), [("INT", -signal.SIGTERM), ("INT TERM", -signal.SIGKILL)])
def test_signals_escalate_and_the_whole_group_ends(tmp_path, ignores, ended_by):
    process, child = stubborn(tmp_path, ignores=ignores)
    # The order that is used, without its patience.
    code = process.stop([(number, min(wait_s, 0.5 if number != signal.SIGKILL else 5)) for number, wait_s in DEFAULT_ESCALATION])
    assert code == ended_by
    assert is_gone(process.pid)
    assert is_gone(child)


def test_the_engine_has_longer_than_it_needs_before_the_next_signal():
    numbers = [number for number, _ in DEFAULT_ESCALATION]
    assert numbers == [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
    assert DEFAULT_ESCALATION[0][1] > 10, "it ends by itself 10 s after the first signal, its state saved"


def test_what_the_engine_started_and_ignores_signals_does_not_outlive_it(tmp_path):
    process, child = stubborn(tmp_path, ignores="", child_ignores="INT TERM")
    try:
        assert process.stop() == -signal.SIGINT
        assert is_gone(process.pid)
        assert is_gone(child)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_second_interruption_does_not_leave_the_engine_behind(tmp_path, monkeypatch):
    process, child = stubborn(tmp_path, ignores="INT TERM")
    real_wait = subprocess.Popen.wait
    calls = iter([KeyboardInterrupt(), None, None, None, None])

    def wait(self, timeout=None):
        raised = next(calls)
        if raised is not None:
            raise raised
        return real_wait(self, timeout=timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    process.stop(((signal.SIGINT, 0.2), (signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0)))
    monkeypatch.undo()
    assert is_gone(process.pid)
    assert is_gone(child)


def test_an_interrupted_step_stops_its_worker(run, tmp_path, monkeypatch):
    """As a terminated run does it: an interrupt in the step's thread while the worker works."""
    pid_file = tmp_path / "pid"
    script = f"""
        import {{ writeFileSync }} from 'node:fs'
        open(); process.on('SIGINT', () => {{ end(130); close(); process.exit(130) }})
        writeFileSync('{pid_file}', String(process.pid)); setInterval(() => {{}}, 1000)
    """

    def interrupt():
        until = time.monotonic() + 20
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    result = run(script, retries=2)
    assert not result.success
    assert result.get_asset_materialization_events() == []
    assert retries_of(result) == [], "a step with a retry policy would sleep and begin again"
    assert is_gone(int(pid_file.read_text()))


# --- questions outside a step


def test_an_answer(run):
    runner = run.make(
        "console.log(JSON.stringify({kind: 'x', mode: context.extras.mode})); console.log(JSON.stringify({kind: 'result', exit_code: 0}))"
    )
    assert runner.ask({"mode": "partitions"})[0] == {"kind": "x", "mode": "partitions"}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("process.stderr.write('it broke\\n'); process.exitCode = 1", "it broke"),
        (
            "console.log(JSON.stringify({kind: 'result', exit_code: 78, why: 'cadence is no duration'})); process.exitCode = 78",
            "cadence",
        ),
        ("console.log('{not json')", "not JSON"),
        ("", "could not tell"),
        ("console.log(JSON.stringify({kind: 'result', exit_code: 75}))", "could not tell"),
    ],
)
def test_questions_that_are_not_answered(run, script, says):
    with pytest.raises(EngineFailed, match=says):
        run.make(script).ask({"mode": "partitions"})


def test_a_question_that_takes_too_long_is_ended(run, tmp_path):
    pid_file = tmp_path / "pid"
    runner = run.make(
        f"import {{ writeFileSync }} from 'node:fs'; writeFileSync('{pid_file}', String(process.pid)); setInterval(() => {{}}, 1000)"
    )
    with pytest.raises(EngineFailed, match="did not end within"):
        runner.ask({"mode": "partitions"}, timeout_s=1)
    assert is_gone(int(pid_file.read_text()))


def test_an_engine_that_is_not_installed_fails_at_once(run, tmp_path):
    result = run("", engine_dir=tmp_path / "nowhere", retries=2)
    assert "ENRICHMENT_ENGINE_DIR" in failure_of(result).description
    assert retries_of(result) == []


def test_a_question_that_cannot_be_put_at_all(run, monkeypatch):
    runner = run.make("")

    def refuse(*_args, **_more):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("dagster_project.lib.engine_runner.EngineProcess", refuse)
    with pytest.raises(EngineFailed, match=r"could not be started to tell partitions: .*Resource temporarily unavailable"):
        runner.ask({"mode": "partitions"})


# --- what killed runs leave


def test_directories_of_killed_runs_are_swept_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    long_ago = time.time() - 25 * 3600

    def directory(name: str, *, written_at: float | None = None, messages_at: float | None = None) -> Path:
        made = tmp_path / name
        made.mkdir()
        (made / "messages").write_text("x")
        if messages_at is not None:
            os.utime(made / "messages", (messages_at, messages_at))
        if written_at is not None:
            os.utime(made, (written_at, written_at))
        return made

    left = directory("enrichment-pipes-left", written_at=long_ago, messages_at=long_ago)
    running = directory("enrichment-pipes-running", written_at=long_ago)
    fresh = directory("enrichment-pipes-fresh")
    anybodys = directory("tmpabc", written_at=long_ago, messages_at=long_ago)
    outside = directory("elsewhere", written_at=long_ago, messages_at=long_ago)
    (tmp_path / "enrichment-pipes-link").symlink_to(outside)
    with step_directory() as own:
        assert own.parent == tmp_path
        assert not left.exists()
        assert all(one.exists() for one in (running, fresh, anybodys, outside / "messages"))
    assert not own.exists()


def test_a_step_leaves_nothing_in_the_directory_for_temporary_files(run, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert run("""
        import { dirname, basename } from 'node:path'
        open()
        const paths = [decode('DAGSTER_PIPES_MESSAGES').path, decode('DAGSTER_PIPES_CONTEXT').path]
        if (paths.every((path) => basename(dirname(path)).startsWith('enrichment-pipes-'))) materialize()
        end(0); close()
    """).success
    assert [path.name for path in scratch.iterdir() if path.name.startswith("enrichment-pipes-")] == []


def test_the_request_is_json_on_the_command_line(run):
    runner = run.make("console.log(JSON.stringify(context.extras)); console.log(JSON.stringify({kind: 'result', exit_code: 0}))")
    assert json.loads(json.dumps(runner.ask({"mode": "plan", "sources": ["sam_gov"]})[0]))["sources"] == ["sam_gov"]
