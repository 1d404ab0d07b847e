"""The views of collections and of the server: what the server says, as it is now."""

import pytest

from shortlist.client import Document
from shown_texts import COLLECTION, ENTRIES

pytest.importorskip("playwright", reason="needs playwright, which drives a browser: make test-ui")

from playwright.sync_api import expect


def test_collections(window, client):
    """Each has its documents, size and recall, and leads to its search."""
    page = window().open("collections")
    page.wait_for_selector("#collections-body tbody tr")
    (one,) = client.list_collections()
    cells = page.locator("#collections-body td > div").all_inner_texts()
    assert page.locator("#collections-body th[scope=row]").inner_text() == one.name == COLLECTION
    assert cells[0] == str(one.documents)
    assert cells[1].endswith(" KB")
    assert cells[2].splitlines() == ["100%, exact", "target 99.0%"]
    assert one.embedder in cells[3]
    page.click(f"#collections-body >> text={COLLECTION}")
    page.wait_for_selector("#welcome h2")
    assert page.locator("#welcome h2").inner_text() == f"{one.documents} documents to ask"
    page.click("#welcome a >> nth=0")
    page.wait_for_selector("#second tr[data-id]")


def test_a_collection_that_comes_later(window, client):
    """One that was made after the page was opened is in both views, and can be asked."""
    page = window().open(collection=COLLECTION)
    client.create_collection("later")
    try:
        client.upsert("later", [Document("1", "Rivers form where rain runs together.", title="rivers")])
        page.keyboard.press("2")
        page.click("#collections-body >> text=later")
        page.wait_for_selector("#welcome:has-text('1 document to ask')")
        page.click("#welcome a")
        page.wait_for_selector("#second tr[data-id='1']")
    finally:
        client.drop_collection("later")


def test_the_server_as_it_works(window, client):
    """Lanes and slots follow what is asked of the server elsewhere; models and limits are its own."""
    page = window().open("server")
    page.wait_for_selector("#live .lanes tbody tr")
    described = client.describe()
    facts = page.locator(".models dd").all_inner_texts()
    assert {described.embedder.source, described.reranker.fingerprint, described.version} <= set(facts)
    assert page.locator("#live .lanes tbody th").evaluate_all("all => all.map(one => one.firstChild.data)") == [
        "query",
        "rerank",
        "ingest",
    ]
    expect(page.locator("#live .lanes .stroke")).to_have_count(3)
    for entry in ENTRIES[20:26]:
        client.search(COLLECTION, entry.query, candidates=50, mode="two-stage")
    expect(page.locator("#live .lanes tbody tr >> nth=1").locator("td >> nth=2")).not_to_have_text("0")
    assert page.get_attribute("#pulse", "data-level") in {"idle", "busy", "full"}


def test_a_hidden_tab_asks_nothing(window):
    """The server is asked again only where somebody can see it."""
    seen = window()
    page = seen.open("server")
    page.wait_for_selector("#live .lanes")
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true});"
        "window.away = true; document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.evaluate("performance.clearResourceTimings()")
    asked = "performance.getEntriesByType('resource').filter(one => one.name.includes('/ui/state')).length"
    page.wait_for_timeout(2500)  # two times that it would have asked
    assert page.evaluate(asked) <= 1  # one may have been under way
    with page.expect_response("**/ui/state"):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_a_server_that_is_away(window):
    """The page says that nothing answers, and goes on by itself when something does."""
    seen = window()
    page = seen.open("server")
    page.wait_for_selector("#live .lanes")
    page.context.set_offline(True)
    page.wait_for_selector("#pulse[data-level=bad]")
    assert page.locator("#pulse").inner_text() == "no answer"
    page.context.set_offline(False)
    page.wait_for_selector("#pulse:not([data-level=bad])")
    seen.faults.clear()  # Chromium tells what cannot be reached as errors of the console
