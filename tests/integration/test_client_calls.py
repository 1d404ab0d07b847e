"""Both clients, and `shortlist index`, against a gRPC server that answers as each test tells it to."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections import defaultdict, deque
from concurrent import futures
from dataclasses import dataclass, field

import grpc
import pytest

from shortlist.client import AsyncClient, Client, Document, channel, cli, errors, index
from shortlist.proto import retrieval_pb2 as pb

_SERVICES = pb.DESCRIPTOR.services_by_name
_RESPONSES = {
    method.name: getattr(pb, method.output_type.name) for service in _SERVICES.values() for method in service.methods
}


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error."""

    code: grpc.StatusCode
    details: str = "the server's words"
    trailers: tuple[tuple[str, str], ...] = ()


@dataclass
class Scripted:
    """A server that gives the answers it was told, and remembers what it was asked."""

    address: str = ""
    answers: dict[str, deque] = field(default_factory=lambda: defaultdict(deque))
    defaults: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    deadlines_s: list = field(default_factory=list)

    def answer(self, method, request, context):
        """Give a method's next answer, or its default, or an empty one."""
        self.requests.append((method, request))
        self.deadlines_s.append(context.time_remaining())
        answer = self.answers[method].popleft() if self.answers[method] else self.defaults.get(method)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Refusal):
            context.set_trailing_metadata(answer.trailers)
            context.abort(answer.code, answer.details)
        return answer or _RESPONSES[method]()

    def asked(self, method):
        """Return the requests of one method."""
        return [request for name, request in self.requests if name == method]


@pytest.fixture
def scripted():
    """Run a scripted server on a free port."""
    script = Scripted()

    def handler(service, method):
        request = getattr(pb, method.input_type.name)
        return f"/{service.full_name}/{method.name}", grpc.unary_unary_rpc_method_handler(
            lambda request, context: script.answer(method.name, request, context),
            request_deserializer=request.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )

    handlers = dict(handler(service, method) for service in _SERVICES.values() for method in service.methods)

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details):
            return handlers.get(details.method)

    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers([Handlers()])
    script.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield script
    server.stop(None).wait()


@pytest.fixture(params=["Client", "AsyncClient"])
def call(request, scripted):
    """Call a method of either client, and return what it returns; an iterator as a list."""

    def with_client(method, *arguments, **fields):
        with Client(scripted.address) as client:
            result = getattr(client, method)(*arguments, **fields)
            return list(result) if method == "list" else result

    async def with_async_client(method, *arguments, **fields):
        async with AsyncClient(scripted.address) as client:
            result = getattr(client, method)(*arguments, **fields)
            return [one async for one in result] if method == "list" else await result

    if request.param == "Client":
        return with_client
    return lambda *arguments, **fields: asyncio.run(with_async_client(*arguments, **fields))


_CALLS = [
    ("create_collection", ("notes",), "CreateCollection"),
    ("drop_collection", ("notes",), "DropCollection"),
    ("list_collections", (), "ListCollections"),
    ("upsert", ("notes", [Document("1", "text")]), "Upsert"),
    ("delete", ("notes", ["1"]), "Delete"),
    ("get", ("notes", ["1"]), "Get"),
    ("list", ("notes",), "List"),
    ("search", ("notes", "query"), "Search"),
    ("embed", (["text"],), "Embed"),
    ("rerank", ("query", ["text"]), "Rerank"),
    ("tokenize", (["text"],), "Tokenize"),
    ("describe", (), "Describe"),
]


@pytest.fixture
def mode_answered(scripted):
    """Have every search say which mode ran, as a server must."""
    scripted.answers["Search"].extend([pb.SearchResponse(mode=pb.MODE_TWO_STAGE)] * 2)


@pytest.mark.usefixtures("mode_answered")
@pytest.mark.parametrize(("method", "arguments", "rpc"), _CALLS)
def test_every_call_has_a_deadline(scripted, call, method, arguments, rpc):
    """Each call brings the client's deadline, or its own."""
    call(method, *arguments)
    call(method, *arguments, timeout_s=5.0)
    assert [rpc, rpc] == [name for name, _ in scripted.requests]
    default_s, own_s = scripted.deadlines_s
    assert default_s == pytest.approx(30.0, abs=2.0)
    assert own_s == pytest.approx(5.0, abs=2.0)


@pytest.mark.parametrize(("method", "arguments", "rpc"), _CALLS)
def test_refusals_become_errors(scripted, call, method, arguments, rpc):
    """A status raises its error with the server's words, and gRPC's own error is chained."""
    scripted.answers[rpc].append(Refusal(grpc.StatusCode.NOT_FOUND, "collection 'notes' is not there"))
    with pytest.raises(errors.NotFound, match=r"^collection 'notes' is not there$") as caught:
        call(method, *arguments)
    assert isinstance(caught.value.__cause__, grpc.RpcError)
    assert len(scripted.requests) == 1


@pytest.mark.usefixtures("mode_answered")
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
@pytest.mark.parametrize(("method", "arguments", "rpc"), _CALLS)
def test_safe_calls_are_repeated(scripted, call, method, arguments, rpc, code):
    """A call that may be made twice is, once the server is back; the other two are not."""
    scripted.answers[rpc].appendleft(Refusal(code))
    if rpc in {"CreateCollection", "DropCollection"}:
        with pytest.raises(errors.ShortlistError):
            call(method, *arguments)
        assert len(scripted.requests) == 1
    else:
        call(method, *arguments)
        assert len(scripted.requests) == 2


def test_every_call_is_either_repeated_or_named():
    """A call that is added to the proto must be added to the retries, or here."""
    methods = {service.full_name: {method.name for method in service.methods} for service in _SERVICES.values()}
    methods["shortlist.v1.Retrieval"] -= {"CreateCollection", "DropCollection"}
    assert {service: set(names) for service, names in channel.REPEATED.items()} == methods


def test_retries_end(scripted, call):
    """A server that stays busy raises Overloaded after five attempts."""
    scripted.answers["Embed"].extend([Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED)] * 9)
    with pytest.raises(errors.Overloaded, match=r"^the server's words$"):
        call("embed", ["text"])
    assert len(scripted.requests) == 5


def test_the_server_says_when_to_come_back(scripted, call):
    """`grpc-retry-pushback-ms` takes the place of the client's own wait; a negative one ends the retries."""
    scripted.answers["Embed"].extend(
        Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, trailers=(("grpc-retry-pushback-ms", value),))
        for value in ("1", "1", "1", "-1", "1")
    )
    with pytest.raises(errors.Overloaded):
        call("embed", ["text"])
    assert len(scripted.requests) == 4


def test_a_deadline_that_passes(scripted, call):
    """A server that does not answer in time raises TimeoutError, with the deadline in the message."""
    over = threading.Event()
    scripted.answers["Embed"].append(lambda _: over.wait(30) and pb.EmbedResponse())
    with pytest.raises(TimeoutError, match=r"timeout_s=0\.2") as caught:
        call("embed", ["text"], timeout_s=0.2)
    over.set()
    assert isinstance(caught.value, errors.DeadlineExceeded)


def test_list_goes_through_all_pages(scripted, call):
    """A collection is read page by page, each asked for with the token of the one before."""
    pages = [(["1", "2"], "t1"), ([], "t2"), (["3"], "")]
    scripted.answers["List"].extend(
        pb.ListResponse(documents=[pb.Document(id=one, text="x") for one in ids], next_page_token=token)
        for ids, token in pages
    )
    assert [document.id for document in call("list", "notes", page_size=2)] == ["1", "2", "3"]
    assert [(page.page_size, page.page_token) for page in scripted.asked("List")] == [(2, ""), (2, "t1"), (2, "t2")]


def test_a_request_that_is_too_large(scripted, call):
    """What is over gRPC's limit is refused with sizes and remedy, and not sent."""
    with pytest.raises(errors.InvalidRequest, match=r"got 67,10.,... bytes, but 67,108,864 is the most; send fewer"):
        call("rerank", "query", ["x" * (64 << 20)])
    assert scripted.requests == []


def test_a_deadline_that_no_call_can_have(scripted, call):
    """What gRPC would take for a deadline that has passed is refused, and not sent."""
    with pytest.raises(errors.InvalidRequest, match=r"^timeout_s: got inf, but 2,592,000 \(30 days\) is the most"):
        call("embed", ["text"], timeout_s=float("inf"))
    assert scripted.requests == []


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("address", "timeout_s", "message"),
    [
        ("", 1.0, "address: got '', but it must not be empty; "),
        ("here:1", 0, "timeout_s: got 0, but it must be more than 0; "),
        ("here:1", float("nan"), "timeout_s: got nan, but 2,592,000 "),
    ],
)
def test_what_no_client_can_be_made_with(make, address, timeout_s, message):
    """A client that could reach nobody is refused when it is made."""
    with pytest.raises(ValueError, match=f"^{message}"):
        make(address, timeout_s=timeout_s)


def test_waiting_for_a_server_that_starts(scripted, call):
    """Waiting outlasts more refusals than one call's retries, and returns what the server runs."""
    pushback = (("grpc-retry-pushback-ms", "1"),)
    scripted.answers["Describe"].extend(
        [Refusal(grpc.StatusCode.UNAVAILABLE, trailers=pushback)] * 12 + [pb.DescribeResponse(version="1.2")]
    )
    assert call("wait_until_ready").version == "1.2"


def test_waiting_for_a_server_that_is_not_there():
    """Waiting ends at its deadline, with an error that names the address."""
    with Client("127.0.0.1:1") as client, pytest.raises(errors.DeadlineExceeded) as caught:
        client.wait_until_ready(0.3)
    assert str(caught.value) == "no server was ready at 127.0.0.1:1 within 0.3 s"


async def test_a_cancelled_task_cancels_its_call(scripted):
    """Cancellation passes through as asyncio's own."""
    reached, over = threading.Event(), threading.Event()
    scripted.answers["Embed"].append(lambda _: (reached.set(), over.wait(30)) and pb.EmbedResponse())
    async with AsyncClient(scripted.address) as client:
        task = asyncio.create_task(client.embed(["text"]))
        await asyncio.to_thread(reached.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    over.set()


def test_threads_share_a_client(scripted):
    """Calls from several threads at once each get their own answer."""
    scripted.answers["Embed"].extend(pb.EmbedResponse(truncated=number) for number in range(40))
    with Client(scripted.address) as client, futures.ThreadPoolExecutor(8) as pool:
        results = [future.result() for future in [pool.submit(client.embed, ["text"]) for _ in range(40)]]
    assert sorted(result.truncated for result in results) == list(range(40))


# shortlist index

# Refusals that gRPC does not repeat by itself, so that only the command's own patience is tried.
_FINAL = (("grpc-retry-pushback-ms", "-1"),)


@pytest.fixture
def target(scripted):
    """Let the server take documents as a real one does; return where to index."""
    limits = pb.Limits(max_text_bytes=1 << 20, max_batch=1000, max_request_bytes=64 << 20)
    scripted.defaults["Describe"] = pb.DescribeResponse(limits=limits)
    scripted.defaults["Upsert"] = lambda request: pb.UpsertResponse(inserted=len(request.documents))
    return "--collection", "notes", "--address", scripted.address


@pytest.fixture
def corpus(tmp_path):
    """Write a file of so many documents, and return its path."""

    def write(count, *more):
        path = tmp_path / "corpus.jsonl"
        lines = [json.dumps({"id": str(number), "text": f"text {number}"}) for number in range(count)]
        path.write_text("\n".join([*lines, *more]))
        return str(path)

    return write


def test_index_sends_every_document_once(scripted, target, corpus, capsys):
    """All documents arrive, in batches of the size that was asked for, in a collection that is made first."""
    assert cli.main(["index", *target, "--batch-size", "64", "--json", corpus(130)]) == 0
    batches = [[document.id for document in request.documents] for request in scripted.asked("Upsert")]
    assert sorted(map(len, batches)) == [2, 64, 64]
    assert {one for batch in batches for one in batch} == {str(number) for number in range(130)}
    assert [(one.name, one.exist_ok) for one in scripted.asked("CreateCollection")] == [("notes", True)]
    result = json.loads(capsys.readouterr().out)
    counts = ("collection", "documents", "inserted", "updated", "unchanged", "truncated", "repeated")
    assert [result[name] for name in counts] == ["notes", 130, 130, 0, 0, 0, 0]


def test_index_sends_nothing_if_a_line_is_bad(scripted, target, corpus, capsys):
    """A bad last line is found before the first is sent, and before the collection is made."""
    path = corpus(100, '{"id": "x"}')
    assert cli.main(["index", *target, path]) == 2
    assert capsys.readouterr().err.startswith(f"shortlist index: {path}:101: line: got ['id'], but it has no 'text'")
    assert [name for name, _ in scripted.requests] == ["Describe"]


def test_index_leaves_the_collection_alone_if_told(scripted, target, corpus, capsys):
    """With --no-create, a collection that is not there is an error."""
    scripted.answers["Upsert"].append(Refusal(grpc.StatusCode.NOT_FOUND, "no collection 'notes'"))
    assert cli.main(["index", *target, "--no-create", corpus(1)]) == 1
    assert capsys.readouterr().err == "shortlist index: no collection 'notes'\n"
    assert scripted.asked("CreateCollection") == []


def test_index_outlasts_a_busy_server(scripted, target, corpus, capsys, monkeypatch):
    """What may pass is tried again until it has, beyond the retries of a single call."""
    monkeypatch.setattr(index, "_FIRST_WAIT_S", 0.001)
    codes = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED
    scripted.answers["Upsert"].extend(Refusal(code, trailers=_FINAL) for code in codes * 3)
    assert cli.main(["index", *target, "--json", corpus(10)]) == 0
    assert len(scripted.asked("Upsert")) == 10
    assert json.loads(capsys.readouterr().out)["documents"] == 10


@pytest.fixture
def narrow(scripted, target):
    """Let the server's whole queue hold so many documents."""

    def hold(most):
        def answer(request):
            count = len(request.documents)
            refusal = f"request: got '{count} tokens', but the server's whole queue holds {most}; send less at once"
            over = Refusal(grpc.StatusCode.INVALID_ARGUMENT, refusal)
            return over if count > most else pb.UpsertResponse(inserted=count)

        scripted.defaults["Upsert"] = answer

    return hold


def test_index_halves_what_is_larger_than_the_queue(scripted, target, corpus, capsys, narrow):
    """A batch that the server's queue could never hold arrives in parts, each document once."""
    narrow(3)
    assert cli.main(["index", *target, "--batch-size=10", "--json", corpus(20)]) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 20
    taken = [len(request.documents) for request in scripted.asked("Upsert") if len(request.documents) <= 3]
    assert sum(taken) == 20


def test_index_stops_at_a_document_that_is_larger_than_the_queue(target, corpus, capsys, narrow):
    """A single document that does not fit ends the command with the server's words."""
    narrow(0)
    assert cli.main(["index", *target, corpus(4)]) == 1
    assert capsys.readouterr().err.startswith(
        "shortlist index: request: got '1 tokens', but the server's whole queue"
    )


def test_index_gives_up_when_its_patience_is_over(scripted, target, corpus, capsys):
    """A server that stays busy ends the command with the server's words."""
    scripted.answers["Upsert"].append(Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, trailers=_FINAL))
    assert cli.main(["index", *target, "--patience-s", "0", corpus(10)]) == 1
    assert capsys.readouterr().err == "shortlist index: the server's words\n"


def test_index_stops_at_what_does_not_pass(scripted, target, corpus, capsys):
    """An error that would come again ends the command at once, and what was acknowledged before is told."""
    answers = scripted.defaults["Upsert"], Refusal(grpc.StatusCode.INTERNAL, "the server failed")
    scripted.answers["Upsert"].extend(answers)
    assert cli.main(["index", *target, "--batch-size=10", "--in-flight=1", corpus(100)]) == 1
    told, error = capsys.readouterr().err.splitlines()
    assert told.startswith("stopped after 10 documents, which are indexed. The same command continues:")
    assert error == "shortlist index: INTERNAL: the server failed"
    assert len(scripted.asked("Upsert")) == 2


def test_index_keeps_several_calls_in_flight(scripted, target, corpus):
    """As many calls as were asked for are under way at once."""
    together = threading.Barrier(3, timeout=30)

    def answer(request):
        together.wait()
        return pb.UpsertResponse(inserted=len(request.documents))

    scripted.defaults["Upsert"] = answer
    assert cli.main(["index", *target, "--batch-size=1", "--in-flight=3", corpus(6)]) == 0


def test_index_reads_standard_input(scripted, target):
    """Documents that come through a pipe are indexed, and notes about them stay off standard output."""
    lines = (
        '{"_id": "a", "text": "A", "url": "u"}\n{"_id": "b", "text": "B", "url": "u"}\n{"_id": "a", "text": "A"}\n'
    )
    command = [sys.executable, "-m", "shortlist.client.cli", "index", *target, "--json", "-"]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0
    assert json.loads(result.stdout)["documents"] == 2
    assert result.stderr.splitlines() == [
        "note: 1 documents came again and were left out",
        "note: not indexed: url; put under metadata what searches are to return",
    ]
    assert [document.id for request in scripted.asked("Upsert") for document in request.documents] == ["a", "b"]


def test_index_interrupted(scripted, target, corpus):
    """Ctrl-C ends the command at once, even while the server is silent, and says how to go on."""
    reached, over = threading.Event(), threading.Event()
    scripted.answers["Upsert"].extend([scripted.defaults["Upsert"], lambda _: reached.set() or over.wait(30)])
    command = [sys.executable, "-m", "shortlist.client.cli", "index", *target, "--batch-size=10", "--in-flight=1"]
    with subprocess.Popen([*command, corpus(100)], stderr=subprocess.PIPE, text=True) as process:
        assert reached.wait(30)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    over.set()
    assert process.returncode == 130
    assert told == (
        "stopped after 10 documents, which are indexed. The same command continues: documents that are there already"
        " are not embedded again.\n"
    )
