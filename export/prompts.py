"""The prompts of a model's own configuration: what sentence-transformers puts before a query and before a document.

`encode_query` takes the prompt "query", `encode_document` the prompt "document"; where a model has none they put
nothing before a text, though `encode` may have a default. A prompt "passage" or "corpus" is a document's by the
documentation of sentence-transformers, but `encode_document` (5.7) sees an empty "document" before it. Such a prompt
is taken all the same where the model's files name no "document", since it has its name for that.
"""

from dataclasses import dataclass
from typing import Any

from shortlist.server.runtime.manifest import TextKind

_DOCUMENT = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class Prompts:
    """What goes before texts, by the model's own configuration."""

    query: str = ""
    document: str = ""
    given: frozenset[TextKind] = (
        frozenset()
    )  # kinds of text whose prompt encode_query or encode_document must be told
    note: str = ""  # what a person should know of it


def read(config: Any) -> Prompts:
    """Read the prompts of an embedder's config_sentence_transformers.json."""
    prompts: dict[str, str | None] = config.get("prompts") or {}
    query = prompts.get("query") or ""
    name = next((name for name in _DOCUMENT if name in prompts), "document")
    document = prompts.get(name) or ""
    default = default_of(config)
    unused = [kind for kind, text in (("query", query), ("document", document)) if not text]
    note = ""
    if default and unused:
        note = (
            f"the prompt {default!r}, which encode puts before every text, is not put before a"
            f" {' or a '.join(unused)}, as encode_query and encode_document do not;"
            f" {' and '.join(f'--{kind}-prefix' for kind in unused)} would"
        )
    elif document and name != "document":
        note = f"the prompt {name!r}, {document!r}, goes before a document; --document-prefix sets another"
    given: frozenset[TextKind] = frozenset({"document"} if document and name != "document" else ())
    return Prompts(query, document, given, note)


def default_of(config: Any) -> str:
    """Return the prompt that goes before every text unless another is asked for; empty: none."""
    return (config.get("prompts") or {}).get(config.get("default_prompt_name") or "") or ""
