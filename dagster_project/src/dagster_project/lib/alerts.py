"""Tells a webhook, or Slack, of a failed run. The addresses are secrets: no message holds them."""

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import dagster as dg

from dagster_project.lib.in_flight import PARTITION_TAG
from dagster_project.lib.outages import Outage
from dagster_project.lib.partition_list import is_partition_key, split_key
from dagster_project.lib.requests import SOURCE_TAG

_REFRESH = dg.AssetKey("enrichment_refresh")
#: Of one try. A tick of a sensor has 60 s in all, and is lost, with what it remembers, when it takes longer.
POST_WITHIN_S = 5.0
WEBHOOK, SLACK = "ENRICHMENT_ALERT_WEBHOOK_URL", "ENRICHMENT_ALERT_SLACK_URL"
_LONGEST_TEXT = 2_000


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
            webhook_url=read(WEBHOOK),
            slack_url=read(SLACK),
            dagster_url=read("ENRICHMENT_DAGSTER_URL"),
        )

    @property
    def urls(self) -> dict[str, str]:
        """By the name of the variable, which may be told, unlike the address."""
        named = {WEBHOOK: self.webhook_url, SLACK: self.slack_url}
        return {name: url for name, url in named.items() if url is not None}

    def __bool__(self) -> bool:
        return bool(self.urls)


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


def body_for(receiver: str, alert: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"text": slack_text(alert)} if receiver == SLACK else alert


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True)
class Answer:
    #: `unavailable`: nothing was taken, later is worth a try. `unanswered`: perhaps it was taken. `refused`: it never will be.
    outcome: Literal["taken", "unavailable", "unanswered", "refused"]
    problem: str = ""


def post(url: str, body: Mapping[str, Any], *, within_s: float | None = None) -> Answer:
    """One try, which takes no longer than that (`POST_WITHIN_S`), whatever the other side does, its name server included."""
    within_s = POST_WITHIN_S if within_s is None else within_s
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(_post(url, body, within_s)), daemon=True)
    thread.start()
    thread.join(within_s)
    return answers[0] if answers else Answer("unanswered", f"no answer within {within_s:g} s")


def _post(url: str, body: Mapping[str, Any], within_s: float) -> Answer:
    if not url.startswith(("https://", "http://")):
        return Answer("refused", "is no http(s) address")
    try:
        request = urllib.request.Request(
            url,
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "user-agent": "enrichment-refresh"},
        )
        with _OPENER.open(request, timeout=within_s):
            return Answer("taken")
    except urllib.error.HTTPError as error:
        is_for_now = error.code >= 500 or error.code in (408, 429)
        return Answer("unavailable" if is_for_now else "refused", f"answered {error.code}")
    except urllib.error.URLError as error:
        # Before the request was out.
        return Answer("unavailable", type(error.reason).__name__)
    except (http.client.InvalidURL, ValueError) as error:
        return Answer("refused", type(error).__name__)
    except (OSError, http.client.HTTPException) as error:
        return Answer("unanswered", type(error).__name__)
