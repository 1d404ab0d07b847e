"""Every rule on a request, in one place: refused with field, value, limit and remedy before anything runs.

One function a kind of request, called once, where the request comes in (`pipeline.py`, `contents.py`); what speaks
gRPC or HTTP only translates. The rules on documents and their ids are in `document_checks.py`, those on filters in
`filter_checks.py`, those on late interaction in `late_interaction_checks.py`. Field names are those of the proto,
with the index in a list where there is one (`documents[3].text`). Five kinds of refusal stand elsewhere:

- bytes that are no request at all (`rpc/request_parsing.py`);
- a filter in which nothing is set (`rpc/filters.py`);
- what is not there, or is there already, which the catalog knows;
- a page token, which is of one collection (`pages.py`);
- what is found on the way: a text of which the tokenizer leaves nothing, or that may not be cut and does not fit
  (`coalescing.py`), and more tokens than the whole queue holds (`queue.py`).
"""

import heapq
from collections.abc import Callable, Sequence

from shortlist.server.errors import Empty, InvalidRequest, TooLarge
from shortlist.server.runtime.manifest import Kind
from shortlist.server.settings import MAX_MARGIN, MAX_SIMILARITY_WEIGHT
from shortlist.server.storage.analysis import LANGUAGES, Language
from shortlist.server.storage.document import Document
from shortlist.server.storage.snapshot import NAME

from . import rules
from .limits import MAX_ANSWER_BYTES, MIN_RECALL_TARGET, Limits
from .query import Query

_VALUE_BYTES = 4  # of a vector's element
_MAX_ID = 2**32 - 1  # of a token, in every tokenizer


def create(name: str, language: str = "") -> Language | None:
    """Check the name of a collection to be made, and return its language; None where none is given."""
    if not NAME.fullmatch(name):
        limit = "a name is 1 to 64 characters of a-z, 0-9, '-' and '_', beginning with a letter or digit"
        raise InvalidRequest("name", name, limit, "choose such a name")
    if not language:
        return None
    if (known := next((one for one in LANGUAGES if one == language), None)) is None:
        limit = f"it must be one of {', '.join(LANGUAGES)}"
        raise InvalidRequest("language", language, limit, "choose none for any other")
    return known


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


def judgement(limits: Limits, query: str, grade: int | None) -> None:
    """Check what is said of a document as an answer to a question; None takes it back."""
    rules.text(limits, "query", query)
    if grade is not None and (type(grade) is not int or grade not in {0, 1}):
        limit = "a grade is 1, the document answers, or 0, it does not"
        raise InvalidRequest("grade", grade, limit, "send one of them, or null to take a judgement back")


def search(limits: Limits, query: Query) -> None:
    """Check a search."""
    rules.text(limits, "query", query.text)
    _top_k(limits, query.top_k)
    if query.candidates is not None:
        if query.candidates < query.top_k:
            limit = f"it must be top_k ({query.top_k}) or more"
            raise InvalidRequest("candidates", query.candidates, limit, "raise candidates or lower top_k")
        remedy = "ask for fewer, or raise max_candidates on the server"
        rules.within("candidates", query.candidates, limits.max_candidates, "documents", remedy)
    if query.rerank_candidates is not None:
        if query.mode not in {"cascade", "auto"}:
            limit = "it is of MODE_CASCADE and MODE_AUTO"
            remedy = "use one of them, or leave rerank_candidates out"
            raise InvalidRequest("rerank_candidates", query.rerank_candidates, limit, remedy)
        found = limits.max_candidates if query.candidates is None else query.candidates
        remedy = "stage two reads some of the candidates: ask for fewer, or for more candidates"
        rules.within("rerank_candidates", query.rerank_candidates, found, "documents", remedy)
    if query.similarity_weight is not None and not 0 <= query.similarity_weight <= MAX_SIMILARITY_WEIGHT:
        remedy = "send 0 to order by score alone, or leave it out"
        limit = f"a weight is from 0 to {MAX_SIMILARITY_WEIGHT}"
        raise InvalidRequest("similarity_weight", query.similarity_weight, limit, remedy)
    if query.mode == "rerank-all" and query.candidates_from == "lexical":
        limit = "MODE_RERANK_ALL reads every document"
        remedy = "use MODE_TWO_STAGE, or leave candidates_from out"
        raise InvalidRequest("candidates_from", "CANDIDATES_FROM_LEXICAL", limit, remedy)
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


def page(limits: Limits, size: int) -> None:
    """Check the size of a page."""
    rules.within("page_size", size, limits.max_batch, "documents", "read more pages")


def embed(limits: Limits, texts: Sequence[str], dimensions: int, wanted: int | None = None) -> None:
    """Check texts to embed, and that an answer holds their vectors.

    Args:
        limits: what the server takes.
        texts: what to embed.
        dimensions: elements of the model's vectors.
        wanted: of those to be answered, if they are to have fewer.
    """
    rules.texts(limits, "texts", texts)
    if wanted is not None:
        rules.within("dimensions", wanted, dimensions, "elements", "the model's vectors have no more; leave it out")
        dimensions = wanted
    _answer("texts", f"{len(texts)} texts", len(texts) * dimensions * _VALUE_BYTES, "send them in several calls")


def rerank(
    limits: Limits, query: str, documents: Sequence[str], top_k: int | None, document_tokens: int | None = None
) -> None:
    """Check a query and the texts to score beside it."""
    if document_tokens is not None and document_tokens < 1:
        limit = "it must be 1 or more"
        raise InvalidRequest("max_document_tokens", document_tokens, limit, "leave it out to read all that fits")
    if top_k is not None:
        _top_k(limits, top_k)
    rules.text(limits, "query", query)
    rules.texts(limits, "documents", documents)


def tokenize(limits: Limits, texts: Sequence[str], model: Kind, query: str, *, ends_only: bool) -> None:
    """Check texts to tokenize, and what they are paired with."""
    rules.texts(limits, "texts", texts)
    if not query:
        return
    rules.text(limits, "query", query)
    if ends_only:
        remedy = "leave the query out, or ask for the tokens"
        raise InvalidRequest("query", query, "ends_only is about texts alone", remedy)
    if model != "reranker":
        raise InvalidRequest("query", query, f"the {model} model reads texts alone", "set model to MODEL_RERANKER")


def predict(limits: Limits, inputs: Sequence[Sequence[str]]) -> None:
    """Check texts and pairs of texts to score."""
    rules.batch(limits, "inputs", len(inputs))
    for index, texts in enumerate(inputs):
        field = f"inputs[{index}]"
        if len(texts) not in {1, 2}:
            raise InvalidRequest(
                field, list(texts), "it must be one text, or two of them", "send each pair by itself"
            )
        for place, value in enumerate(texts):
            rules.text(limits, f"{field}[{place}]", value)


def rank_stream(limits: Limits, texts: int, size: int) -> None:
    """Check a stream of texts that are ranked together, by an answer that holds so many bytes of them."""
    rules.batch(limits, "texts", texts)
    _answer("texts", f"{texts} texts", size, "send less at once, or have the texts left out of the answer")


def pieces(limits: Limits, texts: Sequence[str]) -> None:
    """Check texts to cut into tokens, which take many times as much as the texts."""
    rules.texts(limits, "texts", texts)
    size = sum(len(text.encode()) for text in texts)
    if size > limits.max_text_bytes:
        limit = f"an answer has the tokens of {limits.max_text_bytes} bytes at most"
        raise TooLarge("texts", f"{len(texts)} texts of {size} bytes", limit, "send them in several calls")


def decode(limits: Limits, ids: Sequence[Sequence[int]]) -> None:
    """Check tokens to join into texts."""
    rules.batch(limits, "ids", len(ids))
    for index, each in enumerate(ids):
        field = f"ids[{index}]"
        if not each:
            raise Empty(field, [], "at least one is needed", "send the numbers of a text's tokens")
        if len(each) > limits.max_text_bytes:
            limit = f"it must be {limits.max_text_bytes} numbers of tokens at most"
            raise TooLarge(field, f"{len(each)} of them", limit, "send them in several calls")
        if (bad := next((number for number in each if not 0 <= number <= _MAX_ID), None)) is not None:
            raise InvalidRequest(field, bad, f"the number of a token is from 0 to {_MAX_ID}", "send those of tokens")


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


def _top_k(limits: Limits, value: int) -> None:
    rules.within("top_k", value, limits.max_top_k, "hits", "ask for fewer, or raise max_top_k on the server")


def _answer(field: str, value: str, size: int, remedy: str) -> None:
    if size > MAX_ANSWER_BYTES:
        raise TooLarge(field, f"{value} of {size:,} bytes", f"an answer holds {MAX_ANSWER_BYTES:,}", remedy)
