"""Streams of documents on a real server: bad ones, slow and vanished callers, a server that ends in the middle."""

import itertools
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator

import grpc
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from shortlist.bench import local
from shortlist.client import Client, Document, InvalidRequest, TooLarge
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import RetrievalStub

WAIT_S = 60
HELD = "shortlist_ingest_documents"
MOST = 1024  # documents of a stream that the server holds before it reads the next message
MESSAGE = 50


@pytest.fixture
def port() -> int:
    """Return a port that was free a moment ago, for metrics."""
    return local.free_port()


@pytest.fixture
def address(options: list[str], port: int) -> Iterator[str]:
    """Run a server with metrics."""
    with local.serving(*options, "--metrics-port", str(port), "--log-level", "warning") as found:
        yield found


def held(port: int) -> float:
    """Return how many documents of streams the server holds."""
    return next(one.value for one in samples(port) if one.name == HELD)


def samples(port: int) -> list[Sample]:
    """Return every number that the server tells."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return [one for family in families for one in family.samples]


def until(port: int, is_it: Callable[[float], bool]) -> float:
    """Ask how many documents are held until that is as wanted, and return it."""
    return next(value for value in iter(lambda: held(port), None) if is_it(value))


def vectors(client: Client, count: int) -> np.ndarray:
    """Return vectors as the server's embedder would make them: float32 [count, dimensions]."""
    dimensions = client.describe().embedder.dimensions
    return np.random.default_rng(0).standard_normal((count, dimensions)).astype(np.float32)


def test_ten_thousand_documents(client: Client, name: str):
    """Documents that bring vectors are all stored, each answered once; a second time all are there already."""
    made = vectors(client, 10_000)
    documents = [Document(str(number), f"text {number}", vector=vector) for number, vector in enumerate(made)]
    results = list(client.ingest(name, documents, create=True))
    assert sorted(result.index for result in results) == list(range(10_000))
    assert {result.outcome for result in results} == {"inserted"}
    assert client.count(name) == 10_000
    (kept,) = client.get(name, ["9999"], include_vectors=True)
    assert np.array_equal(kept.vector, made[9999])
    assert {result.outcome for result in client.ingest(name, iter(documents))} == {"unchanged"}


def test_one_bad_of_many(client: Client, name: str):
    """Bad documents are told of one by one, with the field; the others are found."""
    bad = {
        10: Document("", "no id"),
        20: Document("blank", "\n"),
        30: Document("long", "x" * ((1 << 20) + 1)),
        40: Document("vector", "text", vector=[1.0]),
        50: Document("nan", "text", vector=[float("nan")] * client.describe().embedder.dimensions),
        60: Document("7", "the id of a document that is under way"),
    }
    documents = [bad.get(number, Document(str(number), f"text {number}")) for number in range(200)]
    results = {result.index: result for result in client.ingest(name, documents, create=True)}
    refused = {index: result.error for index, result in results.items() if result.error}
    assert {index: error.field for index, error in refused.items() if index < 60} == {
        10: "id",
        20: "text",
        30: "text",
        40: "vector",
        50: "vector[0]",
    }
    assert all(isinstance(error, InvalidRequest) for error in refused.values())
    assert set(refused) in ({10, 20, 30, 40, 50}, {10, 20, 30, 40, 50, 60})  # the seventh may be written by then
    assert client.count(name) == 194
    assert [hit.id for hit in client.search(name, "text 150", top_k=1, mode="dense").hits] == ["150"]


def endless(taken: Iterator[int]) -> Iterator[pb.IngestRequest]:
    """Yield messages of documents that are refused, with as many words as one gets."""
    start = pb.IngestStart(create=pb.CreateCollectionRequest(name="c", exist_ok=True))
    yield pb.IngestRequest(start=start)
    while True:
        next(taken)
        yield pb.IngestRequest(documents=[pb.Document(text="\u00e9" * 100)] * MESSAGE)


def test_a_caller_who_reads_no_answers(address: str, port: int):
    """The server stops reading from a caller who does not read, holds no more than its bound, and serves others."""
    taken = itertools.count()
    with grpc.insecure_channel(address) as channel, Client(address, timeout_s=WAIT_S) as other:
        call = RetrievalStub(channel).Ingest(endless(taken))
        assert MOST <= until(port, lambda value: value >= MOST) < MOST + MESSAGE
        documents = [Document(str(number), f"text {number}") for number in range(2 * MOST)]
        assert Counter(one.outcome for one in other.ingest("c", documents)) == {"inserted": 2 * MOST}
        assert MOST <= held(port) < MOST + MESSAGE
        call.cancel()
        until(port, lambda value: value == 0)
        assert other.count("c") == 2 * MOST


def test_a_caller_that_is_killed(address: str, port: int):
    """What the server held of a caller whose process is gone is given back; what was answered stays."""
    program = (
        "import sys, itertools; from shortlist.client import Client, Document\n"
        "documents = (Document(str(n), f'text {n}') for n in itertools.count())\n"
        "for result in Client(sys.argv[1]).ingest('c', documents, create=True): print(result.document.id, flush=True)"
    )
    with local.Process([sys.executable, "-c", program, address], stdout=subprocess.PIPE, text=True) as process:
        answered = [process.stdout.readline().strip() for _ in range(200)]
        process.kill()
    until(port, lambda value: value == 0)
    with Client(address, timeout_s=WAIT_S) as client:
        assert len(client.get("c", answered)) == 200


def test_a_caller_that_is_gone_before_its_answers(address: str, port: int):
    """A caller whose line breaks while answers wait to be sent has left, and is no failure of the server's."""
    program = (
        "import grpc, itertools, sys, time; from shortlist.proto import retrieval_pb2 as pb\n"
        "from shortlist.proto.retrieval_pb2_grpc import RetrievalStub\n"
        "start = pb.IngestRequest(start=pb.IngestStart(create=pb.CreateCollectionRequest(name='c')))\n"
        f"bad = pb.IngestRequest(documents=[pb.Document(text='x' * 200)] * {MESSAGE})\n"
        "messages = itertools.chain([start], itertools.repeat(bad))\n"
        "call = RetrievalStub(grpc.insecure_channel(sys.argv[1])).Ingest(messages)\n"
        "sys.stdin.read()"
    )
    with local.Process([sys.executable, "-c", program, address], stdin=subprocess.PIPE) as process:
        until(port, lambda value: value >= MOST)
        process.kill()
    until(port, lambda value: value == 0)
    ended = {one.labels["status"]: one.value for one in samples(port) if one.name == "shortlist_requests_total"}
    assert ended == {"CANCELLED": 1}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)])
def test_a_server_that_ends_in_the_middle(options: list[str], tmp_path, number: signal.Signals, code: int):
    """An ingest outlasts a server that is killed or stopped and started again: each document is answered once."""
    listening = ["--host", f"unix:{tmp_path}/socket", "--log-level", "warning"]
    first = local.start([*options, *listening])
    address = local.address(first)
    with Client(address, timeout_s=WAIT_S) as client, first:
        documents = [Document(str(each), f"text {each}") for each in range(3000)]
        results = client.ingest("c", iter(documents), create=True, timeout_s=WAIT_S)
        answered = [next(results) for _ in range(300)]
        first.send_signal(number)
        assert first.wait(WAIT_S) == code
        with local.start([*options, *listening]) as second:
            local.address(second)
            there = {document.id for document in client.list("c", ids_only=True, page_size=1000)}
            assert {result.document.id for result in answered} <= there
            answered += results
            assert sorted(result.index for result in answered) == list(range(3000))
            assert {result.outcome for result in answered} <= {"inserted", "unchanged"}
            assert client.count("c") == 3000
            second.terminate()
            assert second.wait(WAIT_S) == 0


def test_a_lane_that_is_overloaded(options: list[str]):
    """Streams wait where the queue is full of each other's documents, and none is refused."""
    with local.serving(*options, "--queue-tokens", "300", "--log-level", "warning") as address:
        found: list[Counter[str]] = []

        def ingest(name: str) -> None:
            documents = [Document(str(number), f"{name} text of some words {number}") for number in range(300)]
            with Client(address, timeout_s=WAIT_S) as client:
                found.append(Counter(one.outcome for one in client.ingest(name, documents, create=True)))

        threads = [threading.Thread(target=ingest, args=(name,)) for name in ("a", "b", "c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
    assert found == [Counter(inserted=300)] * 3


def test_a_stream_is_drained(options: list[str]):
    """A stop ends a stream that would go on: what was sent by then is answered or not, and no wait for its caller."""
    process = local.start([*options, "--drain-s", "600", "--log-level", "warning"])
    with process, grpc.insecure_channel(local.address(process)) as channel:
        call = RetrievalStub(channel).Ingest(slow(over := threading.Event()))
        assert next(call).results[0].outcome == pb.INGEST_OUTCOME_INSERTED
        process.terminate()
        with pytest.raises(grpc.RpcError) as ended:
            next(call)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert process.wait(WAIT_S) == 0
        over.set()


def slow(over: threading.Event) -> Iterator[pb.IngestRequest]:
    """Yield one document, and nothing more."""
    start = pb.IngestStart(create=pb.CreateCollectionRequest(name="c"))
    yield pb.IngestRequest(start=start, documents=[pb.Document(id="a", text="text")])
    over.wait(WAIT_S)


def test_a_server_that_takes_little_at_once(options: list[str]):
    """Where messages are too large for the server, smaller ones are sent; what is too large alone is told alone."""
    small = ["--max-batch", "5", "--max-text-bytes", "10000", "--max-request-bytes", "20000"]
    with local.serving(*options, *small, "--log-level", "warning") as address, Client(address) as client:
        sizes = {
            50: 12_000,
            100: 30_000,
            150: 100_000,
        }  # over a text's limit, a request's, and twice that: gRPC's own
        documents = [Document(str(number), "x" * sizes.get(number, 20)) for number in range(200)]
        refused = {one.index: one.error for one in client.ingest("c", documents, create=True) if one.error}
        assert set(refused) == set(sizes)
        assert refused[50].field == "text"
        assert {type(refused[number]) for number in (100, 150)} == {TooLarge}
        assert client.count("c") == 197
