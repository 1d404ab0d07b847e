"""The page without a mouse, without sight, on phones, in the dark, and without motion."""

import pytest

from shown_texts import COLLECTION, ENTRIES

pytest.importorskip("playwright", reason="needs playwright, which drives a browser: make test-ui")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

QUERY = ENTRIES[8].query  # which no other file judges
SECOND = "#second tr[data-id]"
WIDTHS = (320, 390, 768, 1024, 1440)
VIEWS = {
    "search": {"collection": COLLECTION, "q": QUERY, "candidates": 50},
    "deadline": {"collection": COLLECTION, "q": "what is left of this", "candidates": 150, "budget": 200},
    "welcome": {"collection": COLLECTION},
    "collections": {},
    "server": {},
}


def shown(seen, view):
    """Open a view, and wait until it is whole."""
    page = seen.open(view if view in {"collections", "server"} else "search", **VIEWS[view])
    whole = {"collections": "#collections-body tbody tr", "server": "#live .lanes", "welcome": "#welcome h2"}
    page.wait_for_selector(whole.get(view, SECOND))
    return page


def focused(page):
    """Return what has the focus: its id, or its label or text."""
    return page.evaluate(
        "(one => one.id || one.getAttribute('aria-label') || one.textContent.trim())(document.activeElement)"
    )


def faults(page):
    """Return what axe finds, rule by rule."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["impact"], [node["html"][:150] for node in one["nodes"][:3]]) for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(window, view, scheme):
    """No rule of axe's is broken, of contrast, names, roles, tables or order, in either colours."""
    assert faults(shown(window(color_scheme=scheme), view)) == []


@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing_in_what_opens(window, width):
    """The same of a document that is open, of the help, and of the command to measure with."""
    page = shown(window(viewport={"width": width, "height": 844}), "search")
    page.click(f"{SECOND}:nth-child(2) .open")
    page.click("#reading >> text=As the reranker reads it")
    page.wait_for_selector("#reading .token")
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.click("#help-open")
    assert faults(page) == []
    page.keyboard.press("Escape")
    with page.expect_response("**/ui/judgements"):
        page.click(f'{SECOND}:nth-child(2) button[data-grade="1"]')
    page.click("#judged-how")
    assert faults(page) == []
    page.keyboard.press("Escape")
    with page.expect_response("**/ui/judgements"):
        page.click(f'{SECOND}:nth-child(2) button[data-grade="1"]')


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_the_screen(window, view):
    """At every width the page is scrolled up and down alone."""
    page = shown(window(), view)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], f"{view} at {width}"


def test_by_keys_alone(window):
    """Everything is reached and done without a mouse, in the order in which it stands."""
    page = window().open(collection=COLLECTION, candidates=50)
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the question"
    page.keyboard.press("Enter")
    assert focused(page) == "query"
    page.keyboard.type(QUERY)
    page.keyboard.press("Enter")
    page.wait_for_selector(SECOND)
    order = []
    for _ in range(8):
        page.keyboard.press("Tab")
        order.append(focused(page))
    assert order[:7] == ["Ask", "candidates", "weight", "budget", "source", "where", "reset"]
    assert order[7].endswith(", place 1, " + order[7].rpartition(", ")[2])  # the list's one stop
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert ", place 4, " in focused(page)
    fourth = page.locator(f"{SECOND}:nth-child(4)").get_attribute("data-id")
    assert page.locator("#reading .id").inner_text() == fourth
    with page.expect_response("**/ui/judgements"):
        page.keyboard.press("+")
    pressed = page.locator('#second button[aria-pressed="true"]')
    assert pressed.evaluate("one => one.closest('tr').dataset.id") == fourth
    with page.expect_response("**/ui/judgements"):
        page.keyboard.press("+")
    page.keyboard.press("End")
    assert ", place 50, " in focused(page)
    page.keyboard.press("k")
    assert ", place 49, " in focused(page)
    page.keyboard.press("ArrowRight")
    assert focused(page).startswith("Relevant: ")
    page.keyboard.press("2")
    page.wait_for_selector("#collections-body tbody tr")
    page.keyboard.press("/")
    assert focused(page) == "query"
    assert page.input_value("#query") == QUERY  # the search is as it was
    page.keyboard.press("Escape")
    page.keyboard.type("2?")  # in a field, letters are letters
    assert page.locator("#help").get_attribute("open") is None
    page.locator("#query").blur()
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.uncheck("#single")
    page.keyboard.press("Escape")
    page.locator("#query").blur()
    page.keyboard.press("3")
    assert page.evaluate("location.hash").startswith("#/search")  # single keys can be switched off


def test_a_sheet_on_a_phone(window):
    """A document opens on a sheet of its own, which Esc closes; the focus is back where it was."""
    page = shown(window(viewport={"width": 390, "height": 844}, has_touch=True), "search")
    page.focus(f"{SECOND}:nth-child(1) .open")
    page.keyboard.press("ArrowDown")
    assert page.locator("#sheet").get_attribute("open") is None
    before = focused(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("#sheet[open] #reading")
    page.keyboard.press("Escape")
    assert page.locator("#sheet").get_attribute("open") is None
    assert focused(page) == before
    page.tap(f"{SECOND}:nth-child(3) .name")
    page.wait_for_selector("#sheet[open] #reading")


def test_what_is_told_aloud(window):
    """Results are announced politely and faults at once; lists are tables with headers and a caption."""
    page = shown(window(), "search")
    assert page.get_attribute("#told", "aria-live") == "polite"
    assert page.get_attribute("#fault", "role") == "alert"
    for table in ("#first table", "#second table"):
        assert page.locator(f"{table} caption").count() == 1
        assert page.locator(f"{table} thead th[scope=col]").count() >= 3
        assert page.locator(f"{table} tbody th[scope=row]").count() == 50
    assert page.get_attribute("#budget", "aria-valuetext") == "none"


def test_colours(window):
    """The page is as dark as the system, or as was chosen, also after a reload."""
    page = window(color_scheme="dark").open()

    def paper():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = paper()
    page.click("#theme")
    light = paper()
    assert light != dark
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert paper() == light
    page.click("#theme")
    page.click("#theme")
    assert (paper(), page.get_attribute("#theme", "aria-label")) == (dark, "Colours: as the system has them")


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_motion(window, motion, moves):
    """Rows glide where they move, but not for those who do not want that."""
    page = shown(window(reduced_motion=motion), "search")
    page.evaluate(
        "() => { window.glided = 0; const animate = Element.prototype.animate; Element.prototype.animate ="
        " function (...given) { window.glided += 1; return animate.apply(this, given); }; }"
    )
    page.focus("#weight")
    with page.expect_response("**/*Retrieval/Search"):
        page.keyboard.press("Home")
    expect(page.locator("body.asking")).to_have_count(0)
    assert (page.evaluate("window.glided") > 0) == moves
