"""What goes before a query and a document: what is asked for, else what the model's files say, else its description.

Some models were trained with prefixes that no file of theirs names: they stand in the model's description only, and
without them the model finds less. The table here has those, by name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from shortlist.server.runtime.manifest import TextKind

from .errors import ExportError
from .layout import Layout
from .settings import ExportSettings


@dataclass(frozen=True, slots=True)
class Known:
    """Models whose prefixes stand in their descriptions, and nowhere else."""

    names: str  # pattern of the whole name, without its owner
    query: str
    document: str = ""


# Each from the model card of these names. Tuned copies under other names may have been trained with something else.
KNOWN = (
    Known(r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?", "query: ", "passage: "),
    Known(r"bge-(small|base|large)-en(-v1\.5)?", "Represent this sentence for searching relevant passages: "),
    Known(r"bge-(small|base|large)-zh(-v1\.5)?", "为这个句子生成表示以用于检索相关文章：", ""),  # noqa: RUF001 (theirs)
    Known(r"nomic-embed-text-v1(\.5)?|modernbert-embed-base", "search_query: ", "search_document: "),
)


def settled(layout: Layout, name: str, settings: ExportSettings, progress: Callable[[str], None]) -> Layout:
    """Return a layout with the prefixes that its bundle gets.

    Args:
        layout: with the prefixes of the model's own configuration.
        name: the model's id, or its folder's name.
        settings: what was asked for; an empty prefix takes one away, None leaves it to the model.
        progress: is told where the prefixes come from the table.

    Raises:
        ExportError: the model cannot have any.
    """
    if layout.kind == "reranker":
        if asked := settings.query_prefix or settings.document_prefix:
            raise ExportError(
                f"{name} is a reranker, which reads no prefix, but one is set ({asked!r});"
                " leave --query-prefix and --document-prefix out"
            )
        return layout
    query, document = layout.query_prefix, layout.document_prefix
    known = None if query or document or layout.kind != "embedder" else _known(name)
    if known is not None:
        query, document = known.query, known.document
    query = query if settings.query_prefix is None else settings.query_prefix
    document = document if settings.document_prefix is None else settings.document_prefix
    if (query or document) and not layout.prompts_pooled:
        raise ExportError(f"{name} leaves prompts out of its pooling (include_prompt), which is not supported")
    if layout.note and None in _asked(settings).values():
        progress(f"      {layout.note}")
    if known is not None and None in _asked(settings).values():
        progress(
            f"      {name} names no prefixes; taking those of its description: {query!r} before a query,"
            f" {document!r} before a document (--query-prefix and --document-prefix set others)"
        )
    given = {kind for kind, asked in _asked(settings).items() if known is not None or asked is not None}
    return replace(layout, query_prefix=query, document_prefix=document, given=layout.given | given)


def _asked(settings: ExportSettings) -> dict[TextKind, str | None]:
    return {"query": settings.query_prefix, "document": settings.document_prefix}


def _known(name: str) -> Known | None:
    last = name.rsplit("/", 1)[-1].lower()
    return next((known for known in KNOWN if re.fullmatch(known.names, last)), None)
