"""Chromium and the page in it: one that notes all that should not happen."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

expect.set_options(timeout=30_000)  # as long as playwright waits for anything else
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str | None:
    """Return the path of a Chromium of this machine: playwright's own cannot be had everywhere."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium without a window."""
    with sync_playwright() as playwright:
        unsandboxed = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has no sandbox
        browser = playwright.chromium.launch(executable_path=executable(), args=unsandboxed)
        yield browser
        browser.close()


@dataclass  # without slots: playwright keeps its wrappers of methods on their object
class Seen:
    """A page of a server, and what went wrong in it."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)  # calls that the page itself gave up

    def watch(self) -> None:
        """Note errors of scripts and of the console, with the policy's refusals, and requests elsewhere."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda request: self.aborted.append(request.url))

    def open(self, view: str = "search", **settings: Any) -> Page:
        """Open a view, and wait until its scripts have begun."""
        self.page.goto(f"{self.base}/ui/#/{view}?{urlencode(settings)}")
        self.page.wait_for_selector("body[data-ready]")
        return self.page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self.base):
            self.faults.append(f"request: {request.url}")


@contextlib.contextmanager
def seen(browser: Browser, base: str, **context: Any) -> Iterator[Seen]:
    """Open a window on a server's page.

    Args:
        browser: which.
        base: the server's URL.
        context: what playwright's new_context takes, such as `color_scheme`.
    """
    window = browser.new_context(**({"reduced_motion": "reduce"} | context))  # rows stand where they belong
    one = Seen(window.new_page(), base)
    one.watch()
    yield one
    window.close()
