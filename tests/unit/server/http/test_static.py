"""The files of a page: what is served of them, how they are kept, and what they may not reach."""

import re

import pytest

from asgi import ask
from open_access import ACCESS, needs
from seen_calls import calls
from shortlist.server.http import static
from shortlist.server.http.app import App
from shortlist.server.rpc.deadlines import Deadlines
from shortlist.ui import assets

FILES = assets.files("reference")
APP = App(static.routes("/docs", FILES), Deadlines(30.0, 0.015), calls(), ACCESS, 1000, needs=needs)


async def test_the_page():
    """The path leads to the page, whose files are beside it, each under the policy and with its kind."""
    answer = await ask(APP, "GET", "/docs")
    assert (answer.status, answer.headers["location"]) == (308, "docs/")
    index = await ask(APP, "GET", "/docs/")
    assert (index.status, index.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert index.headers["content-security-policy"] == static.POLICY
    named = re.findall(r'(?:src|href)="([^":]+)"', index.body.decode())
    for name in (one for one in named if not one.startswith("..")):
        assert (await ask(APP, "GET", f"/docs/{name}")).status == 200


async def test_what_a_browser_has_already():
    """A file that did not change is not sent again."""
    tag = (await ask(APP, "GET", "/docs/")).headers["etag"]
    again = await ask(APP, "GET", "/docs/", headers={"if-none-match": f'W/"x", {tag}'})
    assert (again.status, again.body, "content-length" in again.headers) == (304, b"", False)
    assert (await ask(APP, "GET", "/docs/reference.js", headers={"if-none-match": tag})).status == 200


@pytest.mark.parametrize("path", ["/docs/none.js", "/docs/../app.py", "/docs/..%2fapp.py", "/docs/reference.py"])
async def test_other_files(path: str):
    """Nothing else is served, whatever a path says."""
    assert (await ask(APP, "GET", path)).status == 404


@pytest.mark.parametrize("path", sorted(FILES))
def test_the_policy_can_hold(path: str):
    """No file asks for what the policy forbids: another host, inline scripts and styles, HTML out of strings."""
    text = FILES[path].decode().replace("http://www.w3.org/2000/svg", "")
    assert (
        re.search(r"https?://|style=|\son\w+=|<script>|<style|innerHTML|insertAdjacent|eval\(|@import", text) is None
    )
