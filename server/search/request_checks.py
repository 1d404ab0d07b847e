"""Every rule on a request, in one place: refused with field, value, limit and remedy before anything runs.

One function a kind of request, called once, where the request comes in (`pipeline.py`, `contents.py`); what speaks
gRPC or HTTP only translates. The rules on filters are in `filter_checks.py`. Field names are those of the proto,
with the index in a list where there is one (`documents[3].text`). Five kinds of refusal stand elsewhere:

- bytes that are no request at all (`rpc/request_parsing.py`);
- a filter in which nothing is set (`rpc/filters.py`);
- what is not there, or is there already, which the catalog knows;
- a page token, which is of one collection (`pages.py`);
- what is found on the way: a text of which the tokenizer leaves nothing (`coalescing.py`), and more tokens than the
  whole queue holds (`queue.py`).
"""

import heapq
import json
import math
from collections.abc import Callable, Iterator, Sequence

from shortlist.server.errors import InvalidRequest, TooLarge, shown
from shortlist.server.runtime.manifest import Kind
from shortlist.server.settings import MAX_MARGIN, MAX_SIMILARITY_WEIGHT
from shortlist.server.storage.document import Document
from shortlist.server.storage.filters import Filter
from shortlist.server.storage.snapshot import NAME

from .limits import (
    MAX_ANSWER_BYTES,
    MAX_ID_BYTES,
    MAX_METADATA_BYTES,
    MAX_METADATA_LEVELS,
    MAX_SOURCE_BYTES,
    MAX_TITLE_BYTES,
    MIN_RECALL_TARGET,
    Limits,
)
from .query import Query

_VALUE_BYTES = 4  # of a vector's element


def create(name: str) -> None:
    """Check the name of a collection to be made."""
    if not NAME.fullmatch(name):
        limit = "a name is 1 to 64 characters of a-z, 0-9, '-' and '_', beginning with a letter or digit"
        raise InvalidRequest("name", name, limit, "choose such a name")


def recall_target(target: float | None) -> None:
    """Check the recall that a collection to be made is held to; None: the default."""
    if target is not None and not MIN_RECALL_TARGET <= target <= 1:
        limit = f"a share of what is nearest is from {MIN_RECALL_TARGET:g} to 1"
        raise InvalidRequest("recall_target", target, limit, "leave it out for the default, 0.99")


def snapshot(limits: Limits, field: str, name: str, collections: Sequence[str]) -> None:
    """Check the name of a snapshot, and those of collections in it."""
    if not NAME.fullmatch(name):
        limit = "a name is 1 to 64 characters of a-z, 0-9, '-' and '_', beginning with a letter or digit"
        raise InvalidRequest(field, name, limit, "choose such a name; no path leads out of the folder of snapshots")
    if len(collections) > limits.max_batch:
        limit = f"it must be 1 to {limits.max_batch} entries"
        raise TooLarge("collections", len(collections), limit, "name them in several calls, or none for all")


def search(limits: Limits, query: Query) -> None:
    """Check a search."""
    _text(limits, "query", query.text)
    _top_k(limits, query.top_k)
    if query.candidates is not None:
        if query.candidates < query.top_k:
            limit = f"it must be top_k ({query.top_k}) or more"
            raise InvalidRequest("candidates", query.candidates, limit, "raise candidates or lower top_k")
        remedy = "ask for fewer, or raise max_candidates on the server"
        _range("candidates", query.candidates, limits.max_candidates, "documents", remedy)
    if query.similarity_weight is not None and not 0 <= query.similarity_weight <= MAX_SIMILARITY_WEIGHT:
        remedy = "send 0 to order by score alone, or leave it out"
        limit = f"a weight is from 0 to {MAX_SIMILARITY_WEIGHT}"
        raise InvalidRequest("similarity_weight", query.similarity_weight, limit, remedy)
    if query.margin is not None and not 0 <= query.margin <= MAX_MARGIN:
        limit = f"a difference of cosines is from 0 to {MAX_MARGIN:g}"
        raise InvalidRequest("margin", query.margin, limit, f"send {MAX_MARGIN:g} to have all candidates read")


def rerank_all(limits: Limits, query: Query, name: str, size: int) -> None:
    """Check that a collection, or what matches in it, may be read whole, if a search wants that."""
    if query.mode == "rerank-all" and size > limits.max_candidates:
        holds = "holds" if query.where is None else "has"
        which = "" if query.where is None else " that match"
        limit = f"collection {name} {holds} {size} documents{which} and the limit is {limits.max_candidates}"
        remedy = "use MODE_TWO_STAGE, or raise max_candidates on the server"
        raise InvalidRequest("mode", "MODE_RERANK_ALL", limit, remedy)


def upsert(limits: Limits, documents: Sequence[Document]) -> None:
    """Check documents to store."""
    _batch(limits, "documents", len(documents))
    seen: dict[str, int] = {}
    for index, document in enumerate(documents):
        field = f"documents[{index}]"
        _new_identifier(seen, index, document.id)
        _text(limits, f"{field}.text", document.text)
        _size(f"{field}.title", document.title, MAX_TITLE_BYTES, "shorten it, or move it into the text")
        _metadata(f"{field}.metadata", document.metadata)
        _size(f"{field}.source", document.source, MAX_SOURCE_BYTES, "use a shorter name, such as a hash of this one")


def vectors(given: Sequence[Sequence[float] | None], dimensions: int) -> None:
    """Check the vectors that documents bring; None: the document brings none."""
    for index, vector in enumerate(given):
        if vector is None:
            continue
        field = f"documents[{index}].vector"
        if len(vector) != dimensions:
            limit = f"those of this server's embedder have {dimensions}"
            raise InvalidRequest(field, f"{len(vector)} numbers", limit, "make it by that embedder, or leave it out")
        place = next((place for place, value in enumerate(vector) if not math.isfinite(value)), None)
        if place is not None:
            remedy = "make the vector again, or leave it out"
            raise InvalidRequest(f"{field}[{place}]", vector[place], "it must be finite", remedy)


def metadata(limits: Limits, given: Sequence[tuple[str, str]]) -> None:
    """Check ids and their metadata to set."""
    _batch(limits, "documents", len(given))
    seen: dict[str, int] = {}
    for index, (identifier, text) in enumerate(given):
        field = f"documents[{index}]"
        _new_identifier(seen, index, identifier)
        _metadata(f"{field}.metadata", text)


def ids(limits: Limits, values: Sequence[str]) -> None:
    """Check the ids of documents to get or delete."""
    _batch(limits, "ids", len(values))
    for index, value in enumerate(values):
        _identifier(f"ids[{index}]", value)


def deleted(limits: Limits, values: Sequence[str], where: Filter | None) -> None:
    """Check which documents to delete: those of some ids, or those that match."""
    if where is None:
        ids(limits, values)
        return
    if values:
        raise InvalidRequest("ids", list(values), "with a filter there are none", "send ids, or where")


def page(limits: Limits, size: int) -> None:
    """Check the size of a page."""
    _range("page_size", size, limits.max_batch, "documents", "read more pages")


def embed(limits: Limits, texts: Sequence[str], dimensions: int) -> None:
    """Check texts to embed, and that an answer holds their vectors."""
    _texts(limits, "texts", texts)
    _answer("texts", f"{len(texts)} texts", len(texts) * dimensions * _VALUE_BYTES, "send them in several calls")


def rerank(limits: Limits, query: str, documents: Sequence[str], top_k: int | None) -> None:
    """Check a query and the texts to score beside it."""
    if top_k is not None:
        _top_k(limits, top_k)
    _text(limits, "query", query)
    _texts(limits, "documents", documents)


def tokenize(limits: Limits, texts: Sequence[str], model: Kind, query: str, *, ends_only: bool) -> None:
    """Check texts to tokenize, and what they are paired with."""
    _texts(limits, "texts", texts)
    if not query:
        return
    _text(limits, "query", query)
    if ends_only:
        remedy = "leave the query out, or ask for the tokens"
        raise InvalidRequest("query", query, "ends_only is about texts alone", remedy)
    if model == "embedder":
        raise InvalidRequest("query", query, "the embedder reads texts alone", "set model to MODEL_RERANKER")


def documents_answer(count: int, size: int, dimensions: int = 0) -> None:
    """Check that an answer holds so many documents of so many bytes, each with a vector of so many elements."""
    _answer("ids", f"{count} documents", size + count * dimensions * _VALUE_BYTES, "ask for fewer at once")


def hits_answer(query: Query, found: Sequence[Document], dimensions: int) -> None:
    """Check that an answer holds any `top_k` of the documents that were found, with what hits are to carry."""
    vector_bytes = query.include_vectors * dimensions * _VALUE_BYTES

    def size(of: Callable[[str], int]) -> int:
        """Return what the largest take together."""
        sizes = (
            query.include_text * (of(one.title) + of(one.text))
            + query.include_metadata * of(one.metadata)
            + vector_bytes
            for one in found
        )
        return sum(heapq.nlargest(query.top_k, sizes))

    # A character takes 4 bytes at most, so most texts need not be encoded to be found short enough.
    if size(len) * 4 > MAX_ANSWER_BYTES:
        count = min(query.top_k, len(found))
        remedy = "ask for fewer hits, or without include_text, include_metadata and include_vectors"
        _answer("top_k", f"{count} documents", size(lambda text: len(text.encode())), remedy)


def _answer(field: str, value: str, size: int, remedy: str) -> None:
    if size > MAX_ANSWER_BYTES:
        raise TooLarge(field, f"{value} of {size:,} bytes", f"an answer holds {MAX_ANSWER_BYTES:,}", remedy)


def _text(limits: Limits, field: str, value: str) -> None:
    if not value or value.isspace():
        raise InvalidRequest(field, value, "it must hold more than white space", "send the text")
    _size(field, value, limits.max_text_bytes, "cut it into passages: models read some hundred words of each")


def _texts(limits: Limits, field: str, values: Sequence[str]) -> None:
    _batch(limits, field, len(values))
    for index, value in enumerate(values):
        _text(limits, f"{field}[{index}]", value)


def _batch(limits: Limits, field: str, count: int) -> None:
    """Check how many documents, texts or ids a call brings."""
    if not count:
        raise InvalidRequest(field, [], "at least one is needed", "send one or more")
    if count > limits.max_batch:
        raise TooLarge(field, count, f"it must be 1 to {limits.max_batch} entries", "send them in several calls")


def _top_k(limits: Limits, value: int) -> None:
    _range("top_k", value, limits.max_top_k, "hits", "ask for fewer, or raise max_top_k on the server")


def _new_identifier(seen: dict[str, int], index: int, value: str) -> None:
    """Check the id of a document of several, and note it among those that were seen."""
    field = f"documents[{index}].id"
    _identifier(field, value)
    first = seen.setdefault(value, index)
    if first != index:
        limit = f"documents[{first}] has the same id"
        raise InvalidRequest(field, value, limit, "send each id once a call")


def _identifier(field: str, value: str) -> None:
    if not value:
        raise InvalidRequest(field, value, "an id must not be empty", "give each document an id of its own")
    if "\0" in value:
        raise InvalidRequest(field, value, "an id must not hold a NUL character", "take it out of the id")
    _size(field, value, MAX_ID_BYTES, "use a shorter id, such as a hash of this one")


def _metadata(field: str, text: str) -> None:
    """Check metadata, a JSON text in which Python's NaN and Infinity may stand; few are parsed for it."""
    _size(field, text, MAX_METADATA_BYTES, "keep large values elsewhere")
    may_nest = text.count("{") + text.count("[") > MAX_METADATA_LEVELS
    if may_nest and (levels := _levels(json.loads(text))) > MAX_METADATA_LEVELS:
        limit = f"it nests {MAX_METADATA_LEVELS} levels deep at most"
        raise InvalidRequest(field, f"{levels} levels", limit, "flatten it")
    if "NaN" in text or "Infinity" in text:
        for name, number in _no_numbers(field, json.loads(text)):
            remedy = "leave such values out, or send them as text"
            raise InvalidRequest(name, number, "JSON has finite numbers only", remedy)


def _levels(value: object) -> int:
    """Return how deep objects and lists nest."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(_levels, inner), default=0)
    return 0


def _no_numbers(name: str, value: object) -> Iterator[tuple[str, float]]:
    """Yield name and value of every number that is not finite."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _no_numbers(f"{name}[{shown(key)}]", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _no_numbers(f"{name}[{index}]", inner)
    elif isinstance(value, float) and not math.isfinite(value):
        yield name, value


def _size(field: str, value: str, limit: int, remedy: str) -> None:
    if len(value) * 4 > limit and (size := len(value.encode())) > limit:
        raise InvalidRequest(field, f"{value[:20]}... ({size} bytes)", f"the limit is {limit} bytes", remedy)


def _range(field: str, value: int, most: int, unit: str, remedy: str) -> None:
    if not 1 <= value <= most:
        limit = f"it must be 1 to {most} {unit}"
        raise InvalidRequest(field, value, limit, remedy if value > most else "give at least 1")
