"""Measure what a face over HTTP adds to gRPC's own time: reranks of 50 documents, and embeds of 256 texts.

Starts a server and asks the same of it by each face in turns, one request at a time, each on a connection of its own
that stays open. Timed from the first byte sent until the last one read; making requests and reading answers is the
client's own matter. What a face adds is the median of its differences to gRPC's time for the same question in the
same turn: so what else the machine does falls on both.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from statistics import median
from time import perf_counter
from typing import Annotated, Any, TypeAlias

import grpc
import orjson

from shortlist.bench import local
from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress
from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.settings import within
from shortlist.texts import shipped

from . import study
from .study import Bundles

_HOST = "127.0.0.1"
_PATIENCE_S = 300
_OK = 200
_RPC = "/shortlist.v1.Inference/"

Ask: TypeAlias = Callable[[bytes], bytes]
"""Send a request and return the answer, both as bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesSettings(Bundles):
    """The settings of one measurement."""

    documents: Annotated[int, within(1)] = 50
    """documents of a rerank"""
    texts: Annotated[int, within(1)] = 256
    """texts of an embed"""
    words: Annotated[int, within(0)] = 0
    """words that are kept of each document; 0: all"""
    rounds: Annotated[int, within(1)] = 100
    """reranks by each face"""
    embed_rounds: Annotated[int, within(1)] = 20
    """embeds by each face"""


@dataclass(frozen=True, slots=True)
class Face:
    """A way to ask, and how it writes a question."""

    name: str
    path: str  # an RPC's name, or a route
    write: Callable[[str, Sequence[str]], bytes]
    binary: bool = False


@dataclass(frozen=True, slots=True)
class FaceFigures:
    """What came of one face."""

    face: str
    p50_ms: float
    adds_ms: float  # median of the differences to gRPC's
    a_second: float  # documents or texts, at the median
    answer_bytes: int


def _json(**fields: Any) -> bytes:
    return orjson.dumps(fields)


def _rerank(query: str, texts: Sequence[str]) -> bytes:
    return pb.RerankRequest(query=query, documents=texts).SerializeToString()


def _embed(_: str, texts: Sequence[str]) -> bytes:
    return pb.EmbedRequest(texts=texts).SerializeToString()


GRPC = "grpc"
RERANK = (
    Face(GRPC, f"{_RPC}Rerank", _rerank),
    Face("connect, protobuf", f"{_RPC}Rerank", _rerank, binary=True),
    Face("connect, json", f"{_RPC}Rerank", lambda query, texts: _json(query=query, documents=texts)),
    Face("cohere", "/v2/rerank", lambda query, texts: _json(model="any", query=query, documents=texts)),
    Face("voyage", "/v1/rerank", lambda query, texts: _json(query=query, documents=texts, top_k=None)),
    Face("tei", "/rerank", lambda query, texts: _json(query=query, texts=texts)),
)
EMBED = (
    Face(GRPC, f"{_RPC}Embed", _embed),
    Face("connect, protobuf", f"{_RPC}Embed", _embed, binary=True),
    Face("connect, json", f"{_RPC}Embed", lambda _, texts: _json(texts=texts)),
    Face("openai, json", "/v1/embeddings", lambda _, texts: _json(input=texts, encoding_format="float")),
    Face("openai, base64", "/v1/embeddings", lambda _, texts: _json(input=texts, encoding_format="base64")),
    Face("tei", "/embed", lambda _, texts: _json(inputs=texts)),
)


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("faces", FacesSettings, __doc__, "--rounds 100 --embed-rounds 20", run)


def run(chosen: FacesSettings) -> int:
    """Measure, print, and return the exit code."""
    port = local.free_port(_HOST)
    options = (*chosen.options, "--host", _HOST, "--http-port", str(port), "--cache-mb", "0")
    entries = shipped.entries()
    passages = [" ".join(entry.text.split()[: chosen.words or None]) for entry in entries]
    short = [entry.query for entry in entries] + [entry.text.partition(",")[0] for entry in entries]
    outcome = {}
    with local.fresh(*options) as address:
        for name, faces, texts, count, rounds in (
            ("rerank", RERANK, passages, chosen.documents, chosen.rounds),
            ("embed", EMBED, short, chosen.texts, chosen.embed_rounds),
        ):
            questions = [(entries[turn % len(entries)].query, _some(texts, turn, count)) for turn in range(rounds)]
            outcome[name] = [asdict(one) for one in _measure(address, port, faces, questions)]
            study.show(f"{name}, {count} at once, {rounds} times each")
            for one in outcome[name]:
                study.row(one)
    return study.finish(outcome)


def _some(texts: Sequence[str], turn: int, count: int) -> list[str]:
    """Return so many texts, beginning elsewhere each turn."""
    return [texts[(turn + place) % len(texts)] for place in range(count)]


def _measure(
    address: str, port: int, faces: Sequence[Face], questions: Sequence[tuple[str, list[str]]]
) -> list[FaceFigures]:
    """Ask each question by each face, in an order that moves on by one each turn."""
    took: dict[str, list[float]] = {face.name: [] for face in faces}
    sizes: dict[str, int] = {}
    with ExitStack() as stack, Progress(sys.stderr, "asked", len(questions) * len(faces), noun="request") as progress:
        asks = {face.name: stack.enter_context(_asking(face, address, port)) for face in faces}
        for face in faces:  # opens the connection, and is not counted
            sizes[face.name] = len(asks[face.name](face.write(*questions[0])))
        for turn, question in enumerate(questions):
            for place in range(len(faces)):
                face = faces[(turn + place) % len(faces)]
                sent = face.write(*question)
                began = perf_counter()
                asks[face.name](sent)
                took[face.name].append(perf_counter() - began)
                progress.update(turn * len(faces) + place + 1)
    count = len(questions[0][1])
    return [_figures(face.name, took[face.name], took[GRPC], count, sizes[face.name]) for face in faces]


def _figures(name: str, took: Sequence[float], grpcs: Sequence[float], count: int, size: int) -> FaceFigures:
    """Return what the times of one face came to, beside gRPC's of the same turns."""
    differences = [mine - theirs for mine, theirs in zip(took, grpcs, strict=True)]
    middle = median(took)
    return FaceFigures(name, 1000 * middle, 1000 * median(differences), count / middle, size)


@contextmanager
def _asking(face: Face, address: str, port: int) -> Iterator[Ask]:
    """Open a connection, and yield what asks over it."""
    if face.name == GRPC:
        with grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)]) as channel:
            call = channel.unary_unary(face.path, None, None)  # bytes as they are, both ways
            yield lambda sent: call(sent, timeout=_PATIENCE_S)
        return
    connection = HTTPConnection(_HOST, port, timeout=_PATIENCE_S)
    headers = {"content-type": "application/proto" if face.binary else "application/json"}

    def ask(sent: bytes) -> bytes:
        try:
            connection.request("POST", face.path, sent, headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            raise UsageError(f"{face.path}: {error}") from error
        if answer.status != _OK:
            raise UsageError(f"{face.path} answered {answer.status}: {body[:200].decode()}")
        return body

    try:
        yield ask
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
