"""The messages of an ingest to documents, and what became of these to messages."""

from collections.abc import AsyncIterator, Sequence

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.errors import InvalidRequest, ShortlistError
from shortlist.server.search.query import Answer, Arrived, Outcome

from . import conversion

_OUTCOMES: dict[Outcome, pb.IngestOutcome.ValueType] = {
    "inserted": pb.INGEST_OUTCOME_INSERTED,
    "updated": pb.INGEST_OUTCOME_UPDATED,
    "unchanged": pb.INGEST_OUTCOME_UNCHANGED,
}


class Stream:
    """The messages of one ingest, in their order."""

    def __init__(self, requests: AsyncIterator[pb.IngestRequest]) -> None:
        """Begin before the first message."""
        self._requests = requests
        self._first = pb.IngestRequest()

    async def start(self) -> pb.IngestStart:
        """Return what the first message says of the collection.

        Raises:
            InvalidRequest: it says nothing, or there is none.
        """
        self._first = await anext(self._requests, self._first)
        if self._first.start.WhichOneof("into") is None:
            limit = "the first message names the collection, in collection or create"
            raise InvalidRequest("start.into", "nothing", limit, "set one of them")
        return self._first.start

    async def documents(self) -> AsyncIterator[Sequence[Arrived]]:
        """Yield the documents of one message after the other.

        Raises:
            InvalidRequest: a later message says where to, as well.
        """
        yield [*map(_arrived, self._first.documents)]
        async for message in self._requests:
            if message.HasField("start"):
                limit = "only the first message of a stream has it"
                raise InvalidRequest("start", message.start, limit, "open another stream for another collection")
            yield [*map(_arrived, message.documents)]


def response(answers: Sequence[Answer]) -> pb.IngestResponse:
    """Return what became of some documents as a message."""
    return pb.IngestResponse(results=[*map(_result, answers)])


def _arrived(message: pb.Document) -> Arrived:
    return Arrived(conversion.document(message), message.vector or None, message.ByteSize())


def _result(answer: Answer) -> pb.IngestResult:
    if answer.fate is None:
        return pb.IngestResult(
            index=answer.index,
            outcome=pb.INGEST_OUTCOME_REFUSED,
            refusal=_refusal(answer.refusal) if answer.refusal else None,
        )
    return pb.IngestResult(
        index=answer.index, outcome=_OUTCOMES[answer.fate.outcome], truncated=answer.fate.truncated
    )


def _refusal(error: ShortlistError) -> pb.Refusal:
    field = error.field if isinstance(error, InvalidRequest) else ""
    return pb.Refusal(reason=error.reason, field=field, message=str(error))
