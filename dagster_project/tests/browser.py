"""Headless Chromium over its DevTools protocol: opens pages, reads what they show, collects what goes wrong in them."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from engine_world import http, wait_until

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH, HEIGHT = 1280, 900


def find_chromium() -> str | None:
    """CHROMIUM names one, otherwise it is looked for on the PATH."""
    named = os.environ.get("CHROMIUM", "").strip()
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    socket: ClientConnection
    #: What went wrong since the page was opened: one line each, with the address it is about.
    problems: list[str] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        asked = next(self._ids)
        self.socket.send(json.dumps({"id": asked, "method": method, "params": params}))
        until = time.monotonic() + 60
        while True:
            message = json.loads(self.socket.recv(timeout=max(0.0, until - time.monotonic())))
            if message.get("id") == asked:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message.get("method"), message.get("params", {}))

    def evaluate(self, expression: str) -> Any:
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def text(self) -> str:
        return self.evaluate("document.body?.innerText ?? ''")

    def open(self, url: str, *expected: str, timeout_s: float = 60) -> str:
        """Waits until the page shows all of `expected` and returns its text."""
        self.problems.clear()
        self.call("Page.navigate", url=url)
        return self.wait_for_text(*expected, timeout_s=timeout_s)

    def wait_for_text(self, *expected: str, timeout_s: float = 60) -> str:
        missing: list[str] = list(expected)

        def shown() -> str | None:
            text = self.text()
            missing[:] = [one for one in expected if one not in text]
            return None if missing else text or " "

        try:
            return wait_until(shown, timeout_s=timeout_s, what="the page")
        except AssertionError:
            raise AssertionError(f"{self.evaluate('location.href')} shows no {missing}, but:\n{self.text()[:3000]}") from None

    def click(self, text: str) -> None:
        """The first visible link, button or tab with exactly this text."""
        done = self.evaluate(
            f"""(() => {{
              const all = document.querySelectorAll('a, button, [role=tab], [role=button], [role=menuitem]')
              const one = [...all].find((e) => e.innerText?.trim() === {json.dumps(text)} && e.offsetParent !== null)
              one?.click()
              return one !== undefined
            }})()"""
        )
        assert done, f"nothing to click that says {text!r}:\n{self.text()[:2000]}"

    def screenshot(self, path: Path, height: int = HEIGHT) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=height, deviceScaleFactor=1, mobile=False)
        time.sleep(1)  # Plots and graphs are drawn anew.
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _note(self, method: str | None, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details["text"]
            self.problems.append(f"exception: {said} {details.get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "assert"}:
            said = " ".join(str(one.get("value", one.get("description", ""))) for one in params["args"])
            self.problems.append(f"console: {said}")
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.problems.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")


@contextmanager
def browser_page(chromium: str, profile: Path) -> Iterator[Page]:
    """A fresh browser that reaches 127.0.0.1 and nothing else."""
    command = [
        chromium,
        "--headless=new",
        "--no-sandbox",  # It cannot be set up as root, as containers have it; only pages of ours are opened.
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--window-size={WIDTH},{HEIGHT}",
        f"--user-data-dir={profile}",
        "--remote-debugging-port=0",
        "about:blank",
    ]
    with (profile.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        told = profile / "DevToolsActivePort"

        def port() -> str | None:
            assert process.poll() is None, (profile.parent / "chromium.log").read_text(errors="replace")[-2000:]
            lines = told.read_text().splitlines() if told.exists() else []
            return lines[0] if len(lines) > 1 else None

        url = f"http://127.0.0.1:{wait_until(port, timeout_s=60, what='Chromium')}"
        target = next(one for one in http(f"{url}/json/list") if one["type"] == "page")
        with connect(target["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log"):
                page.call(f"{domain}.enable")
            page.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
            # Times on the pages, and in screenshots of them, are those of the documentation.
            page.call("Emulation.setTimezoneOverride", timezoneId="UTC")
            yield page
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=15)
