"""Late-interaction models in the three layouts of the field, from a folder to MaxSim by the server's own code."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from peft import TaskType

import families
import late_goldens
import late_models
import tiny_models
from shortlist.export import layout, source, tokenizer
from shortlist.export.errors import ExportError
from shortlist.export.late_interaction.reference import TorchReference
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.late_interaction import TokenReader, maxsim
from shortlist.server.runtime.manifest import TextKind
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Encoded

Floats = tiny_models.Floats

TEXTS: dict[TextKind, tuple[str, ...]] = {"query": late_goldens.QUERIES, "document": late_goldens.DOCUMENTS}
# fp32 in another order of sums, behind divisions by lengths that random weights make small.
VECTOR_TOLERANCE = 1e-5
SCORE_TOLERANCE = 1e-4  # of sums over up to 24 vectors
PER_QUERY = {"strategy": "fixed", "attend": False, "token": None, "length": late_models.QUERY_TOKENS}


def served(bundle: Bundle, texts: Sequence[str], kind: TextKind, variant: str = "fp32") -> list[Floats]:
    """Return the vectors that stand for texts, as the server's code makes them."""
    reader, graph = TokenReader.of(bundle), Graph(bundle, variant, Target(), 0)
    items = reader.read(texts, kind)
    return [reader.merged(reader.kept(item, graph.run([item])[0], kind), kind) for item in items]


def authors(folder: Path, kind: TextKind) -> list[Floats]:
    """Return the vectors that the library which saved a model made."""
    arrays = np.load(folder / "vectors.npz")
    return [arrays[f"{kind}_{place}"] for place in range(len(TEXTS[kind]))]


def in_order(vectors: Floats) -> Floats:
    """Return vectors in an order of their own, since clusters have none."""
    return vectors[np.lexsort(vectors.round(3).T)]


def assert_same(found: Sequence[Floats], expected: Sequence[Floats]) -> None:
    """Compare the vectors of texts."""
    assert [one.shape for one in found] == [one.shape for one in expected]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(in_order(mine), in_order(theirs), atol=VECTOR_TOLERANCE)


@pytest.mark.parametrize("folder", sorted(late_goldens.HERE.iterdir()), ids=lambda folder: folder.name)
def test_the_authors_own_numbers(folder: Path, tmp_path: Path) -> None:
    """A folder that its library saved is exported to what that library makes of texts, vectors and scores alike.

    So does the reference that every export is held against.
    """
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    manifest = bundle.manifest
    assert (manifest.kind, manifest.reference) == ("late-interaction", "transformers")
    assert (manifest.dimensions, manifest.normalized) == (late_goldens.DIMENSIONS, True)
    assert manifest.late_interaction is not None
    assert folder.name.startswith(manifest.late_interaction.layout)
    found = {kind: served(bundle, texts, kind) for kind, texts in TEXTS.items()}
    for kind in TEXTS:
        assert_same(found[kind], authors(folder, kind))
    scores = [maxsim(query, found["document"]) for query in found["query"]]
    np.testing.assert_allclose(scores, np.load(folder / "vectors.npz")["maxsim"], atol=SCORE_TOLERANCE)
    assert np.ptp(scores[0]) > 0.1, "scores that are all the same prove nothing"
    origin = source.resolve(str(folder))
    read = layout.read(origin, "late-interaction")
    loaded = tokenizer.loaded(origin, read)
    reference = TorchReference(origin, read, read.tokens, loaded, late_goldens.DOCUMENT_TOKENS)
    for kind, texts in TEXTS.items():
        assert_same([reference.merged(one, kind) for one in reference.run(texts, kind)], authors(folder, kind))


MAKERS: dict[str, Callable[[Path], Path]] = {
    "stanford": late_models.stanford,
    "pylate": late_models.pylate,
    "sentence-transformers": lambda folder: late_models.multi_vector(folder, expansion=PER_QUERY),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Export a tiny model of each layout, made on the spot, in every variant for CPUs."""
    root = tmp_path_factory.mktemp("late")
    folders = {name: make(root / name) for name, make in MAKERS.items()}
    return {
        name: tiny_models.export(folder, root / f"{name}-bundle", variants=tiny_models.BOTH)
        for name, folder in folders.items()
    }


@pytest.mark.parametrize("name", MAKERS)
def test_every_layout(bundles: dict[str, Bundle], name: str) -> None:
    """Each layout gives the rules that its files name, and variants that vary with no batch."""
    manifest = bundles[name].manifest
    rules = manifest.late_interaction
    assert rules is not None
    assert (rules.layout, rules.similarity) == (name, "maxsim")
    assert (rules.query.max_tokens, rules.document.max_tokens) == (16, 40)
    assert manifest.max_tokens == 40
    vocabulary = json.loads(bundles[name].tokenizer.read_text(encoding="utf-8"))
    ids = vocabulary["model"]["vocab"] | {one["content"]: one["id"] for one in vocabulary["added_tokens"]}
    assert rules.query.expansion == msgspec.convert(
        {"token": ids["[MASK]"], "length": 16, "attended": False}, type(rules.query.expansion)
    )
    assert rules.document.expansion is None
    markers = [ids[marker] for marker in late_models.MARKERS]
    by_id = [rules.query.marker, rules.document.marker]
    assert by_id == ([None, None] if name == "sentence-transformers" else markers)
    reader = TokenReader.of(bundles[name])
    assert [reader.read(["paper"], kind)[0].input_ids[1] for kind in TEXTS] == markers
    assert {ids[sign] for sign in late_models.PUNCTUATION if sign in ids} <= set(rules.document.skipped)
    assert rules.query.skipped == ()
    assert set(manifest.variants) == set(tiny_models.BOTH)
    for variant in manifest.variants.values():
        assert variant.output == "token_vectors"
        assert variant.batch_invariant
        assert {"kendall_tau", "ndcg10_loss", "cosine_min"} <= set(variant.parity) or variant.precision == "fp32"


@pytest.mark.parametrize("variant", tiny_models.BOTH)
def test_what_is_not_attended_to_changes_no_other_token(bundles: dict[str, Bundle], variant: str) -> None:
    """The tokens of a query have the same vectors with and without the expansion behind them, in int8 too."""
    bundle = bundles["pylate"]
    (item,) = TokenReader.of(bundle).read(["who printed"], "query")
    own = len(item) - item.unattended
    assert own < len(item)
    alone = Encoded(item.input_ids[:own], item.type_ids[:own], truncated=False)
    graph = Graph(bundle, variant, Target(), 0)
    expanded, bare = graph.run([item])[0], graph.run([alone])[0]
    np.testing.assert_allclose(expanded[:own], bare, atol=1e-6)
    attended = Encoded(item.input_ids, item.type_ids, truncated=False)
    assert np.abs(graph.run([attended])[0][:own] - bare).max() > 1e-3, "what is attended to does change them"


@pytest.mark.parametrize("variant", tiny_models.BOTH)
def test_a_graph_runs_texts_of_any_length_together(bundles: dict[str, Bundle], variant: str) -> None:
    """A stack gives the vectors of each text alone, with queries beside documents."""
    bundle = bundles["stanford"]
    reader, graph = TokenReader.of(bundle), Graph(bundle, variant, Target(), 0)
    items = [*reader.read(["ink", "who printed the paper"], "query"), *reader.read(["the press. " * 20], "document")]
    together = graph.run(items)
    assert together.shape == (3, 40, late_models.DIMENSIONS)
    for item, rows in zip(items, together, strict=True):
        np.testing.assert_allclose(rows[: len(item)], graph.run([item])[0], atol=1e-6)


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "distilbert"])
def test_other_architectures(family: str, tmp_path: Path) -> None:
    """Tokenizers and positions of other kinds go the same way; the export's own proof compares them with PyTorch."""
    make = late_models.stanford if family == "distilbert" else late_models.pylate
    bundle = tiny_models.export(make(tmp_path / "model", family), tmp_path / "bundle")
    parity = bundle.manifest.variants["fp32"].parity
    assert parity["vectors"] > 2000
    assert parity["element_change_max"] < VECTOR_TOLERANCE
    assert parity["batch_change_max"] < VECTOR_TOLERANCE


def test_what_sentence_transformers_can_name(tmp_path: Path) -> None:
    """Residual layers, words that queries skip, floors without ceilings and pooling of queries are all honoured."""
    folder = late_models.multi_vector(
        tmp_path / "model",
        expansion={"strategy": "min", "attend": True, "token": "[SEP]", "length": 10},
        mask={"skiplist_words": ["."], "skiplist_tasks": ["query", "document"]},
        pooling={"pool_factor": 1.5, "num_protected_tokens": 0, "tasks": "query"},
        residual=True,
        similarity_fn_name="meanmaxsim",
    )
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    rules = bundle.manifest.late_interaction
    assert rules is not None
    assert rules.similarity == "meanmaxsim"
    assert rules.query.max_tokens == late_models.QUERY_TOKENS
    assert rules.query.expansion is not None
    assert (rules.query.expansion.length, rules.query.expansion.attended) == (10, True)
    assert rules.query.skipped == rules.document.skipped != ()
    assert rules.document.pooling is None
    assert rules.query.pooling is not None
    assert (rules.query.pooling.factor, rules.query.pooling.normalized) == (1.5, False)
    (short,) = served(bundle, ["ink"], "query")
    assert len(short) == 6


def test_a_window_that_is_asked_for_is_that_of_documents(tmp_path: Path) -> None:
    """`--max-tokens` cuts documents, and leaves queries and their expansion alone."""
    folder = late_models.stanford(tmp_path / "model")
    rules = tiny_models.export(folder, tmp_path / "bundle", max_tokens=20).manifest.late_interaction
    assert rules is not None
    assert (rules.query.max_tokens, rules.document.max_tokens) == (16, 20)


def test_an_adapter_with_a_projection(tmp_path: Path) -> None:
    """A LoRA adapter with PyLate's files beside it is merged into its base."""
    base = late_models.pylate(tmp_path / "base")
    adapter = tiny_models.adapter(tmp_path / "adapter", base, TaskType.FEATURE_EXTRACTION)
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "1_Dense"):
        (base / name).rename(adapter / name)
    bundle = tiny_models.export(adapter, tmp_path / "bundle")
    assert bundle.manifest.kind == "late-interaction"
    assert bundle.manifest.variants["fp32"].parity["element_change_max"] < VECTOR_TOLERANCE


def edited(make: Callable[..., Path], file: str, **changes: Any) -> Callable[[Path], Path]:
    """Return a maker of a model with one file changed."""

    def changed(folder: Path) -> Path:
        tiny_models.edit(make(folder) / file, **changes)
        return folder

    return changed


def without(make: Callable[..., Path], file: str) -> Callable[[Path], Path]:
    """Return a maker of a model that misses a file."""

    def changed(folder: Path) -> Path:
        (make(folder) / file).unlink()
        return folder

    return changed


OWN, BODY = "config_sentence_transformers.json", "sentence_bert_config.json"
REFUSED: dict[str, tuple[Callable[[Path], Path], dict[str, Any], str]] = {
    "a marker that is no token": (
        lambda folder: late_models.stanford(folder, query_token_id="[unused7]"),
        {},
        r"the marker of a query, '\[unused7\]', is not in its tokenizer's vocabulary.*name the model's own",
    ),
    "PyLate's default marker that is no token": (
        lambda folder: late_models.pylate(folder, document_prefix=None),
        {},
        r"the marker of a document, '\[D\] ', is not in its tokenizer's vocabulary",
    ),
    "an expansion that is no token": (
        lambda folder: late_models.multi_vector(folder, expansion={**PER_QUERY, "token": "<more>"}),
        {},
        "the token that expands queries, '<more>', is not in its tokenizer's vocabulary",
    ),
    "Stanford without its metadata": (
        without(late_models.stanford, "artifact.metadata"),
        {},
        r"artifact\.metadata, which says its markers and lengths, is not there; fetch the model again",
    ),
    "Stanford with another width": (
        lambda folder: late_models.stanford(folder, dim=16),
        {},
        r"the weights of model do not fit its configuration: linear is .*\(12, 32\).*, and should be .*\(16, 32\)",
    ),
    "another interaction": (
        lambda folder: late_models.stanford(folder, interaction="flipr"),
        {},
        "the interaction 'flipr'.*only colbert can be exported",
    ),
    "PyLate without its projection": (
        edited(late_models.pylate, "1_Dense/config.json", out_features=7),
        {},
        "the weights of 1_Dense do not fit its configuration",
    ),
    "a length that is none": (
        edited(late_models.pylate, OWN, query_length="long"),
        {},
        "query_length 'long', but a window is a number of tokens, 8 or more",
    ),
    "a configuration of another shape": (
        edited(late_models.multi_vector, BODY, query_expansion=[1]),
        {},
        "its configuration is damaged",
    ),
    "documents longer than the model": (
        edited(late_models.pylate, OWN, document_length=100),
        {},
        f"100 tokens for a document, but {families.WINDOW} positions; give --max-tokens {families.WINDOW}",
    ),
    "a similarity of single vectors": (
        lambda folder: late_models.multi_vector(folder, similarity_fn_name="cosine"),
        {},
        "the similarity 'cosine'.*late interaction is maxsim or meanmaxsim",
    ),
    "vectors of images": (
        lambda folder: late_models.multi_vector(folder, mask={"keep_only_token_ids": [7]}),
        {},
        "keep_only_token_ids",
    ),
    "no late-interaction model": (
        tiny_models.encoder,
        {"kind": "late-interaction"},
        "is no late-interaction model: neither its config_sentence_transformers.json.*or another --kind",
    ),
    "a graph to take in": (
        late_models.pylate,
        {"graph": "model.onnx"},
        "model.onnx",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    """It is named with the remedy, in one line, and leaves no bundle."""
    make, settings, named = REFUSED[case]
    folder = make(tmp_path / "model")
    with pytest.raises(ExportError, match=named) as refused:
        tiny_models.export(folder, tmp_path / "bundle", **settings)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "bundle").exists()
