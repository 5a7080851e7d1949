"""What a user sees: the pages of a Dagster in which something has happened, in headless Chromium, without errors in them."""

import pytest

from browser import Page, browser_page, find_chromium
from deployment import ENDED, JOB, LOCATION, Deployment, directly, running
from engine_world import wait_until

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium, or name one by CHROMIUM=/path/to/chromium"),
]

FIRST, SECOND = "sam_gov:uei_batch_0001", "sam_gov:uei_batch_0002"
#: Errors in a page that are not ours, each with its reason.
HARMLESS = (
    # Release notes and the like from dagster.io: the browser of this test reaches 127.0.0.1 and nothing else.
    "net::ERR_NAME_NOT_RESOLVED",
    "favicon",
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """After a bulk load, what followed by itself, a measurement and a backfill of two partitions."""
    with running(tmp_path_factory.mktemp("pages"), directly) as deployment:
        deployment.wait(deployment.materialize("sbir_companies", "enriched_sbir_awards"), "SUCCESS")
        wait_until(lambda: deployment.runs(pipelineName=JOB), timeout_s=90, what="the gate to open")
        backfill = deployment.backfill(
            selector={"partitionSetName": f"{JOB}_partition_set", "repositorySelector": LOCATION},
            partitionNames=[FIRST, SECOND],
        )

        def is_over() -> bool:
            _, of_backfill = deployment.backfill_runs(backfill)
            runs = deployment.runs(pipelineName=JOB)
            return len(of_backfill) == 2 and all(run["status"] in ENDED for run in [*of_backfill, *runs])

        wait_until(is_over, timeout_s=240, what="runs to end")
        assert {run["status"] for run in deployment.runs(pipelineName=JOB)} == {"SUCCESS"}
        # Twice, so that there is something to plot.
        for _ in range(2):
            deployment.wait(deployment.materialize("enrichment_coverage/sam_gov"), "SUCCESS")
        yield deployment


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    assert CHROMIUM is not None
    with browser_page(CHROMIUM, tmp_path_factory.mktemp("chromium") / "profile") as page:
        yield page


def shown(page: Page, url: str, *expected: str) -> str:
    text = page.open(url, *expected)
    no_problems(page)
    return text


def no_problems(page: Page) -> None:
    problems = [one for one in page.problems if not any(reason in one for reason in HARMLESS)]
    assert problems == []
    assert "GraphQL error" not in page.text()


def test_the_graph_of_assets(deployed: Deployment, page: Page):
    shown(page, f"{deployed.url}/asset-groups", "bulk_enrichment", "iterative_enrichment")
    shown(page, f"{deployed.url}/assets/enrichment_refresh?view=lineage", "sbir_companies", "sam_gov", "usaspending")


def test_the_partitions_and_what_one_of_them_did(deployed: Deployment, page: Page):
    shown(page, f"{deployed.url}/assets/enrichment_refresh?view=partitions", "Failed (0)", "Materializing (0)", "Missing (")
    shown(page, f"{deployed.url}/assets/enrichment_refresh?view=partitions&partition={FIRST}", "coverage_after", "api_calls")


def test_a_run(deployed: Deployment, page: Page):
    run = next(run for run in deployed.runs(pipelineName=JOB) if run["tags"]["dagster/partition"] == FIRST)
    shown(page, f"{deployed.url}/runs/{run['id']}", "Success", "enrichment_refresh", "ASSET_MATERIALIZATION")


def test_coverage_is_plotted(deployed: Deployment, page: Page):
    shown(page, f"{deployed.url}/assets/enrichment_coverage/sam_gov", "Freshness policy", "oldest_success_at")
    page.click("Plots")
    wait_until(lambda: page.evaluate("document.querySelectorAll('canvas').length > 3"), what="the plots")
    no_problems(page)
    shown(page, f"{deployed.url}/assets/enrichment_coverage/sam_gov?view=checks", "coverage_at_threshold")


def test_sensors_and_schedules_are_on(deployed: Deployment, page: Page):
    sensors = ("post_bulk_enrichment_sensor", "due_enrichment_sensor", "enrichment_failure_alert_sensor")
    schedules = ("nightly_enrichment_refresh_schedule", "enrichment_coverage_monitor_schedule")
    shown(page, f"{deployed.url}/automation", *sensors, *schedules)
    shown(page, f"{deployed.url}/locations/dagster_project/sensors/post_bulk_enrichment_sensor", "Latest tick", "Running")
    shown(
        page, f"{deployed.url}/locations/dagster_project/schedules/nightly_enrichment_refresh_schedule", "Running", "03:00 AM UTC"
    )


def test_a_backfill(deployed: Deployment, page: Page):
    shown(page, f"{deployed.url}/runs?view=backfills", "Success", "2 partitions")


def test_the_daemons_are_well(deployed: Deployment, page: Page):
    text = shown(page, f"{deployed.url}/deployment/daemons", "Running")
    assert "Not running" not in text
