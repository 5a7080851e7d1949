"""Tells a webhook, or Slack, of a failed run. The addresses are secrets: no message holds them."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from dagster_project.lib.in_flight import PARTITION_TAG
from dagster_project.lib.outages import Outage
from dagster_project.lib.partition_list import is_partition_key, split_key
from dagster_project.lib.requests import SOURCE_TAG

_REFRESH = dg.AssetKey("enrichment_refresh")
_TIMEOUT_S = 10
_TRIES = 3
_LONGEST_TEXT = 2_000


class AlertNotDelivered(RuntimeError):
    pass


@dataclass(frozen=True)
class AlertTargets:
    webhook_url: str | None
    slack_url: str | None
    #: Where this Dagster's pages are; links are left out without it.
    dagster_url: str | None

    @staticmethod
    def from_env(variables: Mapping[str, str]) -> "AlertTargets":
        def read(name: str) -> str | None:
            return variables.get(name, "").strip() or None

        return AlertTargets(
            webhook_url=read("ENRICHMENT_ALERT_WEBHOOK_URL"),
            slack_url=read("ENRICHMENT_ALERT_SLACK_URL"),
            dagster_url=read("ENRICHMENT_DAGSTER_URL"),
        )

    @property
    def count(self) -> int:
        return sum(url is not None for url in (self.webhook_url, self.slack_url))

    def __bool__(self) -> bool:
        return self.count > 0


def alert_of(run: dg.DagsterRun, why: str, targets: AlertTargets) -> dict[str, Any]:
    """One JSON object; keys with nothing to say are null."""
    base = None if targets.dagster_url is None else targets.dagster_url.rstrip("/")
    partition = run.tags.get(PARTITION_TAG)
    source = run.tags.get(SOURCE_TAG)
    if source is None and partition is not None and _REFRESH in (run.asset_selection or ()) and is_partition_key(partition):
        # A run from the asset page bears no tags of its source.
        source = split_key(partition)[0]
    return {
        "kind": "dagster_run_failed",
        "job": run.job_name,
        "run_id": run.run_id,
        "partition": partition,
        "source": source,
        "trigger": run.tags.get("enrichment/trigger"),
        "why": why[:_LONGEST_TEXT],
        "url": None if base is None else f"{base}/runs/{run.run_id}",
    }


def alert_of_outage(outage: Outage, job: str, targets: AlertTargets) -> dict[str, Any]:
    """As `alert_of`; about the latest of its runs."""
    base = None if targets.dagster_url is None else targets.dagster_url.rstrip("/")
    return {
        "kind": "source_deferred",
        "job": job,
        "run_id": outage.last_run_id,
        "partition": outage.last_partition,
        "source": outage.source,
        "trigger": None,
        "why": f"no run of {outage.source} has got through since {outage.since:%Y-%m-%dT%H:%M:%SZ}: {outage.runs} were deferred "
        "(its quota is spent, it is down, or it refuses us); the latest says why",
        "url": None if base is None else f"{base}/runs/{outage.last_run_id}",
    }


def slack_text(alert: Mapping[str, Any]) -> str:
    about = alert["partition"] or alert["job"]
    link = f"\n{alert['url']}" if alert["url"] else f"\nrun {alert['run_id']}"
    if alert.get("kind") == "source_deferred":
        return f":hourglass: *{alert['source']}* does not get through ({alert['job']})\n{alert['why']}{link}"
    return f":rotating_light: *{about}* failed ({alert['job']})\n{alert['why']}{link}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def post_alert(alert: Mapping[str, Any], targets: AlertTargets) -> None:
    """Each target gets it, whatever the other says. Raises `AlertNotDelivered` naming those that did not take it."""
    failed = []
    if targets.webhook_url is not None and (problem := _post(targets.webhook_url, alert)):
        failed.append(f"ENRICHMENT_ALERT_WEBHOOK_URL: {problem}")
    if targets.slack_url is not None and (problem := _post(targets.slack_url, {"text": slack_text(alert)})):
        failed.append(f"ENRICHMENT_ALERT_SLACK_URL: {problem}")
    if failed:
        raise AlertNotDelivered(f"the alert of run {alert['run_id']} was not delivered: {'; '.join(failed)}")


def _post(url: str, body: Mapping[str, Any]) -> str | None:
    """What went wrong, None when it was taken."""
    if not url.startswith(("https://", "http://")):
        return "is no http(s) address"
    problem = ""
    for attempt in range(_TRIES):
        if attempt > 0:
            time.sleep(attempt)
        request = urllib.request.Request(
            url,
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "user-agent": "enrichment-refresh"},
        )
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_S):
                return None
        except urllib.error.HTTPError as error:
            problem = f"answered {error.code}"
            if error.code < 500 and error.code != 429:
                return problem
        except (OSError, ValueError) as error:
            problem = f"{type(getattr(error, 'reason', error)).__name__}"
    return problem
