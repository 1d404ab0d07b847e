"""Where a bundle's prefixes come from: what is asked for, the model's configuration, its makers' description."""

from pathlib import Path
from typing import Any

import pytest

from shortlist.export import prefixes
from shortlist.export.errors import ExportError
from shortlist.export.layout import Layout
from shortlist.export.settings import ExportSettings

E5 = ("query: ", "passage: ")
BGE = ("Represent this sentence for searching relevant passages: ", "")
NOMIC = ("search_query: ", "search_document: ")
OWN = Layout("embedder", "mean", query_prefix="q: ")


def settled(name: str, layout: Layout, **asked: Any) -> tuple[tuple[str, str], list[str]]:
    """Return both prefixes, and what progress told."""
    lines: list[str] = []
    settings = ExportSettings(out=Path("out"), **asked)
    found = prefixes.settled(layout, name, settings, lines.append)
    return (found.query_prefix, found.document_prefix), lines


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intfloat/e5-small-v2", E5),
        ("intfloat/multilingual-e5-large", E5),
        ("e5-base-unsupervised", E5),
        ("BAAI/bge-small-en-v1.5", BGE),
        ("bge-large-en", BGE),
        ("nomic-ai/modernbert-embed-base", NOMIC),
        ("nomic-ai/nomic-embed-text-v1.5", NOMIC),
        ("intfloat/multilingual-e5-large-instruct", ("", "")),  # its instruction names the task
        ("BAAI/bge-m3", ("", "")),
        ("BAAI/bge-large-zh-noinstruct", ("", "")),
        ("thenlper/gte-small", ("", "")),
        ("somebody/my-e5-small-v2-tuned", ("", "")),
    ],
)
def test_known_names(name: str, expected: tuple[str, str]) -> None:
    """A name of the table gets its prefixes and a word about them; a name like it gets neither."""
    found, lines = settled(name, Layout("embedder", "mean"))
    assert found == expected
    assert [repr(expected[0]) in line for line in lines] == ([True] if any(expected) else [])


def test_chinese_bge_has_its_own_instruction() -> None:
    """The Chinese BGE models have an instruction in Chinese, which ends in a full-width colon."""
    (query, document), _ = settled("BAAI/bge-base-zh-v1.5", Layout("embedder", "cls"))
    assert query.startswith("为这个句子")
    assert query.endswith("\N{FULLWIDTH COLON}")
    assert document == ""


def test_the_models_own_word_comes_before_the_table() -> None:
    """A model that names one prefix has said that the other is empty."""
    assert settled("intfloat/e5-small-v2", OWN) == (("q: ", ""), [])


@pytest.mark.parametrize(
    ("asked", "expected", "told"),
    [
        ({"query_prefix": "ask: "}, ("ask: ", "passage: "), 1),
        ({"query_prefix": "", "document_prefix": ""}, ("", ""), 0),
        ({"query_prefix": "ask: ", "document_prefix": "tell: "}, ("ask: ", "tell: "), 0),
    ],
)
def test_what_is_asked_for_comes_first(asked: dict[str, str], expected: tuple[str, str], told: int) -> None:
    """A prefix that is set replaces any other, an empty one takes it away."""
    found, lines = settled("intfloat/e5-small-v2", Layout("embedder", "mean"), **asked)
    assert (found, len(lines)) == (expected, told)
    own, _ = settled("model", OWN, **asked)
    assert own == (asked["query_prefix"], asked.get("document_prefix", ""))


def test_a_reranker_has_no_prefixes() -> None:
    """Neither the table nor a setting gives a reranker prefixes; a setting is refused."""
    assert settled("e5-small", Layout("reranker")) == (("", ""), [])
    with pytest.raises(ExportError, match=r"is a reranker.*leave --query-prefix"):
        settled("model", Layout("reranker"), query_prefix="q: ")


@pytest.mark.parametrize(
    ("name", "layout", "asked"),
    [
        ("model", OWN, {}),
        ("e5-small", Layout("embedder", "mean"), {}),
        ("model", Layout("embedder", "mean"), {"document_prefix": "d: "}),
    ],
)
def test_prefixes_that_are_not_pooled_are_refused(name: str, layout: Layout, asked: dict[str, str]) -> None:
    """A pooling that leaves prompts out is refused wherever the prefix comes from, and passes without one."""
    unpooled = Layout("embedder", "mean", query_prefix=layout.query_prefix, prompts_pooled=False)
    with pytest.raises(ExportError, match="include_prompt"):
        settled(name, unpooled, **asked)
    assert settled(name, unpooled, query_prefix="", document_prefix="")[0] == ("", "")
