"""Texts and token vectors of a late-interaction model, without its graph."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from shortlist.server.errors import BundleError
from shortlist.server.runtime.late_interaction import TokenReader, maxsim
from shortlist.server.runtime.manifest import Expansion, LateInteraction, TokenPooling, TokenRules
from shortlist.server.runtime.tokens import pad

WORDS = {word: place for place, word in enumerate(("pad", "unk", "cls", "sep", "mask", "q", "d", ".", "ink", "mill"))}
PAD, CLS, SEP, MASK, Q, D, DOT, INK, MILL = (WORDS[word] for word in WORDS if word != "unk")


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """Write a tokenizer of words."""
    fast = Tokenizer(models.WordLevel(WORDS, unk_token="unk"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast.post_processor = processors.TemplateProcessing(
        single="cls $A sep", special_tokens=[("cls", CLS), ("sep", SEP)]
    )
    fast.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def reader(tokenizer: Path, query: TokenRules, document: TokenRules, prefix: str = "") -> TokenReader:
    """Return a reader with these rules, and this prefix before queries."""
    found = LateInteraction("pylate", "maxsim", query, document)
    return TokenReader(tokenizer, found, {"query": prefix, "document": ""})


def test_a_marker_stands_behind_the_first_token(tokenizer: Path) -> None:
    """It is put in by its id, and texts are cut so that they fit the window with it; a text of nothing has it too."""
    one = reader(tokenizer, TokenRules(8, Q), TokenRules(8, D))
    (short, nothing) = one.read(["ink mill", ""], "query")
    assert short.input_ids.tolist() == [CLS, Q, INK, MILL, SEP]
    assert nothing.input_ids.tolist() == [CLS, Q, SEP]
    (cut,) = one.read(["ink " * 20], "document")
    assert cut.input_ids.tolist() == [CLS, D, *[INK] * 5, SEP]
    assert cut.truncated
    (end,) = one.read(["mill " * 20 + "ink"], "document", "start")
    assert end.input_ids.tolist() == [CLS, D, *[MILL] * 4, INK, SEP]


def test_a_prefix_is_text(tokenizer: Path) -> None:
    """What goes before a query is tokenized with it, behind the marker."""
    one = reader(tokenizer, TokenRules(8, Q), TokenRules(8), prefix="mill ")
    assert one.read(["ink"], "query")[0].input_ids.tolist() == [CLS, Q, MILL, INK, SEP]
    assert one.read(["ink"], "document")[0].input_ids.tolist() == [CLS, INK, SEP]


@pytest.mark.parametrize(("attended", "seen"), [(False, [1, 1, 1, 1, 0, 0, 0, 0]), (True, [1] * 8)])
def test_expansion_fills_short_queries(tokenizer: Path, attended: bool, seen: list[int]) -> None:
    """It fills up to its length, not beyond; the body's mask hides what is not attended, and all of it counts."""
    one = reader(tokenizer, TokenRules(10, Q, Expansion(MASK, 8, attended)), TokenRules(8))
    short, long = one.read(["ink", "mill " * 20], "query")
    assert short.input_ids.tolist() == [CLS, Q, INK, SEP, *[MASK] * 4]
    assert len(long) == 10
    feeds = pad([short, long], PAD)
    assert feeds["attention_mask"].tolist() == [[*seen, 0, 0], [1] * 10]
    assert feeds["token_type_ids"].tolist() == [[0] * 10] * 2
    assert one.counted(short, "query").tolist() == [True] * 8


def test_skipped_tokens_are_read_and_do_not_count(tokenizer: Path) -> None:
    """Punctuation of a document stays in what the graph reads, and its vectors are left out; a query's count."""
    one = reader(tokenizer, TokenRules(8), TokenRules(8, skipped=(DOT,)))
    (item,) = one.read(["ink . mill ."], "document")
    assert item.input_ids.tolist() == [CLS, INK, DOT, MILL, DOT, SEP]
    vectors = np.arange(16, dtype=np.float32).reshape(8, 2)  # two rows of padding
    assert one.kept(item, vectors, "document")[:, 0].tolist() == [0, 2, 6, 10]
    assert len(one.kept(item, vectors, "query")) == 6


def test_alike_vectors_are_merged_in_documents(tokenizer: Path) -> None:
    """Only the kind of text that has a pooling is merged, the protected vectors left as they are."""
    one = reader(tokenizer, TokenRules(8), TokenRules(8, pooling=TokenPooling(2.0, 1, normalized=False)))
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]], np.float32)
    assert one.merged(vectors, "document").tolist() == [[1, 0], [0, 1], [1, 0]]
    assert one.merged(vectors, "query") is vectors


def test_maxsim_is_the_sum_of_the_best() -> None:
    """It equals the two loops that define it, for documents of any number of vectors, and of none there is none."""
    rng = np.random.default_rng(0)
    query = rng.normal(size=(5, 4)).astype(np.float32)
    documents = [rng.normal(size=(count, 4)).astype(np.float32) for count in (1, 7, 3)]
    expected = [sum(max(float(q @ d) for d in document) for q in query) for document in documents]
    np.testing.assert_allclose(maxsim(query, documents), expected, rtol=1e-5)
    assert maxsim(query, []).tolist() == []


def test_another_kind_of_bundle_is_refused_by_name() -> None:
    """An embedder has no rules for token vectors."""
    manifest = SimpleNamespace(late_interaction=None, kind="embedder")
    with pytest.raises(BundleError, match="is of kind embedder, but kind late-interaction is needed"):
        TokenReader.of(SimpleNamespace(path=Path("bundle"), manifest=manifest))


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (TokenRules(8, len(WORDS)), "a query's marker is token 10, which"),
        (TokenRules(8, Q, Expansion(99, 8, attended=True)), "a query's filling is token 99, which"),
    ],
)
def test_a_token_that_the_vocabulary_does_not_have(tokenizer: Path, query: TokenRules, named: str) -> None:
    """A marker, or what fills a query, that is no token of the model's is refused by its number."""
    with pytest.raises(BundleError, match=f"{named} .*tokenizer.json does not have; export the model again"):
        reader(tokenizer, query, TokenRules(8, D))


def test_an_estimate_counts_what_is_added(tokenizer: Path) -> None:
    """The marker and what fills a query are tokens that a run is charged for."""
    one = reader(tokenizer, TokenRules(10, Q, Expansion(MASK, 8, attended=True)), TokenRules(10, D))
    assert (one.estimate(4, "query"), one.estimate(40, "query")) == (8, 10)
    assert one.estimate(4, "document") == 2
