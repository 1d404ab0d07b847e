"""`shortlist index` against a server that is busy or away, or whose queue is small."""

import json

import grpc
import pytest

from fake_server import Refusal
from shortlist.cli import main
from shortlist.client import ingest


@pytest.mark.usefixtures("target")
def test_index_outlasts_a_busy_server(scripted, target, taking, corpus, capsys, monkeypatch):
    """What may pass is tried again until it has, beyond the retries of a single call; each document is told once."""
    monkeypatch.setattr(ingest, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(ingest, "_LONGEST_WAIT_S", 0.01)
    codes = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE
    scripted.answers["Ingest"].extend(Refusal(code) for code in codes * 4)
    assert main.main(["index", *target, "--json", corpus(10)]) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 10
    assert taking.streams == [[str(number) for number in range(10)]]


def test_index_gives_up_when_its_patience_is_over(scripted, target, corpus, capsys):
    """A server that stays busy ends the command with the server's words."""
    scripted.defaults["Ingest"] = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert main.main(["index", *target, "--patience-s", "0.1", corpus(10)]) == 1
    assert capsys.readouterr().err == "shortlist index: the server's words\n"


def test_index_stops_at_what_does_not_pass(scripted, target, taking, corpus, capsys):
    """An error that would come again ends the command at once, and what was acknowledged before is told."""

    def failing_after_64(request):
        answer = taking(request)
        return answer if taking.count <= 64 else Refusal(grpc.StatusCode.INTERNAL, "the server failed")

    scripted.defaults["Ingest"] = failing_after_64
    assert main.main(["index", *target, corpus(1000)]) == 1
    told, error = capsys.readouterr().err.splitlines()
    assert told.startswith("stopped after ")
    assert error == "shortlist index: INTERNAL: the server failed"
    assert len(taking.streams) == 1
