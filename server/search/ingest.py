"""The vectors of documents that are written: those that they bring, and the others embedded here."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import NoTokens
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder
from shortlist.server.inference.result import Result
from shortlist.server.storage.document import Document


def brought(
    documents: Sequence[Document], vectors: Sequence[Sequence[float] | None]
) -> dict[str, NDArray[np.float32]]:
    """Return the vectors that documents bring, by id: float32 [dimensions]."""
    return {
        document.id: np.array(vector, np.float32)
        for document, vector in zip(documents, vectors, strict=False)
        if vector is not None
    }


async def embedded(
    embedder: Embedder,
    documents: Sequence[Document],
    changed: Sequence[Document],
    brought: Mapping[str, NDArray[np.float32]],
    deadline: float,
) -> Result:
    """Return the vectors of those documents of a request that changed.

    Args:
        embedder: what makes those that are not brought.
        documents: all of the request.
        changed: at least one of them.
        brought: float32 [dimensions], by id.
        deadline: a time of the monotonic clock, in seconds.

    Raises:
        NoTokens: the tokenizer leaves nothing of a text.
        DeadlineExceeded, Overloaded, ShuttingDown, InferenceFailed: as `Embedder.embed`.
    """
    places = [place for place, document in enumerate(changed) if document.id not in brought]
    contents = [changed[place].content for place in places]
    made = Result.empty(0, embedder.dimensions)
    try:
        if places:
            made = await embedder.embed(contents, "document", Lane.INGEST, deadline)
    except NoTokens as error:
        index = documents.index(changed[places[error.index]])
        raise NoTokens(index, contents[error.index], f"documents[{index}].text") from error
    result = Result.empty(len(changed), embedder.dimensions)
    for place, document in enumerate(changed):
        if document.id in brought:
            length = embedder.tokenizer.estimate(len(document.content))
            result.values[place] = brought[document.id]
            result.tokens[place] = min(length, embedder.tokenizer.max_tokens)
    result.values[places], result.tokens[places] = made.values, made.tokens
    result.truncated[places] = made.truncated
    return dataclasses.replace(result, spent=made.spent)
