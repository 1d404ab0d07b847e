"""What is seen is not always of what is asked now: the page says whose it is, and judges for nothing else."""

import re

import pytest

from shortlist.client import Document
from shown_texts import COLLECTION, ENTRIES

pytest.importorskip("playwright", reason="needs playwright, which drives a browser: make test-ui")

from playwright.sync_api import expect

QUERY = ENTRIES[12].query  # which no other file judges
OTHER = "others"
SECOND = "#second tr[data-id]"
THUMB = f'{SECOND}:nth-child(2) button[data-grade="1"]'


@pytest.fixture
def other(client):
    """Make another collection, which has the ids of the first, and take it away at the end."""
    client.create_collection(OTHER)
    client.upsert(OTHER, [Document(f"d{number}", f"Rain {number} forms rivers.") for number in range(20)])
    yield OTHER
    client.drop_collection(OTHER)


@pytest.fixture
def asked(window):
    """Open the first collection's answer."""
    seen = window()
    page = seen.open(collection=COLLECTION, q=QUERY, candidates=50)
    page.wait_for_selector(SECOND)
    return seen


def judged(page, collection):
    """Return what is judged of a collection, as the server has it."""
    return page.request.get(f"{page.url.partition('#')[0]}judgements?collection={collection}").json()["queries"]


def go(page, **settings):
    """Change the address, as a link does."""
    page.evaluate("given => { location.hash = `#/search?${new URLSearchParams(given)}`; }", settings)


def is_old(page, words=QUERY):
    """Expect the answer to be marked as the last one, and out of reach."""
    expect(page.locator("#answer[inert]")).to_have_count(1)
    expect(page.locator("#told")).to_have_text(f"Below is the last answer, to “{words}” in {COLLECTION}.")


def test_no_vote_of_another_collection(asked, other):
    """Where the search of another collection fails, what is still seen is greyed, named, and takes no thumbs."""
    page = asked.page
    go(page, collection=other, q="rain", budget=1)
    page.wait_for_selector("#fault:not([hidden])")
    is_old(page)
    page.locator(THUMB).evaluate("one => one.click()")  # as no pointer can
    page.keyboard.press("j")
    page.keyboard.press("+")
    go(page, collection=other, q="rain")
    expect(page.locator("#answer:not([inert])")).to_have_count(1)
    assert judged(page, other) == []
    assert all(one["query"] != QUERY for one in judged(page, COLLECTION))
    asked.faults[:] = [one for one in asked.faults if not re.search("504|429|503", one)]


def test_a_vote_is_of_the_answer_that_is_seen(asked, other):
    """A thumb pressed as another collection is chosen is of the question and collection that it stands beside."""
    page = asked.page
    with page.expect_response("**/ui/judgements") as saved:  # the choice changes the address, whose event comes later
        page.evaluate(
            """([thumb, other]) => {
                const choice = document.getElementById("collection");
                choice.value = other;
                choice.dispatchEvent(new Event("change"));
                document.querySelector(thumb).click();
            }""",
            [THUMB, other],
        )
    assert saved.value.ok or saved.value.request.method == "GET"
    expect(page.locator("#answer:not([inert])")).to_have_count(1)
    expect(page.locator("#said")).to_have_text(re.compile("judged relevant"))
    assert judged(page, other) == []
    assert QUERY in [one["query"] for one in judged(page, COLLECTION)]
    go(page, collection=COLLECTION, q=QUERY, candidates=50)
    expect(page.locator("#answer:not([inert])")).to_have_count(1)
    with page.expect_response("**/ui/judgements"):
        page.click(f'{SECOND} button[aria-pressed="true"]')  # other files judge this collection


def test_no_vote_while_another_collection_is_asked(asked, other):
    """Until its answer comes, what is still seen is greyed and named, and takes no thumbs."""
    page, held = asked.page, []
    page.route("**/*Retrieval/Search", lambda route: held.append(route))  # noqa: PLW0108 (playwright asks it for attributes)
    with page.expect_request("**/*Retrieval/Search"):
        go(page, collection=other, q="rain")
    is_old(page)
    page.locator(THUMB).evaluate("one => one.click()")
    (search,) = held
    search.continue_()
    expect(page.locator("#answer:not([inert])")).to_have_count(1)
    assert judged(page, other) == []
    assert all(one["query"] != QUERY for one in judged(page, COLLECTION))


def test_an_answer_that_is_old(asked):
    """With a filter that is none, or a server that is away, the last answer is marked, until a new one comes."""
    page = asked.page
    page.fill("#where", "topic = ")
    is_old(page)
    page.fill("#where", "")
    expect(page.locator("#answer:not([inert])")).to_have_count(1)
    page.context.set_offline(True)
    page.fill("#query", "something else")
    page.wait_for_selector("#fault:not([hidden])")
    is_old(page)
    page.context.set_offline(False)
    page.keyboard.press("Enter")
    expect(page.locator("#answer:not([inert])")).to_have_count(1)
    expect(page.locator("#fault")).to_be_hidden()
    page.fill("#query", "")
    page.wait_for_selector("#welcome h2")
    expect(page.locator("#answer")).to_be_hidden()
    asked.faults.clear()  # Chromium tells what cannot be reached as errors of the console


def test_a_collection_that_is_not_there(asked):
    """The answer of another goes, and so does the fault once a collection is chosen that is there."""
    page = asked.page
    go(page, collection="nowhere", q=QUERY)
    expect(page.locator("#fault")).to_have_text("There is no collection “nowhere”. Choose another.")
    expect(page.locator("#answer")).to_be_hidden()
    go(page, collection=COLLECTION)
    page.wait_for_selector("#welcome h2")
    expect(page.locator("#fault")).to_be_hidden()


def test_collections_come_and_go(asked, client):
    """One that came since can be asked by a link, or chosen once the page has the focus; one that went cannot."""
    page = asked.page
    client.create_collection("since")
    try:
        go(page, collection="since")
        expect(page.locator("#welcome h2")).to_have_text("This collection has no documents")
        client.upsert("since", [Document("1", "Rain.", title="rain")])
        page.evaluate("dispatchEvent(new Event('focus'))")
        expect(page.locator("#collection option", has_text="since (1)")).to_have_count(1)
        go(page, collection="since", q="rain")
        page.wait_for_selector("#second tr[data-id='1']")
    finally:
        client.drop_collection("since")
    page.fill("#query", "rain again")
    expect(page.locator("#fault")).to_be_visible()
    expect(page.locator("#answer[inert]")).to_have_count(1)
    expect(page.locator("#collection option", has_text="since")).to_have_count(0)
    asked.faults[:] = [one for one in asked.faults if "404" not in one]


def test_the_search_stays(asked):
    """It is there again after another view, by keys, by the name of the page, and with a slider in focus."""
    page = asked.page
    page.fill("#where", "number < 100")
    page.locator("#told", has_text="that match").wait_for()
    page.focus("#weight")
    page.keyboard.press("Home")
    ways = {"1": page.keyboard.press, "nav >> text=Search": page.click, ".brand": page.click}
    for way, go_back in ways.items():
        for before in ("1", "3"):
            page.keyboard.press(before)
            go_back(way)
            page.wait_for_selector(SECOND)
            found = [page.input_value(f"#{one}") for one in ("query", "where", "weight")]
            assert found == [QUERY, "number < 100", "0"]
            page.focus("#weight")


def test_judging_on_a_sheet(window):
    """Where a document opens on a sheet, keys move and judge there too, and so do its thumbs."""
    page = window(viewport={"width": 1000, "height": 800}).open(
        collection=COLLECTION, q=ENTRIES[13].query, candidates=50
    )
    page.click(f"{SECOND}:nth-child(1) .name")
    page.wait_for_selector("#sheet[open] #reading")
    second = page.locator(f"{SECOND}:nth-child(2)").get_attribute("data-id")
    page.keyboard.press("j")
    expect(page.locator("#reading p.id")).to_have_text(second)
    with page.expect_response("**/ui/judgements") as saved:
        page.keyboard.press("+")
    assert saved.value.request.post_data_json["document"] == second
    expect(page.locator('#reading [data-grade="1"]')).to_have_attribute("aria-pressed", "true")
    with page.expect_response("**/ui/judgements"):
        page.click('#reading [data-grade="1"]')
    expect(page.locator('#second [aria-pressed="true"]')).to_have_count(0)
    page.keyboard.press("3")
    assert page.locator("#sheet[open]").count() == 1


def test_rows_are_told_apart(window, client):
    """Passages of one page differ in what is seen of their titles, and have their ids and all of both to point at."""
    page_name = "A page with a name that no column has the width for, however wide the screen is"
    client.create_collection("passages")
    try:
        parts = range(9)
        client.upsert("passages", [Document(f"page.md#{n}", f"Rain {n}.", f"{page_name} > Part {n}") for n in parts])
        page = window(viewport={"width": 1280, "height": 800}).open(collection="passages", q="rain")
        page.wait_for_selector(SECOND)
        for list_name in ("first", "second"):
            for row in page.locator(f"#{list_name} tr[data-id]").all():
                last, name = row.locator(".last").bounding_box(), row.locator(".name").bounding_box()
                assert last["x"] + last["width"] <= name["x"] + name["width"] + 0.5
                assert row.locator(".id").is_visible()
                whole = row.get_attribute("title") or row.locator(".name").get_attribute("title")
                assert row.locator(".id").inner_text() in whole
    finally:
        client.drop_collection("passages")


def test_examples_are_different(window, client):
    """What there is to ask for example is named once, however many passages a file is cut in."""
    client.create_collection("cut")
    try:
        titles = [f"license {n // 5}" for n in range(15)]
        client.upsert("cut", [Document(f"{n}", f"Part {n}.", title) for n, title in enumerate(titles)])
        page = window().open(collection="cut")
        page.wait_for_selector("#welcome a")
        assert sorted(page.locator("#welcome a").all_inner_texts()) == sorted(set(titles))
    finally:
        client.drop_collection("cut")


def test_a_server_that_answers_late(window):
    """Where the first calls fail, the page works as soon as something is asked, without a reload."""
    seen = window()
    for path in ("**/*Inference/Describe", "**/ui/state"):
        seen.page.route(path, lambda route: route.abort())
    page = seen.open(collection=COLLECTION, q=QUERY)
    page.wait_for_selector("#fault:not([hidden])")
    page.locator("#candidates").dispatch_event("input")  # which has no steps yet
    page.wait_for_selector("#pulse[data-level=bad]")
    for path in ("**/*Inference/Describe", "**/ui/state"):
        page.unroute(path)
    page.click("#ask >> text=Ask")
    page.wait_for_selector(SECOND, timeout=5_000)  # a poll would wait for up to 30 s
    page.wait_for_selector("#pulse:not([data-level=bad])")
    expect(page.locator("#fault")).to_be_hidden()
    seen.faults[:] = [one for one in seen.faults if "ERR_FAILED" not in one]


def test_a_question_that_is_cut(window):
    """The page says that stage one did not read all of it."""
    page = window().open(collection=COLLECTION)
    page.fill("#query", "printing press " * 400)
    page.locator("#marks", has_text="The question is longer than stage one's window").wait_for()


def test_scores_that_were_kept(window):
    """An answer whose scores are from before says so, since its time is no search's."""
    page = window().open(collection=COLLECTION, q="a question of this test alone", candidates=20)
    expect(page.locator("#told")).to_have_text(re.compile(r"20 read, in "))
    page.reload()
    expect(page.locator("#told")).to_have_text(re.compile(r"20 read before \(kept scores\), in "))
