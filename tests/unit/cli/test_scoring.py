"""Texts scored in several calls as one result, and what `shortlist rerank` takes from its input."""

import dataclasses
import json
import os
import random
import sys

import grpc
import pytest

from fake_server import Refusal
from shortlist.cli import main, scoring
from shortlist.client import Client
from shortlist.client.description import Limits
from shortlist.client.types import Ranked, RerankResult, Timing
from shortlist.proto import retrieval_pb2 as pb

LIMITS = Limits(
    **{
        **dict.fromkeys((field.name for field in dataclasses.fields(Limits)), 1),
        "max_batch": 100,
        "max_text_bytes": 1000,
        "max_request_bytes": 10_000,
    }
)
TIMING = Timing(1.0, 2.0, 3.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0)


def points(text):
    """Return the score that the server gives a text: many are equal."""
    return len(text) % 7 / 10


def answer(request):
    """Score as a server does: best first, what is equal in the order it came."""
    places = sorted(range(len(request.documents)), key=lambda place: -points(request.documents[place]))
    results = [pb.RerankResult(index=place, score=points(request.documents[place])) for place in places]
    timing = pb.Timing(tokenize_ms=1, queue_ms=2, infer_ms=3, total_ms=7)
    return pb.RerankResponse(results=results, reranked=len(results), truncated=1, timing=timing)


@pytest.fixture
def server(scripted):
    """Run a server with small limits that scores texts by their length."""
    scripted.defaults["Describe"] = pb.DescribeResponse(limits=pb.Limits(**dataclasses.asdict(LIMITS)))
    scripted.defaults["Rerank"] = answer
    return scripted


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Give every test a terminal of the same width."""
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def rerank(server, monkeypatch, capsys):
    """Run the command on standard input, and return its exit code and what it printed."""

    def run(given, *arguments):
        read, write = os.pipe()
        os.write(write, given)
        os.close(write)
        with open(read) as stdin:  # noqa: PTH123 (a pipe has no path)
            monkeypatch.setattr(sys, "stdin", stdin)
            code = main.main(["rerank", "--address", server.address, "query", *arguments])
        return code, capsys.readouterr()

    return run


def test_any_number_of_texts(server):
    """More texts than a call may bring go in several, and come back as from one call for all."""
    texts = ["x" * (number * 37 % 50 + 1) for number in range(450)]
    with Client(server.address) as client:
        counts = []
        found = scoring.score(client, "query", texts, LIMITS, counts.append)
    assert [len(request.documents) for request in server.asked("Rerank")] == [100, 100, 100, 100, 50]
    assert counts == [100, 200, 300, 400, 450]
    (whole,) = [answer(pb.RerankRequest(documents=texts))]
    assert [one.index for one in found.results] == [one.index for one in whole.results]
    assert [one.text for one in found.results] == [texts[one.index] for one in whole.results]
    assert [one.score for one in found.results] == pytest.approx([one.score for one in whole.results])
    assert (found.reranked, found.degraded, found.truncated) == (450, None, 5)
    assert found.timing == Timing(5.0, 10.0, 15.0, 0.0, 0.0, 35.0, 0.0, 0.0, 0.0)


def test_calls_hold_what_a_request_may(server):
    """Texts are sent in order, and no call has more of their bytes than the server takes."""
    rng = random.Random(1)
    texts = ["\u00e9" * rng.randrange(1, 500) for _ in range(300)]
    with Client(server.address) as client:
        scoring.score(client, "query", texts, LIMITS, lambda _: None)
    found = [list(request.documents) for request in server.asked("Rerank")]
    assert [text for batch in found for text in batch] == texts
    assert all(sum(len(text.encode()) for text in batch) <= LIMITS.max_request_bytes / 2 for batch in found)


def test_calls_fit_their_deadline(server):
    """A call brings fewer texts than the server would take, so that slow processors score them in time."""
    limits = dataclasses.replace(LIMITS, max_batch=5000)
    with Client(server.address) as client:
        scoring.score(client, "query", ["x"] * 300, limits, lambda _: None)
    assert [len(request.documents) for request in server.asked("Rerank")] == [256, 44]


def test_a_call_that_was_cut_short_is_told():
    """One call near its deadline makes the whole result degraded; what has no score follows all that has."""
    first = RerankResult((Ranked(1, 0.3, "b"), Ranked(0, None, "a")), 1, "deadline", 0, TIMING)
    second = RerankResult((Ranked(0, 0.5, "c"), Ranked(1, 0.1, "d")), 2, None, 1, TIMING)
    found = scoring.merged([second, first, second])
    assert [(one.index, one.score) for one in found.results] == [
        (0, 0.5), (4, 0.5), (3, 0.3), (1, 0.1), (5, 0.1), (2, None),
    ]  # fmt: skip
    assert (found.reranked, found.degraded, found.truncated) == (5, "deadline", 2)


def test_an_error_between_calls_is_told(server, rerank):
    """A call that fails ends the command: part of a result is none."""
    server.answers["Rerank"].extend([answer, Refusal(grpc.StatusCode.INTERNAL, "a run failed")])
    code, printed = rerank(b"text\n" * 150)
    assert (code, printed.out) == (1, "")
    assert "a run failed" in printed.err


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_as_on_any_system(server, rerank, end):
    """Lines end in LF, CRLF or CR, begin behind a byte order mark, and empty ones are no texts."""
    code, _ = rerank(b"\xef\xbb\xbf" + end.join([b"one", b"", b"  ", b"two words", b"three"]))
    (request,) = server.asked("Rerank")
    assert (code, list(request.documents)) == (0, ["one", "two words", "three"])


def test_input_is_the_number_of_the_line(rerank):
    """The column "input" leads back to the line, empty ones counted."""
    _, printed = rerank(b"\n12345\n\n1\n")
    assert [line.split() for line in printed.out.splitlines()[1:3]] == [
        ["1", "0.5000", "2", "12345"],
        ["2", "0.1000", "4", "1"],
    ]


def test_top_k_is_of_all(server, rerank):
    """The best of all calls are shown, and no more; the server is asked for all of each."""
    code, printed = rerank(b"\n".join(b"x" * (number % 50 + 1) for number in range(250)), "--top-k=3", "--json")
    found = json.loads(printed.out)
    assert (code, len(found["results"]), found["reranked"]) == (0, 3, 250)
    assert [one["score"] for one in found["results"]] == pytest.approx([0.6] * 3)
    assert not any(request.HasField("top_k") for request in server.asked("Rerank"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"a\n\n" + b"x" * 1001, "standard input, line 3 has 1,001 bytes, but 1,000 are the most; cut it"),
        (b"a\n\xff\xfe", "standard input: byte 2 is not UTF-8; convert it first"),
        (b"\r\n \r\n", "there is nothing to score"),
    ],
)
def test_input_that_cannot_be_scored(server, rerank, given, told):
    """A text that the server would refuse is told by its line, before anything is scored."""
    code, printed = rerank(given)
    assert (code, printed.out) == (2, "")
    assert printed.err.startswith(f"shortlist rerank: {told}")
    assert server.asked("Rerank") == []


def test_an_argument_that_cannot_be_scored(server, capsys):
    """An argument that is empty is told by its number; so is a top_k that shows nothing."""
    assert main.main(["rerank", "--address", server.address, "query", "a", " "]) == 2
    assert capsys.readouterr().err == "shortlist rerank: text 2 is empty; leave it out\n"
    assert main.main(["rerank", "query", "a", "--top-k=0"]) == 2
    assert capsys.readouterr().err.startswith(
        'shortlist rerank: Invalid value "0" for --top-k. Must be 1 or more. See '
    )
