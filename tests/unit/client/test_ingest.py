"""The ledger of an ingest, without a line: what is sent, what is sent again, and when it is given up."""

import grpc
import pytest

from shortlist.client import Document, errors, ingest
from shortlist.client.ingest import Ledger
from shortlist.proto import retrieval_pb2 as pb


class Lost(grpc.RpcError):
    """A line that broke."""

    def __init__(self, words="the line broke"):
        super().__init__()
        self._words = words

    def code(self):
        return grpc.StatusCode.UNAVAILABLE

    def details(self):
        return self._words

    def trailing_metadata(self):
        return ()


ABSENT = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:50051: Connection refused"


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that is set by hand: a list with the time."""
    now = [100.0]
    monkeypatch.setattr(ingest.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def ledger(clock):
    """Return a ledger that holds three documents, which were sent."""
    made = Ledger(pb.IngestRequest(), 30.0, "host:50051", "")
    for number in range(3):
        made.add(Document(str(number), "text"))
    assert [document.id for document in made.message().documents] == ["0", "1", "2"]
    return made


def answer(*places):
    """Return what a server says of the documents at these places of its stream."""
    results = [pb.IngestResult(index=place, outcome=pb.INGEST_OUTCOME_INSERTED) for place in places]
    return pb.IngestResponse(results=results)


def test_what_was_not_answered_is_sent_again(ledger):
    """On another line the rest comes first, counted from 0 again; its results are of the caller's places."""
    ledger.take(answer(1))
    ledger.add(Document("3", "text"))
    assert 0 < ledger.lost(Lost()) < 1
    assert [document.id for document in ledger.message().documents] == ["0", "2", "3"]
    ledger.take(answer(1))
    assert [result.index for result in ledger.results()] == [1, 2]
    assert not ledger.is_idle


def test_a_server_that_is_away_is_given_up(ledger, clock):
    """Lines are opened again for as long as was asked for since the first broke, and the error is the last one's."""
    for clock[0] in (100.0, 110.0, 125.0):
        ledger.lost(Lost())
    clock[0] = 131.0
    with pytest.raises(errors.Unavailable, match="the line broke"):
        ledger.lost(Lost())


def test_a_server_that_was_never_there_is_given_up_soon(ledger):
    """It gets as many attempts as gRPC makes of other calls, in 1.5 s and not in all the time of an answer."""
    waits = [ledger.lost(Lost(ABSENT)) for _ in range(4)]
    assert sum(waits) < 2
    with pytest.raises(errors.Unavailable, match="nothing answers at host:50051"):
        ledger.lost(Lost(ABSENT))


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_server_that_was_there_is_waited_for(ledger, is_answered):
    """One that took a line, answered or not, may restart for longer, though nobody is there meanwhile."""
    if is_answered:
        ledger.take(answer(0))
    else:
        ledger.lost(Lost())
    for _ in range(10):
        assert ledger.lost(Lost(ABSENT)) < 3


def test_a_pause_of_the_caller_is_no_server_s(ledger, clock):
    """A line that broke while the caller had no more documents for a long time is opened again."""
    clock[0] = 1000.0
    assert ledger.lost(Lost()) < 1
    assert ledger.left_s == 30.0


def test_waits_become_longer(ledger):
    """Lines that break one after another are opened after longer waits; an answer makes them short again."""
    waits = [ledger.lost(Lost()) for _ in range(6)]
    assert waits[0] < 0.13
    assert 1.5 < waits[-1] < 2.5
    ledger.message()
    ledger.take(answer(0))
    assert ledger.lost(Lost()) < 0.13


def test_an_answer_that_nobody_asked_for(ledger):
    """A server that answers what it was not sent is at fault."""
    ledger.take(answer(0))
    for place in (0, 7):
        with pytest.raises(errors.ServerError, match=f"answered document {place} of the stream twice, or unasked"):
            ledger.take(answer(place))


def test_bytes_are_bounded(monkeypatch):
    """A ledger is full by the bytes of its documents, too, until these are answered."""
    monkeypatch.setattr(ingest, "_MOST_BYTES", 1000)
    made = Ledger(pb.IngestRequest(), 30.0, "host:50051", "")
    made.add(Document("a", "x" * 1000))
    assert made.is_full
    made.message()
    made.take(answer(0))
    assert not made.is_full
