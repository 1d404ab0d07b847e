"""The view of a search in a browser: what is shown is what the server answers, and it follows what is asked."""

import json
import re
import subprocess
from math import log

import pytest

from shortlist.bench import local
from shown_texts import COLLECTION, ENTRIES, HOSTILE

pytest.importorskip("playwright", reason="needs playwright, which drives a browser: make test-ui")

from playwright.sync_api import expect

QUERY = ENTRIES[0].query
SECOND = "#second tr[data-id]"


def ids(page, rows=SECOND):
    """Return the ids of rows, in their order."""
    return page.locator(rows).evaluate_all("rows => rows.map(row => row.dataset.id)")


def column(page, name, rows=SECOND):
    """Return a column's texts."""
    return page.locator(f"{rows} .{name}").all_inner_texts()


def settle(page):
    """Wait until what was asked is answered."""
    expect(page.locator("body.asking")).to_have_count(0)


def slide(page, name, key, times=1):
    """Move a slider by keys, one after the other, and wait for the answer."""
    page.focus(f"#{name}")
    for _ in range(times):
        page.keyboard.press(key)
    settle(page)


def answered(client, query=QUERY, candidates=50, **asked):
    """Return the hits of the same search by gRPC."""
    return client.search(COLLECTION, query, candidates, candidates=candidates, mode="two-stage", **asked).hits


def test_type_and_see(window, client):
    """A question that is typed is answered by both orders, with the server's numbers, lines and points."""
    seen = window()
    page = seen.open(collection=COLLECTION, candidates=50)
    page.wait_for_selector("#welcome h2")
    page.fill("#query", QUERY)
    page.wait_for_selector(SECOND)
    hits = answered(client)
    assert ids(page) == [hit.id for hit in hits]
    assert ids(page, "#first tr[data-id]") == [hit.id for hit in sorted(hits, key=lambda hit: hit.rank)]
    assert column(page, "place") == [str(place) for place in range(1, 51)]
    scores = [float(one.replace("\N{MINUS SIGN}", "-")) for one in column(page, "score")]
    assert scores == pytest.approx([hit.score for hit in hits], abs=6e-4)
    expected = [hit.rank - place for place, hit in enumerate(hits, start=1)]
    told = page.locator(f"{SECOND} .moved span[aria-hidden]").all_inner_texts()
    assert told == ["=" if one == 0 else f"{'▲' if one > 0 else '▼'}{abs(one)}" for one in expected]
    assert page.locator("#links path").count() == page.locator("#scatter circle").count() == 50
    assert page.locator("#told").inner_text().startswith("50 candidates found, 50 read")
    assert {"Tokenize", "Wait", "Run models", "Look up"} <= set(page.locator("#timing dt").all_inner_texts())
    assert f"q={QUERY.split()[0]}" in page.url


def test_lines_join_the_places(window):
    """Each line begins at the middle of its row on the left, and ends at that on the right."""
    page = window().open(collection=COLLECTION, q=QUERY, candidates=50)
    page.wait_for_selector(SECOND)
    found = page.evaluate(
        """() => [...document.querySelectorAll("#links path")].map(path => {
            const top = document.getElementById("links").getBoundingClientRect().top;
            const middle = list => {
                const row = document.querySelector(`#${list} tr[data-id="${path.dataset.id}"]`);
                const box = row.getBoundingClientRect();
                return (box.top + box.bottom) / 2 - top;
            };
            return [path.getAttribute("d"), middle("first"), middle("second")];
        })"""
    )
    assert len(found) == 50
    for shape, left, right in found:
        numbers = [float(one) for one in re.findall(r"[\d.]+", shape)]
        assert (numbers[1], numbers[-1]) == pytest.approx((left, right), abs=1.5)


def test_sliders_ask_again(window, client):
    """Fewer candidates, another weight and another stage one are asked for at once, and the address keeps them."""
    seen, requests = window(), []
    seen.page.on("request", lambda one: requests.append(one.post_data) if one.url.endswith("/Search") else None)
    page = seen.open(collection=COLLECTION, q=QUERY, candidates=50)
    page.wait_for_selector(SECOND)
    slide(page, "candidates", "Home")
    assert page.locator("#candidates-told").inner_text() == "by default"
    assert "candidates" not in page.url
    assert "candidates" not in json.loads(requests[-1])
    slide(page, "candidates", "ArrowRight")
    assert page.locator("#candidates-told").inner_text() == "5"
    assert ids(page) == [hit.id for hit in answered(client, candidates=5)]
    slide(page, "candidates", "ArrowRight", 3)
    slide(page, "weight", "Home")
    by_score = answered(client, candidates=20, similarity_weight=0.0)
    assert ids(page) == [hit.id for hit in by_score]
    assert [hit.score for hit in by_score] == sorted((hit.score for hit in by_score), reverse=True)
    slide(page, "weight", "End")
    assert ids(page) == [hit.id for hit in answered(client, candidates=20, similarity_weight=100.0)]
    page.select_option("#source", label="words")
    settle(page)
    lexical = answered(client, candidates=20, similarity_weight=100.0, candidates_from="lexical")
    assert ids(page) == [hit.id for hit in lexical]
    page.reload()
    page.wait_for_selector(SECOND)
    assert (page.input_value("#query"), page.locator("#weight-told").inner_text()) == (QUERY, "100")
    assert ids(page) == [hit.id for hit in lexical]
    page.click("#reset")
    settle(page)
    assert len(ids(page)) == 50


def test_what_runs_is_cancelled(window):
    """A call that a newer one replaces is given up; the answer that is shown is the newest one's."""
    seen = window()
    page = seen.open(collection=COLLECTION)
    queries = [f"{entry.query} {number}" for number, entry in enumerate(ENTRIES[:6])]
    for query in queries:
        with page.expect_request("**/*Retrieval/Search"):
            page.fill("#query", query)
            page.keyboard.press("Enter")
    page.wait_for_selector(SECOND)
    settle(page)
    assert any(url.endswith("Retrieval/Search") for url in seen.aborted)
    assert page.evaluate("location.hash").endswith("5")
    page.click(f"{SECOND}:nth-child(1) .open")
    assert page.locator("#told").inner_text().startswith("50 candidates found")


def test_what_the_deadline_leaves(window):
    """With too little time the rest stands below in stage one's order without a score, and the page says so."""
    seen, unread = window(), 0
    page = seen.open(collection=COLLECTION, q="which of these is new", candidates=150, budget=50)
    page.wait_for_selector("body:not(.asking)")
    for _ in range(12):  # until the budget is one that this machine does a part in
        slide(page, "budget", "ArrowRight")
        unread = page.locator("#second .unread tr[data-id]").count()
        if 0 < unread < 150 and page.locator("#fault").is_hidden():
            break
    assert 0 < unread < 150
    assert f"{unread} candidates left unread: the deadline came first" in page.locator("#marks").inner_text()
    assert set(page.locator("#second .unread .relevance").all_inner_texts()) == {"\N{EN DASH}"}
    places = {one: place for place, one in enumerate(ids(page, "#first tr[data-id]"))}
    rest = ids(page, "#second .unread tr[data-id]")
    assert rest == sorted(rest, key=places.__getitem__)
    assert page.locator("#timing .budget").count() == 1
    assert page.locator("#scatter circle.unread").count() == unread
    slide(page, "budget", "End")
    assert page.locator(".unread-head").count() == 0
    # On a busy machine the shortest budgets end before stage one, which Chromium tells as an error of the console.
    seen.faults[:] = [fault for fault in seen.faults if "504" not in fault]


def test_a_filter(window, client):
    """It is read as on the command line; what cannot be read is said beside the field, and nothing is asked."""
    page = window().open(collection=COLLECTION, q=QUERY, candidates=50)
    page.wait_for_selector(SECOND)
    page.fill("#where", 'topic = "printing press" or number >= 150')
    page.locator("#told", has_text="that match").wait_for()
    where = {"any_of": [{"topic": "printing press"}, {"number": {"gte": 150}}]}
    hits = answered(client, where=where)
    assert ids(page) == [hit.id for hit in hits]
    assert f"among {len(hits)} that match" in page.locator("#told").inner_text()
    page.fill("#where", "topic = ")
    page.wait_for_selector("#where[aria-invalid=true]")
    assert page.locator("#where-fault").inner_text() == "Character 8: it ends there, but a value is expected."
    assert ids(page) == [hit.id for hit in hits]


def test_the_server_refuses_a_filter(window):
    """What only the server knows to be wrong is said beside the field too."""
    seen = window()
    page = seen.open(collection=COLLECTION, q=QUERY, where="nothing_of_the_kind = 1")
    page.locator("#where-fault", has_text="nothing_of_the_kind").wait_for()
    assert [fault for fault in seen.faults if "400" not in fault] == []
    seen.faults.clear()  # Chromium tells every answer of 400 as an error of the console


def test_reading(window, client):
    """A document has its numbers, its text with the window's end in it, and the tokens of both models."""
    page = window().open(collection=COLLECTION, q="printing press movable type", candidates=50)
    page.wait_for_selector(f"{SECOND} .cut:not([hidden])")
    hits = answered(client, "printing press movable type")
    texts = [f"{hit.title} {hit.text}" for hit in hits]
    pairs = client.tokenize(texts, "reranker", query="printing press movable type")
    cut = [hit.id for hit, pair in zip(hits, pairs, strict=True) if pair.truncated]
    assert ids(page, f"{SECOND}:has(.cut:not([hidden]))") == cut
    assert "long" in cut
    assert len(cut) < len(hits)
    page.click('#second tr[data-id="long"] .open')
    page.wait_for_selector("#reading .window")
    whole = next(hit.text for hit in hits if hit.id == "long")
    assert page.locator("#reading .whole").text_content().replace("Not read from here: ", "") == whole
    page.click("text=As the reranker reads it")
    page.wait_for_selector("#reading .token")
    tokens = page.locator("#reading .token").all_inner_texts()
    (expected,) = client.tokenize([f"a long text {whole}"], "reranker", query="printing press movable type")
    assert len(tokens) == len(expected.tokens)
    assert page.locator("#reading .token.special").all_inner_texts() == ["[CLS]", "[SEP]", "[SEP]"]
    # The mark stands where the tokens of the document end.
    read = page.evaluate("document.querySelectorAll('#reading .token').length")
    assert read == client.describe().reranker.max_tokens
    page.keyboard.press("ArrowRight")
    expect(page.locator("#reading .token.special")).to_have_count(2)


def test_texts_stay_texts(window):
    """What looks like HTML in a title, a text or metadata is shown as it is, and nothing of it runs."""
    page = window().open(collection=COLLECTION, q="printing press")
    page.wait_for_selector(SECOND)
    page.click('#second tr[data-id="hostile"] .open')
    assert page.locator("#reading-title").inner_text() == HOSTILE
    assert page.locator("#reading .metadata dt").inner_text() == HOSTILE
    assert page.locator("main img, main script").count() == 0


def test_votes_are_judgements_of_eval(window):
    """Thumbs are saved as they are given, there after a reload, and `shortlist eval` measures what the page says."""
    page = window().open(collection=COLLECTION, q=QUERY, candidates=50)
    page.wait_for_selector(SECOND)
    third = ids(page)[2]
    for place, grade in ((1, 0), (3, 1), (4, 1), (4, 1)):  # the last one is taken back
        with page.expect_response("**/ui/judgements") as saved:
            page.click(f'{SECOND}:nth-child({place}) button[data-grade="{grade}"]')
        assert saved.value.ok
    page.reload()
    page.wait_for_selector('#second button[aria-pressed="true"]')
    pressed = page.locator('#second button[aria-pressed="true"]').evaluate_all(
        "buttons => buttons.map(one => [one.closest('tr').dataset.id, one.dataset.grade])"
    )
    assert pressed == [[ids(page)[0], "0"], [third, "1"]]
    expect(page.locator("#judged-worth dd").nth(0)).not_to_have_text("\N{EN DASH}")
    worth = [float(one) for one in page.locator("#judged-worth dd").all_inner_texts()]
    assert worth[1] == pytest.approx(1 / (log(4) / log(2)), abs=1e-3)  # the only answer, in the third place
    page.click("#judged-how")
    folder, command = page.locator("#measure code").all_inner_texts()
    arguments = command.split()
    assert arguments[:3] == ["shortlist", "eval", folder]
    given = ("--candidates-from", "hybrid", "--timed-queries", "0", "--json")
    ended = subprocess.run([local.SHORTLIST, *arguments[1:], *given], capture_output=True, check=True)
    alone, both = json.loads(ended.stdout)["runs"]
    assert [one["measures"]["nDCG@10"] for one in (alone, both)] == pytest.approx(worth, abs=1e-3)
    assert alone["queries"] == both["queries"] == 1


def test_a_vote_that_cannot_be_saved(window, client):
    """It is undone, and the page says why."""
    seen = window()
    page = seen.open(collection=COLLECTION, q="a question that nobody judged")
    page.wait_for_selector(SECOND)
    page.context.set_offline(True)
    page.click(f'{SECOND}:nth-child(1) button[data-grade="1"]')
    page.wait_for_selector("#fault:not([hidden])")
    assert "does not answer" in page.locator("#fault").inner_text()
    assert page.locator('#second button[aria-pressed="true"]').count() == 0
    assert "not saved" in page.locator("#fault").inner_text()
    assert not page.locator("#said").text_content()
    seen.faults.clear()  # Chromium tells what cannot be reached as errors of the console
