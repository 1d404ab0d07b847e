"""Make the pictures of docs/images, and measure how long the page's first answer takes: `make screenshots`.

Serves the demo's collection with the demo's models, as `make ui` does. The last line is what was measured, as JSON:
milliseconds from opening the page, or from Enter, until the lists are there, and of the same search over gRPC, of
questions that are new to the server.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page

import browser
from browser import Seen
from demo.__main__ import COLLECTION, MODELS, index
from demo.questions import ANSWERS
from shortlist.bench import local
from shortlist.client import Client

_IMAGES = Path(__file__).parents[2] / "docs" / "images"
_QUERY = "send an email message"
_WIDE, _PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
_ROWS = "#second tr[data-id]"
# Notes when a key was pressed, and when the lists came, in the page's own time.
_CLOCK = """
addEventListener("keydown", () => { window.pressed = performance.now(); }, true);
new MutationObserver(() => {
  if (window.came === undefined && document.querySelector("#second tr[data-id]")) window.came = performance.now();
}).observe(document, { childList: true, subtree: true });
"""


def main() -> int:
    """Take the pictures and measure."""
    port = local.free_port()
    options = (*MODELS, "--http-port", str(port), "--log-level", "warning")
    with local.serving(*options) as address, browser.chromium() as running:
        index(address)
        base = f"http://127.0.0.1:{port}"
        for name, context in (
            ("light", {"viewport": _WIDE, "color_scheme": "light"}),
            ("dark", {"viewport": _WIDE, "color_scheme": "dark"}),
            ("phone", {"viewport": _PHONE, "device_scale_factor": 2, "color_scheme": "light"}),
        ):
            with browser.seen(running, base, **context) as seen:
                _picture(seen, name)
        with Client(address, timeout_s=100) as client:
            took = [*_first_answers(running, base, client)]
    names = ("opened_ms", "entered_ms", "grpc_ms")
    told = {name: round(median(one)) for name, one in zip(names, zip(*took, strict=True), strict=True)}
    fastest, slowest = (round(bound(one[0] for one in took)) for bound in (min, max))
    print(
        json.dumps({"questions": 3 * len(took), **told, "fastest_opened_ms": fastest, "slowest_opened_ms": slowest})
    )
    return 0


def _picture(seen: Seen, name: str) -> None:
    page = seen.open(collection=COLLECTION, q=_QUERY)
    page.wait_for_selector(_ROWS)
    page.wait_for_selector("#reading .note, .cut:not([hidden])", state="attached")
    page.wait_for_load_state("networkidle")
    for one in ANSWERS[_QUERY]:
        thumb = page.locator(f'#second tr[data-id="{one}"] button[data-grade="1"]')
        if thumb.get_attribute("aria-pressed") == "false":
            with page.expect_response("**/ui/judgements"):
                thumb.click()
    page.mouse.move(0, 0)
    page.screenshot(path=str(_IMAGES / f"page-{name}.png"))


def _first_answers(running: Browser, base: str, client: Client) -> Iterator[tuple[float, float, float]]:
    """Yield what three questions take: from the page's opening, from Enter, and over gRPC without a page."""
    questions = list(ANSWERS)
    for first, second, third in zip(questions[::3], questions[1::3], questions[2::3], strict=False):
        with browser.seen(running, base, viewport=_WIDE) as seen:
            seen.page.add_init_script(_CLOCK)
            page = seen.open(collection=COLLECTION, q=first, candidates=50)
            opened = _came(page)
        with browser.seen(running, base, viewport=_WIDE) as seen:
            seen.page.add_init_script(_CLOCK)
            page = seen.open(collection=COLLECTION, candidates=50)
            page.evaluate("text => { document.getElementById('query').value = text; }", second)
            page.focus("#query")
            page.keyboard.press("Enter")
            entered = _came(page) - page.evaluate("window.pressed")
        began = time.perf_counter()
        client.search(COLLECTION, third, 50, candidates=50, mode="two-stage")
        yield opened, entered, 1000 * (time.perf_counter() - began)


def _came(page: Page) -> float:
    page.wait_for_selector(_ROWS)
    came: float = page.evaluate("window.came")
    return came


if __name__ == "__main__":
    sys.exit(main())
