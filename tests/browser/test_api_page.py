"""The page of the HTTP API: every operation of the description, found, opened and tried."""

import json

import pytest

pytest.importorskip("playwright", reason="needs playwright, which drives a browser: make test-ui")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect


@pytest.fixture
def page(window):
    """Open the page, and wait until it has read the description."""
    seen = window()
    seen.page.goto(f"{seen.base}/docs")
    seen.page.wait_for_selector("details.operation")
    return seen.page


def test_an_operation_is_found_and_tried(page):
    """Words lead to an operation; it says what it takes and answers, and a request is sent and its answer shown."""
    page.fill("#find", "inference scores cross-encoder")
    (rerank,) = [one for one in page.locator("details.operation").all() if one.is_visible()]
    rerank.locator("summary").first.click()
    assert {"query", "documents", "topK", "results", "timing"} <= set(rerank.locator("dt code").all_inner_texts())
    rerank.locator("textarea").fill(json.dumps({"query": "rivers", "documents": ["a stream of water", "stones"]}))
    rerank.locator("button").click()
    expect(rerank.locator("[role=status]")).to_contain_text("200 OK")
    assert json.loads(rerank.locator("pre").inner_text())["reranked"] == 2


def test_every_operation_opens(page):
    """All that the description has is shown, and axe finds nothing wrong with any of it."""
    described = page.request.get(page.url.replace("/docs/", "/openapi.json")).json()["paths"]
    shown = page.locator("details.operation")
    assert shown.count() == sum(len(methods) for methods in described.values())
    for one in shown.all():
        one.evaluate("element => { element.open = true; }")
    expect(page.locator("details.operation button")).to_have_count(shown.count())
    assert "[object" not in page.locator("main").inner_text()
    assert [found["id"] for found in Axe().run(page).response["violations"]] == []
