"""`shortlist index` against a server that is busy, or whose queue is small."""

import json

import grpc
import pytest

from fake_server import Refusal
from shortlist.cli import main
from shortlist.proto import retrieval_pb2 as pb
from shortlist.reading import patience
from shortlist.server.errors import TooLarge
from shortlist.server.rpc import statuses

# Refusals that gRPC does not repeat by itself, so that only the command's own patience is tried.
_FINAL = (("grpc-retry-pushback-ms", "-1"),)


def test_index_outlasts_a_busy_server(scripted, target, corpus, capsys, monkeypatch):
    """What may pass is tried again until it has, beyond the retries of a single call."""
    monkeypatch.setattr(patience, "_FIRST_WAIT_S", 0.001)
    codes = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED
    scripted.answers["Upsert"].extend(Refusal(code, trailers=_FINAL) for code in codes * 3)
    assert main.main(["index", *target, "--json", corpus(10)]) == 0
    assert len(scripted.asked("Upsert")) == 10
    assert json.loads(capsys.readouterr().out)["documents"] == 10


@pytest.fixture
def narrow(scripted, target):
    """Let the server's whole queue hold so many documents."""

    def hold(most):
        def answer(request):
            count = len(request.documents)
            limit = f"the server's whole queue holds {most}"
            over = statuses.of(TooLarge("request", f"{count} tokens", limit, "send less at once"))
            return Refusal(*over) if count > most else pb.UpsertResponse(inserted=count)

        scripted.defaults["Upsert"] = answer

    return hold


def test_index_halves_what_is_larger_than_the_queue(scripted, target, corpus, capsys, narrow):
    """A batch that the server's queue could never hold arrives in parts, each document once."""
    narrow(3)
    assert main.main(["index", *target, "--batch-size=10", "--json", corpus(20)]) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 20
    taken = [len(request.documents) for request in scripted.asked("Upsert") if len(request.documents) <= 3]
    assert sum(taken) == 20


def test_index_stops_at_a_document_that_is_larger_than_the_queue(target, corpus, capsys, narrow):
    """A single document that does not fit ends the command with the server's words."""
    narrow(0)
    assert main.main(["index", *target, corpus(4)]) == 1
    assert capsys.readouterr().err.startswith(
        "shortlist index: request: got '1 tokens', but the server's whole queue"
    )


def test_index_gives_up_when_its_patience_is_over(scripted, target, corpus, capsys):
    """A server that stays busy ends the command with the server's words."""
    scripted.answers["Upsert"].append(Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, trailers=_FINAL))
    assert main.main(["index", *target, "--patience-s", "0", corpus(10)]) == 1
    assert capsys.readouterr().err == "shortlist index: the server's words\n"


def test_index_stops_at_what_does_not_pass(scripted, target, corpus, capsys):
    """An error that would come again ends the command at once, and what was acknowledged before is told."""
    answers = scripted.defaults["Upsert"], Refusal(grpc.StatusCode.INTERNAL, "the server failed")
    scripted.answers["Upsert"].extend(answers)
    assert main.main(["index", *target, "--batch-size=10", "--in-flight=1", corpus(100)]) == 1
    told, error = capsys.readouterr().err.splitlines()
    assert told.startswith("stopped after 10 documents, which are indexed. The same command continues:")
    assert error == "shortlist index: INTERNAL: the server failed"
    assert len(scripted.asked("Upsert")) == 2
