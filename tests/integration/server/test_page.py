"""The page of a running server: its files and what guards them, its numbers, and judgements that `eval` reads."""

import json

import httpx
import pytest

from shortlist.cli.main import main
from shortlist.client import Document
from shortlist.server.http import page
from shortlist.server.http.served import Served
from shortlist.server.settings import Settings
from shortlist.texts import shipped
from shortlist.ui import assets

ENTRIES = shipped.entries()[:12]


@pytest.fixture
def http(server):
    """Return a client of the server's HTTP side."""
    with httpx.Client(base_url=server.http, trust_env=False) as opened:
        yield opened


@pytest.fixture
def filled(client, name):
    """Make a collection of 12 shipped passages, and return its name."""
    client.create_collection(name)
    client.upsert(name, [Document(f"d{number}", entry.text) for number, entry in enumerate(ENTRIES)])
    return name


def judge(http, collection, query, document, grade, **headers):
    """Return the answer to a judgement."""
    said = {"collection": collection, "query": query, "document": document, "grade": grade}
    return http.post("/ui/judgements", json=said, headers=headers)


def test_every_file_with_its_policy(http):
    """All files are served with their type and a policy that allows nothing else; a kept copy is asked about."""
    for name, content in assets.files().items():
        answer = http.get(f"/ui/{name}")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-type"] == assets.MEDIA_TYPES[assets.suffix(name)]
        policy = dict(one.strip().split(" ", 1) for one in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert {policy[one] for one in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
        assert policy["require-trusted-types-for"] == "'script'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-cache"
        again = http.get(f"/ui/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert http.get("/ui/").content == assets.files()["index.html"]
    assert http.get("/ui", follow_redirects=True).url.path == "/ui/"
    assert http.get("/ui/nothing.js").status_code == http.get("/ui/..%2fpyproject.toml").status_code == 404


def test_pages_of_other_sites_are_kept_out(http, filled):
    """Another origin, a body as forms send it, and a name that was pointed here are refused; nothing is saved."""
    query = ENTRIES[0].query
    assert judge(http, filled, query, "d0", 1, origin="https://elsewhere.example").status_code == 403
    plain = http.post("/ui/judgements", content=b"{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    for path in ("/ui/", "/ui/state", f"/ui/judgements?collection={filled}"):
        answer = http.get(path, headers={"host": "rebound.example:8080"})
        assert answer.status_code == 403
        assert "open it as localhost, or serve with --ui on" in answer.json()["message"]
    assert (
        judge(http, filled, query, "d0", 1, host="rebound.example", origin="http://rebound.example").status_code
        == 403
    )
    assert http.get("/ui/judgements", params={"collection": filled}).json()["queries"] == []


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:9", "[::1]:8080", "[::1]", "a.localhost:1"]
)
def test_names_of_this_machine(http, host):
    """Whoever names a loopback host sees the page."""
    assert http.get("/ui/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        (Settings(http_port=1), True),
        (Settings(http_port=1, host="::1"), True),
        (Settings(http_port=1, host="unix:/run/socket"), True),
        (Settings(http_port=1, host="0.0.0.0"), False),  # noqa: S104 (nothing listens here)
        (Settings(http_port=1, host="0.0.0.0", ui="on"), True),  # noqa: S104
        (Settings(http_port=1, ui="off"), False),
    ],
)
def test_where_it_is_served(components, settings, served):
    """By default only where nobody but this machine reaches it."""
    parts = (components.pipeline, components.scheduler, *[None] * 4)
    assert bool(page.routes(Served(settings, "", *parts))) == served


def test_what_the_server_is_at(http, client, filled):
    """Its lanes, slots and caches are told, and what a search ran is in them; sizes are those of the files."""
    before = http.get("/ui/state").json()
    client.search(filled, f"{ENTRIES[3].query} {filled}", mode="two-stage")  # asked by no other test: nothing is kept
    after = http.get("/ui/state").json()
    runs = [{lane["name"]: lane["runs"] for lane in state["lanes"]} for state in (before, after)]
    assert list(runs[0]) == ["query", "rerank", "ingest"]
    assert runs[1]["query"] > runs[0]["query"]
    assert runs[1]["rerank"] > runs[0]["rerank"]
    assert (after["address"], after["faults"]) == (client.address, [])
    assert [one["name"] for one in after["caches"]] == ["vectors", "scores"]
    assert after["slots"] >= 1
    assert http.get("/ui/sizes").json()["sizes"][filled] > sum(len(entry.text) for entry in ENTRIES)


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"collection": "nope"}, 404, "there is no collection named 'nope'"),
        ({"document": "nope"}, 404, "'nope'"),
        ({"query": " "}, 400, "it must hold more than white space"),
        ({"grade": 2}, 400, "a grade is 1, the document answers, or 0, it does not"),
        ({"grade": True}, 400, "a grade is 1"),
        ({"grade": [1]}, 400, "a grade is 1"),
        ({"query": None}, 400, "query: got None, but it must be a string"),
    ],
)
def test_what_is_no_judgement(http, filled, change, status, told):
    """It is refused with field, value and remedy."""
    said = {"collection": filled, "query": "q", "document": "d0", "grade": 1, **change}
    answer = http.post("/ui/judgements", json=said)
    assert answer.status_code == status
    assert told in answer.json()["message"]
    assert http.post("/ui/judgements", json=[]).status_code == 400


def test_judgements_are_what_eval_measures_by(http, client, filled, capfd):
    """What was judged is on disk when it is answered, and `shortlist eval` gives the figures that follow."""
    best = {}
    for entry in ENTRIES[:3]:
        hits = client.search(filled, entry.query, 12, candidates=12, mode="two-stage").hits
        best[entry.query] = hits[0].id
        assert judge(http, filled, entry.query, hits[0].id, 1).status_code == 200
        assert judge(http, filled, entry.query, hits[1].id, 0).status_code == 200
    assert judge(http, filled, "taken back", "d1", 1).json() == {"judgements": 7}
    assert judge(http, filled, "taken back", "d1", None).json() == {"judgements": 6}
    told = http.get("/ui/judgements", params={"collection": filled}).json()
    assert {one["query"]: one["grades"][best[one["query"]]] for one in told["queries"]} == dict.fromkeys(best, 1)
    capfd.readouterr()
    given = ("--collection", filled, "--address", client.address, "--candidates", "12", "--candidates-from", "hybrid")
    code = main(("eval", told["folder"], *given, "--timed-queries", "0", "--json"))
    printed = capfd.readouterr()
    assert code == 0, printed.err
    alone, both = json.loads(printed.out)["runs"]
    assert (both["queries"], both["measures"]["nDCG@10"]) == (3, 1.0)  # each first hit was judged to be the answer
    assert alone["queries"] == 3
