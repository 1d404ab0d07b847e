"""What a request may hold: one place that refuses, with field, value, limit and remedy.

Field names are those of the proto, with the index in a list where there is one (`documents[3].text`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.server.errors import InvalidRequest, TooLarge
from shortlist.server.settings import MAX_MARGIN, Settings
from shortlist.server.storage.document import Document

MAX_ID_BYTES = 512
MAX_TITLE_BYTES = 4 << 10
MAX_METADATA_BYTES = 64 << 10
MAX_SOURCE_BYTES = 4 << 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force, and the checks of requests against them."""

    max_top_k: int
    max_candidates: int
    max_batch: int
    max_text_bytes: int
    auto_rerank_all: int
    max_request_bytes: int
    auto_budget_ms: float
    margin: float
    admit_share: float

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Take the limits out of a server's settings."""
        return cls(
            settings.max_top_k,
            settings.max_candidates,
            settings.max_batch,
            settings.max_text_bytes,
            settings.auto_rerank_all,
            settings.max_request_bytes,
            settings.auto_budget_ms,
            settings.margin,
            settings.admit_share,
        )

    def text(self, field: str, value: str) -> None:
        """Check a query, or a text to embed, rerank or store.

        Raises:
            InvalidRequest: it is empty, or too large.
        """
        if not value or value.isspace():
            raise InvalidRequest(field, value, "it must hold more than white space", "send the text")
        _size(field, value, self.max_text_bytes, "cut it into passages: models read some hundred words of each")

    def texts(self, field: str, values: Sequence[str]) -> None:
        """Check a list of texts.

        Raises:
            InvalidRequest: there are none or too many, or one of them is empty or too large.
        """
        self.batch(field, len(values))
        for index, value in enumerate(values):
            self.text(f"{field}[{index}]", value)

    def batch(self, field: str, count: int) -> None:
        """Check how many documents, texts or ids a call brings.

        Raises:
            InvalidRequest: none, or too many.
        """
        if not count:
            raise InvalidRequest(field, [], "at least one is needed", "send one or more")
        if count > self.max_batch:
            raise TooLarge(field, count, f"it must be 1 to {self.max_batch} entries", "send them in several calls")

    def ids(self, values: Sequence[str]) -> None:
        """Check the ids of documents to get or delete.

        Raises:
            InvalidRequest: there are none or too many, or one of them is empty or too long.
        """
        self.batch("ids", len(values))
        for index, value in enumerate(values):
            _identifier(f"ids[{index}]", value)

    def top_k(self, value: int) -> None:
        """Check how many hits are asked for.

        Raises:
            InvalidRequest: none, or too many.
        """
        _range("top_k", value, 1, self.max_top_k, "hits", "ask for fewer, or raise max_top_k on the server")

    def candidates(self, value: int, top_k: int) -> None:
        """Check how many documents stage one hands to stage two.

        Raises:
            InvalidRequest: fewer than the hits that are asked for, or too many.
        """
        if value < top_k:
            raise InvalidRequest(
                "candidates", value, f"it must be top_k ({top_k}) or more", "raise candidates or lower top_k"
            )
        remedy = "ask for fewer, or raise max_candidates on the server"
        _range("candidates", value, 1, self.max_candidates, "documents", remedy)

    def similarity_weight(self, value: float) -> None:
        """Check the similarity's weight in the final order.

        Raises:
            InvalidRequest: it is not from 0 to 1.
        """
        if not 0 <= value <= 1:
            raise InvalidRequest(
                "similarity_weight",
                value,
                "a weight is from 0 to 1",
                "send 0 to order by score alone, or leave it out",
            )

    def margin_of(self, value: float) -> None:
        """Check how far behind the best candidate stage two reads.

        Raises:
            InvalidRequest: it is no difference of cosines.
        """
        if not 0 <= value <= MAX_MARGIN:
            limit = f"a difference of cosines is from 0 to {MAX_MARGIN:g}"
            raise InvalidRequest("margin", value, limit, f"send {MAX_MARGIN:g} to have all candidates read")

    def page_size(self, value: int) -> None:
        """Check the size of a page.

        Raises:
            InvalidRequest: none, or too many.
        """
        _range("page_size", value, 1, self.max_batch, "documents", "read more pages")

    def documents(self, documents: Sequence[Document]) -> None:
        """Check documents to store.

        Raises:
            InvalidRequest: there are none or too many, an id comes twice, or one of them is outside its limits.
        """
        self.batch("documents", len(documents))
        seen: dict[str, int] = {}
        for index, document in enumerate(documents):
            field = f"documents[{index}]"
            _identifier(f"{field}.id", document.id)
            first = seen.setdefault(document.id, index)
            if first != index:
                raise InvalidRequest(
                    f"{field}.id",
                    document.id,
                    f"documents[{first}] has the same id",
                    "send each id once a call",
                )
            self.text(f"{field}.text", document.text)
            _size(f"{field}.title", document.title, MAX_TITLE_BYTES, "shorten it, or move it into the text")
            _size(f"{field}.metadata", document.metadata, MAX_METADATA_BYTES, "keep large values elsewhere")
            _size(
                f"{field}.source", document.source, MAX_SOURCE_BYTES, "use a shorter name, such as a hash of this one"
            )


def _identifier(field: str, value: str) -> None:
    if not value:
        raise InvalidRequest(field, value, "an id must not be empty", "give each document an id of its own")
    if "\0" in value:
        raise InvalidRequest(field, value, "an id must not hold a NUL character", "take it out of the id")
    _size(field, value, MAX_ID_BYTES, "use a shorter id, such as a hash of this one")


def _size(field: str, value: str, limit: int, remedy: str) -> None:
    # A character takes 4 bytes at most, so most texts need not be encoded to be found short enough.
    if len(value) * 4 > limit and (size := len(value.encode())) > limit:
        raise InvalidRequest(field, f"{value[:20]}... ({size} bytes)", f"the limit is {limit} bytes", remedy)


def _range(field: str, value: int, least: int, most: int, unit: str, remedy: str) -> None:
    if not least <= value <= most:
        raise InvalidRequest(
            field, value, f"it must be {least} to {most} {unit}", remedy if value > most else f"give at least {least}"
        )
