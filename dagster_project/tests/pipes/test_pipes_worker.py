"""The worker itself as a Dagster step, against the provider sandbox: what it reports is what Dagster stores and plots."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request

import dagster as dg
import pytest
from pipes_support import NODE, ROOT, WORKER, run_step

AMPLE = json.dumps([{"limit": 1_000_000, "per": "1s"}])
REFRESH = ("enrichment_refresh",)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A sandbox on loopback, its bulk files, and an environment that points at both."""
    directory = tmp_path_factory.mktemp("worker")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    arguments = ["--seed", "7", "--companies", "220", "--awards", "600", "--port", str(port)]
    sandbox = subprocess.Popen(
        [NODE, str(ROOT / "ts" / "cli.js"), "sandbox", *arguments, "--write-csv", str(directory / "csv")],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    env = {
        "ENRICHMENT_ENV": "sandbox",
        "ENRICHMENT__STATE__PATH": str(directory / "state.sqlite"),
        "ENRICHMENT__WAREHOUSE__PATH": str(directory / "warehouse"),
        "ENRICHMENT__CLOCK__SANDBOX_URL": url,
        "ENRICHMENT__ENRICHMENT__USASPENDING__BASE_URL": f"{url}/usaspending",
        "ENRICHMENT__ENRICHMENT__SAM_GOV__BASE_URL": f"{url}/sam_gov",
        "ENRICHMENT__ENRICHMENT__SBIR_GOV__BASE_URL": f"{url}/sbir_gov",
        "ENRICHMENT__ENRICHMENT__SBIR_GOV__OTHER_URLS__FILES": f"{url}/sbir_files",
        "ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__COHORT__SIZE": "50",
        "ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__QUOTAS": AMPLE,
        # It shares that quota, and must state the same.
        "ENRICHMENT__ENRICHMENT_REFRESH__SAM_EXCLUSIONS__QUOTAS": AMPLE,
    }
    try:
        wait_for(lambda: get(f"{url}/_admin/clock"), sandbox)
        yield {"env": env, "url": url, "csv": directory / "csv"}
    finally:
        sandbox.terminate()
        sandbox.wait(timeout=15)


def get(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def post(url, body, method="POST"):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method), timeout=5) as response:
        return json.load(response)


def wait_for(ready, process=None):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process is None or process.poll() is None, "the sandbox did not start"
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def work(instance, home, *, key=REFRESH, **options):
    return run_step([NODE, str(WORKER)], instance=instance, env=home["env"], key=key, **options)


@pytest.fixture(scope="module")
def ingested(home, instance):
    csv = home["csv"]
    extras = {
        "mode": "ingest",
        "awards": str(csv / "award_data_no_abstract.csv"),
        "companies": str(csv / "company_data.csv"),
    }
    ran = work(instance, home, key=("enriched_sbir_awards",), extras=extras)
    assert ran.result.success, ran.stderr
    return ran


def test_ingest(ingested):
    (materialization,) = ingested.materializations
    metadata = materialization.metadata
    assert metadata["same_file"] == dg.MetadataValue.bool(False)
    assert metadata["added"].value > 600
    assert metadata["dagster/row_count"].value == metadata["rows"].value
    assert isinstance(metadata["entities"], dg.TableMetadataValue)


def test_partitions(home, instance, ingested):
    """As a sensor asks: no step, no Pipes session, the answer on stdout."""
    begun = time.monotonic()
    ended = subprocess.run(
        [NODE, str(WORKER), json.dumps({"mode": "partitions"})],
        env={"PATH": os.environ["PATH"], **home["env"]},
        capture_output=True,
        text=True,
        check=True,
    )
    took = time.monotonic() - begun
    listed, result = (json.loads(line) for line in ended.stdout.splitlines())
    print(f"partitions mode: {took:.2f} s")
    keys = [row["partition"] for row in listed["partitions"]]
    assert {"sam_gov:uei_batch_0001", "sbir_gov:bulk_file", "usaspending:change_feed"} <= set(keys)
    assert not any("," in key for key in keys)
    assert result["exit_code"] == 0


#: Name -> class: what a plot or a column of the run list relies on.
TYPES = {
    "coverage_before": dg.FloatMetadataValue,
    "coverage_after": dg.FloatMetadataValue,
    "due": dg.IntMetadataValue,
    "refreshed": dg.IntMetadataValue,
    "unchanged": dg.IntMetadataValue,
    "deltas": dg.IntMetadataValue,
    "api_calls": dg.IntMetadataValue,
    "calls_saved": dg.IntMetadataValue,
    "quota_wait_s": dg.FloatMetadataValue,
    "duration_s": dg.FloatMetadataValue,
    "sla_gaps_closed": dg.IntMetadataValue,
    "sla_gaps": dg.TableMetadataValue,
    "checkpoint": dg.JsonMetadataValue,
    "report": dg.MarkdownMetadataValue,
    "source": dg.TextMetadataValue,
    "cohort": dg.TextMetadataValue,
    "window": dg.TextMetadataValue,
    "enrichment/run_id": dg.TextMetadataValue,
    "dagster/row_count": dg.IntMetadataValue,
    "provider_docs": dg.UrlMetadataValue,
    "provider_url": dg.UrlMetadataValue,
    "warehouse": dg.PathMetadataValue,
}


def test_partition(home, instance, ingested):
    ran = work(instance, home, partition="sam_gov:uei_batch_0001")
    assert ran.result.success, ran.stderr
    (materialization,) = ran.materializations
    assert materialization.partition == "sam_gov:uei_batch_0001"
    assert {name: type(materialization.metadata[name]) for name in TYPES} == TYPES
    assert materialization.metadata["refreshed"].value == 50
    assert materialization.metadata["coverage_after"].value == 1.0
    logged = [text for _level, text in ran.logs(instance)]
    assert any("1 of 1 partition done" in text for text in logged)
    assert ran.custom[-1]["kind"] == "result"
    assert ran.custom[-1]["run_id"] == materialization.metadata["enrichment/run_id"].value
    # Nothing due: the same names, the same types.
    again = work(instance, home, partition="sam_gov:uei_batch_0001")
    assert again.result.success
    assert {name: type(again.materializations[0].metadata[name]) for name in TYPES} == TYPES


def test_coverage_and_its_check(home, instance, ingested):
    key = ("enrichment_coverage", "usaspending")
    ran = work(instance, home, key=key, checks=["coverage_at_threshold"], extras={"mode": "coverage"})
    assert ran.result.success, ran.stderr
    (check,) = ran.checks
    assert (check.check_name, check.passed, check.severity) == (
        "coverage_at_threshold",
        False,
        dg.AssetCheckSeverity.ERROR,
    )
    metadata = ran.materializations[0].metadata
    assert metadata["coverage"] == dg.MetadataValue.float(0.0)
    assert isinstance(metadata["stale_cohorts"], dg.MarkdownMetadataValue)
    assert isinstance(metadata["cohorts"], dg.TableMetadataValue)


def test_configuration_errors_end_with_78(home, instance, ingested):
    ran = work(instance, home, partition="sam_gov:uei_batch_0001", extras={"forse": True})
    assert not ran.result.success
    assert ran.exit_code == 78
    assert "forse" in ran.reader.closed["exception"]["message"]
    assert any("forse" in text for _level, text in ran.logs(instance))


def test_an_interrupted_partition_goes_on(home, instance, ingested):
    """SIGINT as a cancelled run sends it: exit 130, nothing materialized; the next run asks for what is left and no more."""
    url = home["url"]
    post(f"{url}/_admin/faults", {"source": "sam_gov", "kind": "latency", "ms": 300})
    extras = {"settings": ["enrichment_refresh.sam_gov.batch_size=2"]}

    def interrupt(process, reader):
        wait_for(lambda: any(p["payload"]["kind"] == "progress" for p in reader.params_of("report_custom_message")))
        os.killpg(process.pid, signal.SIGINT)

    before = last_request(url)
    first = work(instance, home, partition="sam_gov:uei_batch_0002", extras=extras, on_start=interrupt)
    post(f"{url}/_admin/faults", None, method="DELETE")
    assert not first.result.success
    assert first.exit_code == 130
    assert first.materializations == []
    assert first.reader.closed["exception"]["name"] == "Interrupted"
    between = last_request(url)
    second = work(instance, home, partition="sam_gov:uei_batch_0002", extras=extras)
    assert second.result.success, second.stderr
    assert second.materializations[0].metadata["resumed"] == dg.MetadataValue.bool(True)
    asked = [keys_of(url, before, between), keys_of(url, between, None)]
    assert asked[0]
    assert not set(asked[0]) & set(asked[1])
    assert len(set(asked[0]) | set(asked[1])) == 50


def test_a_killed_worker_is_a_failed_step(home, instance, ingested):
    post(f"{home['url']}/_admin/faults", {"source": "sam_gov", "kind": "latency", "ms": 300})

    def kill(process, reader):
        wait_for(lambda: any(p["payload"]["kind"] == "partition_started" for p in reader.params_of("report_custom_message")))
        os.killpg(process.pid, signal.SIGKILL)

    ran = work(instance, home, partition="sam_gov:uei_batch_0003", on_start=kill)
    post(f"{home['url']}/_admin/faults", None, method="DELETE")
    assert not ran.result.success
    assert ran.exit_code == -9
    assert ran.reader.closed is None
    assert ran.reader.refused == []
    assert ran.materializations == []


def log_after(url, number):
    answer = get(f"{url}/_admin/log?after={number}")
    return answer["entries"] if isinstance(answer, dict) else answer


def last_request(url):
    entries = log_after(url, 0)
    return entries[-1]["n"] if entries else 0


def keys_of(url, after, until):
    entries = [entry for entry in log_after(url, after) if until is None or entry["n"] <= until]
    return [key for entry in entries if entry["source"] == "sam_gov" for key in entry["keys"]]
