"""What a model's files say beside its weights: served as sentence-transformers runs it, or refused by name."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optimum.exporters.onnx import main_export
from peft import PeftModel, TaskType
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from tokenizers import Tokenizer as FastTokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import models
from shortlist.export import layout, modules, prompts, tokenizer
from shortlist.export.app import run
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings
from shortlist.export.silence import quiet
from shortlist.export.texts import ODD
from shortlist.server.inference.coalescing import Coalescer, TokenizingPool
from shortlist.server.inference.models import Scored, Scorer
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime.bundle import Bundle, load
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.manifest import File, TextKind, prefixed
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Tokenizer

LONG = " ".join(f"the press of {number} printed paper" for number in range(60))
TEXTS = ["Who printed the first book", "the OLD paper", LONG, *ODD]
PAIRS = [(query, document) for query in ("who printed the book", LONG) for document in TEXTS]
IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"


def export(folder: Path, tmp_path: Path, **settings: Any) -> Bundle:
    """Export fp32 alone."""
    return models.export(folder, tmp_path / "bundle", variants=("fp32",), **settings)


def numbers(bundle: Bundle, kind: TextKind = "document") -> models.Floats:
    """Return what the server makes of the texts, or of the pairs: its own tokenizer, prefixes and graph."""
    tokens, graph = Tokenizer(bundle), Graph(bundle, "fp32", Target(), 0)
    if bundle.manifest.kind == "reranker":
        items = [item for query, document in PAIRS for item in tokens.encode_pairs(query, [document])]
        return np.concatenate([graph.run([item]) for item in items])[:, 0]
    items = tokens.encode(prefixed(bundle.manifest, TEXTS, kind))
    return np.concatenate([graph.run([item]) for item in items])


def scores(logits: models.Floats) -> models.Floats:
    """Return a reranker's scores as the server makes them of its logits."""
    return Scored(logits, np.ones(len(logits), np.bool_), 0).scores.astype(np.float32)


def assert_embeds(folder: Path, bundle: Bundle) -> None:
    """Compare both kinds of text with sentence-transformers on the folder, each text alone."""
    original = SentenceTransformer(str(folder), device="cpu")
    expected = original.encode_query(TEXTS, batch_size=1)
    np.testing.assert_allclose(numbers(bundle, "query"), expected, atol=1e-5 * np.abs(expected).max())
    expected = original.encode_document(TEXTS, batch_size=1)
    np.testing.assert_allclose(numbers(bundle), expected, atol=1e-5 * np.abs(expected).max())


def assert_predicts(folder: Path, bundle: Bundle) -> None:
    """Compare scores with CrossEncoder.predict on the folder, under a sigmoid, each pair alone."""
    original = CrossEncoder(str(folder), device="cpu")
    expected = original.predict(PAIRS, batch_size=1, activation_fn=torch.nn.Sigmoid())
    assert np.ptp(expected) > 0.02, "scores that are all the same prove nothing"
    np.testing.assert_allclose(scores(numbers(bundle)), expected, atol=1e-5)


def reranker(tmp_path: Path, family: str = "bert", names: tuple[str, ...] = ("LABEL_0",)) -> Path:
    """Make a cross-encoder."""
    return models.encoder(tmp_path / "model", family, labels=names)


def saved_cross_encoder(tmp_path: Path) -> Path:
    """Make a cross-encoder with the files that sentence-transformers writes."""
    CrossEncoder(str(reranker(tmp_path)), device="cpu").save_pretrained(
        str(tmp_path / "saved"), create_model_card=False
    )
    return tmp_path / "saved"


NO_TYPES = ["input_ids", "attention_mask"]


def test_tokenizer_that_makes_no_token_types(tmp_path: Path) -> None:
    """A BERT cross-encoder whose tokenizer makes no token types sees none, traced or taken in."""
    folder = reranker(tmp_path)
    typed = numbers(export(folder, tmp_path / "typed"))
    models.edit(folder / "tokenizer_config.json", model_input_names=NO_TYPES)
    bundle = export(folder, tmp_path)
    assert "token_type_ids" not in bundle.manifest.variants["fp32"].inputs
    assert_predicts(folder, bundle)
    assert np.abs(numbers(bundle) - typed).max() > 0.1, "token types that change nothing prove nothing"


@pytest.mark.parametrize("weights", [True, False])
def test_published_graph_of_a_tokenizer_without_token_types(weights: bool, tmp_path: Path) -> None:
    """A published graph that takes token types gets none of such a tokenizer, with weights beside it or without."""
    folder = reranker(tmp_path)
    models.edit(folder / "tokenizer_config.json", model_input_names=NO_TYPES)
    published = tmp_path / "published"
    shutil.copytree(folder, published)
    with quiet():
        main_export(str(folder), published / "onnx", task="text-classification", do_validation=False)
    if not weights:
        (published / "model.safetensors").unlink()
    bundle = export(published, tmp_path, graph="onnx/model.onnx")
    assert bundle.manifest.reference == ("pytorch" if weights else "onnx")
    assert_predicts(folder, bundle)


@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_truncation_on_the_left(kind: str, tmp_path: Path) -> None:
    """A model that is cut on the left keeps the end of a long text."""
    folder = models.embedder(tmp_path) if kind == "embedder" else reranker(tmp_path)
    right = numbers(export(folder, tmp_path / "right"))
    models.edit(folder / "tokenizer_config.json", truncation_side="left")
    bundle = export(folder, tmp_path)
    (assert_embeds if kind == "embedder" else assert_predicts)(folder, bundle)
    assert np.abs(numbers(bundle)[2] - right[2]).max() > 0.01


def test_padding_on_the_left_changes_nothing(tmp_path: Path) -> None:
    """A model that is padded on the left gives each text what it gives it alone."""
    folder = models.embedder(tmp_path)
    models.edit(folder / "tokenizer_config.json", padding_side="left")
    assert_embeds(folder, export(folder, tmp_path))


@pytest.mark.parametrize("asked", ["dot", "euclidean", "manhattan"])
def test_similarity_other_than_cosine(asked: str, tmp_path: Path) -> None:
    """It is refused by name, unless the flag takes the loss or vectors of length 1 make it the same order."""
    folder = models.embedder(tmp_path)
    models.edit(folder / "config_sentence_transformers.json", similarity_fn_name=asked)
    with pytest.raises(ExportError, match=f"the similarity '{asked}'.*--similarity cosine"):
        export(folder, tmp_path)
    assert_embeds(folder, export(folder, tmp_path, similarity="cosine"))
    unit = models.embedder(tmp_path / "unit", after=[Normalize()])
    models.edit(unit / "config_sentence_transformers.json", similarity_fn_name=asked)
    if asked == "manhattan":
        with pytest.raises(ExportError, match="manhattan"):
            export(unit, tmp_path)
    else:
        original = SentenceTransformer(str(unit), device="cpu")
        vectors = numbers(export(unit, tmp_path / "unit"))
        by_author = original.similarity(vectors[:1], vectors).numpy()[0]
        np.testing.assert_allclose(np.sort(by_author), by_author[np.argsort(vectors @ vectors[0])], atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_token_beyond_the_embedding_table(family: str, tmp_path: Path) -> None:
    """A tokenizer with a token that the model has no row for is refused, and the token is named."""
    folder = models.embedder(tmp_path, family)
    extended = AutoTokenizer.from_pretrained(folder)
    extended.add_tokens(["tokenbeyond"])
    extended.save_pretrained(folder)
    rows = len(extended) - 1
    with pytest.raises(ExportError, match=rf"'tokenbeyond' with the id {rows}, but its embedding table has {rows}"):
        export(folder, tmp_path)


async def test_token_beyond_the_table_at_the_server(tiny, tmp_path: Path) -> None:
    """A bundle of before that check scores the other documents beside a query, and only goes without that one."""
    folder = tmp_path / "bundle"
    shutil.copytree(tiny.reranker, folder)
    fast = FastTokenizer.from_file(str(folder / "tokenizer.json"))
    fast.add_tokens(["tokenbeyond"])
    fast.save(str(folder / "tokenizer.json"))
    models.edit(folder / "manifest.json", tokenizer=asdict(File.of(folder / "tokenizer.json")))
    bundle, scheduler, pool = load(folder), Scheduler(1, 10_000), TokenizingPool(1)
    try:
        scorer = Scorer(bundle, Graph(bundle, "fp32", Target(), 0), Coalescer(scheduler, pool), 0)
        documents = ["printed paper", "a tokenbeyond here", "the old press"]
        scored = await scorer.score("who printed", documents, scheduler.clock() + 60)
        assert scored.done.tolist() == [True, False, True]
        expected = await scorer.score("who printed", [documents[0], documents[2]], scheduler.clock() + 60)
        np.testing.assert_array_equal(scored.logits[[0, 2]], expected.logits)
    finally:
        scheduler.stop()
        pool.close()


@pytest.mark.parametrize(
    ("names", "relevant"),
    [
        (("duplicate", "not_duplicate"), 0),
        (("unrelated", "related"), 1),
        (("pos", "neg"), 0),
        (("1", "0"), 0),
    ],
)
def test_two_labels(names: tuple[str, str], relevant: int, tmp_path: Path) -> None:
    """The label whose words say relevant is scored by; progress tells it, and the manifest keeps it."""
    folder = reranker(tmp_path, names=names)
    lines: list[str] = []
    settings = ExportSettings(model=str(folder), out=tmp_path / "bundle", variants=("fp32",), **models.OPEN_GATE)
    bundle = run(settings, lines.append)
    assert any(f"by the label {names[relevant]!r}" in line for line in lines)
    assert bundle.manifest.relevant_label == names[relevant]
    expected = CrossEncoder(str(folder), device="cpu").predict(PAIRS, batch_size=1, apply_softmax=True)
    np.testing.assert_allclose(scores(numbers(bundle)), expected[:, relevant], atol=1e-5)


def test_two_labels_that_say_nothing(tmp_path: Path) -> None:
    """They are refused with the flag that tells, which turns the order round and makes another fingerprint."""
    folder = reranker(tmp_path, names=("spam", "ham"))
    with pytest.raises(ExportError, match=r"the labels spam, ham, .* name it with --relevant-label"):
        export(folder, tmp_path)
    with pytest.raises(ExportError, match="--relevant-label is 'eggs', but model has spam, ham"):
        export(folder, tmp_path, relevant_label="eggs")
    one, other = (export(folder, tmp_path / name, relevant_label=name) for name in ("spam", "ham"))
    np.testing.assert_allclose(numbers(one), -numbers(other), atol=1e-5)
    assert one.manifest.fingerprint("fp32") != other.manifest.fingerprint("fp32")


@pytest.mark.parametrize("activation", [IDENTITY, SIGMOID])
def test_activation_of_one_label(activation: str, tmp_path: Path) -> None:
    """`predict` gives the server's logit where it has no activation, and its score where it has a sigmoid."""
    folder = reranker(tmp_path)
    models.edit(folder / "config.json", sentence_transformers={"activation_fn": activation})
    found = numbers(export(folder, tmp_path))
    expected = CrossEncoder(str(folder), device="cpu").predict(PAIRS, batch_size=1)
    np.testing.assert_allclose(found if activation == IDENTITY else scores(found), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "config", "named"),
    [
        (("LABEL_0",), {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}, "Tanh"),
        (("LABEL_0",), {"sbert_ce_default_activation_function": "torch.nn.modules.activation.ReLU"}, "ReLU"),
        (("no", "yes"), {"sentence_transformers": {"activation_fn": SIGMOID}}, "Sigmoid behind 2 labels"),
    ],
)
def test_activations_that_the_server_has_not(
    names: tuple[str, ...], config: dict[str, Any], named: str, tmp_path: Path
) -> None:
    """A cross-encoder with another activation is refused by its name, in the notation of either version."""
    folder = reranker(tmp_path, names=names)
    models.edit(folder / "config.json", **config)
    with pytest.raises(ExportError, match=named):
        export(folder, tmp_path)


def test_default_prompt(tmp_path: Path) -> None:
    """A default prompt is left out as `encode_query` and `encode_document` leave it out, and progress tells so."""
    folder = models.embedder(tmp_path, prompts={"sts": "what is said of "})
    models.edit(folder / "config_sentence_transformers.json", default_prompt_name="sts", prompts={"sts": "said of "})
    lines: list[str] = []
    bundle = run(ExportSettings(model=str(folder), out=tmp_path / "bundle", variants=("fp32",)), lines.append)
    assert any("'said of '" in line and "--query-prefix and --document-prefix" in line for line in lines)
    assert_embeds(folder, bundle)
    encoded = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, batch_size=1)
    asked = numbers(export(folder, tmp_path, query_prefix="said of ", document_prefix="said of "))
    np.testing.assert_allclose(asked, encoded, atol=1e-5 * np.abs(encoded).max())


def test_passage_prompt(tmp_path: Path) -> None:
    """A prompt that is named for passages goes before documents, as the library's documentation has it."""
    folder = models.embedder(tmp_path)
    models.edit(folder / "config_sentence_transformers.json", prompts={"query": "ask ", "passage": "read "})
    original = SentenceTransformer(str(folder), device="cpu")
    expected = original.encode_document(TEXTS, prompt_name="passage", batch_size=1)
    found = numbers(export(folder, tmp_path))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_truncated_vectors(tmp_path: Path) -> None:
    """`truncate_dim` cuts the vectors, which are then no longer of length 1."""
    folder = models.embedder(tmp_path, after=[Normalize()])
    models.edit(folder / "config_sentence_transformers.json", truncate_dim=12)
    bundle = export(folder, tmp_path)
    assert (bundle.manifest.dimensions, bundle.manifest.normalized) == (12, False)
    assert_embeds(folder, bundle)


@pytest.mark.parametrize("config", [{"truncation_side": "left"}, {"model_max_length": 20}])
@pytest.mark.parametrize("key", ["tokenizer_args", "processor_kwargs"])
def test_settings_for_the_tokenizer(key: str, config: dict[str, Any], tmp_path: Path) -> None:
    """What the first module hands to the tokenizer is handed on, in the notation of either version."""
    folder = models.embedder(tmp_path)
    models.edit(folder / "sentence_bert_config.json", **{key: config}, max_seq_length=30)
    bundle = export(folder, tmp_path)
    assert bundle.manifest.max_tokens == config.get("model_max_length", 30)
    assert_embeds(folder, bundle)


def test_first_versions_configuration(tmp_path: Path) -> None:
    """Window and lower case are found in a file of the name that the first versions gave it."""
    folder = models.embedder(tmp_path, "roberta")
    (folder / "sentence_bert_config.json").unlink()
    (folder / "sentence_roberta_config.json").write_text('{"max_seq_length": 24, "do_lower_case": true}')
    bundle = export(folder, tmp_path)
    assert bundle.manifest.max_tokens == 24
    assert_embeds(folder, bundle)


def test_without_modules_no_other_file_counts(tmp_path: Path) -> None:
    """sentence_bert_config.json beside a plain encoder is no file that sentence-transformers reads."""
    folder = models.encoder(tmp_path / "model", "roberta")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24, "do_lower_case": true}')
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "ask "}}')
    bundle = export(folder, tmp_path)
    assert bundle.manifest.max_tokens == models.WINDOW
    assert_embeds(folder, bundle)


def test_adapter_of_a_cross_encoder_on_a_dual_encoder(tmp_path: Path) -> None:
    """The base's modules and prompts are a dual encoder's and do not count; its window does, as no other is known."""
    base = models.embedder(tmp_path, after=[Normalize()], prompts={"query": "ask "})
    models.edit(base / "sentence_bert_config.json", max_seq_length=20)
    folder = models.adapter(tmp_path / "adapter", base, TaskType.SEQ_CLS)
    bundle = export(folder, tmp_path)
    assert bundle.manifest.max_tokens == 20
    merged = PeftModel.from_pretrained(
        AutoModelForSequenceClassification.from_pretrained(base, num_labels=1), folder
    ).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(base, model_max_length=20).save_pretrained(tmp_path / "merged")
    assert_predicts(tmp_path / "merged", bundle)


def test_more_modules_than_a_cross_encoder_has_here(tmp_path: Path) -> None:
    """A cross-encoder with modules behind its transformer is refused by the first one's name."""
    folder = saved_cross_encoder(tmp_path)
    entries = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    entries.append(
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "sentence_transformers.base.modules.dense.Dense"}
    )
    (folder / "modules.json").write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(ExportError, match="a reranker with the module Dense behind its transformer"):
        export(folder, tmp_path)


def test_prompts_of_a_cross_encoder(tmp_path: Path) -> None:
    """Prompts that `predict` does not use change nothing; a default one, which it uses, is refused by name."""
    folder = saved_cross_encoder(tmp_path)
    models.edit(folder / "config_sentence_transformers.json", prompts={"query": "ask "})
    assert_predicts(folder, export(folder, tmp_path))
    models.edit(folder / "config_sentence_transformers.json", default_prompt_name="query")
    with pytest.raises(ExportError, match="default prompt \\('ask '\\)"):
        export(folder, tmp_path, force=True)


def test_settings_of_each_call(tmp_path: Path) -> None:
    """Settings that sentence-transformers hands to the tokenizer at each call are refused by name."""
    folder = models.embedder(tmp_path)
    models.edit(folder / "sentence_bert_config.json", processing_kwargs={"text": {"max_length": 5}})
    with pytest.raises(ExportError, match=r"processing_kwargs \{'text': \{'max_length': 5\}\}"):
        export(folder, tmp_path)


def test_reading_that_nobody_thought_of(tmp_path: Path) -> None:
    """Whatever makes transformers read a text otherwise ends the export, which names text, place and tokens."""
    folder = models.embedder(tmp_path)
    models.edit(folder / "tokenizer_config.json", split_special_tokens=True)
    with pytest.raises(ExportError, match=r"\[SEP\].* is read otherwise than by sentence-transformers"):
        export(folder, tmp_path)


def _no_prompts(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    models.edit(folder / "config_sentence_transformers.json", prompts={"query": "ask ", "document": ""})
    monkeypatch.setattr(prompts, "read", lambda config: prompts.Prompts())


def _no_window(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    models.edit(folder / "tokenizer_config.json", model_max_length=20)
    right = tokenizer.loaded

    def wider(*given: Any) -> Any:
        found = right(*given)
        found.model_max_length = 30
        return found

    monkeypatch.setattr(tokenizer, "loaded", wider)


def _other_pooling(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(modules, "pooling", lambda *_: "cls")


def _other_steps(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    models.edit(folder / "config_sentence_transformers.json", truncate_dim=12)
    right = layout._embedder
    monkeypatch.setattr(layout, "_embedder", lambda *given: replace(right(*given), steps=()))


@pytest.mark.parametrize("misread", [_no_prompts, _no_window, _other_pooling, _other_steps])
def test_the_proof_sees_what_is_misread(
    misread: Callable[[pytest.MonkeyPatch, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt, a window, a pooling or a step that export reads wrongly cannot pass."""
    folder = models.embedder(tmp_path)
    misread(monkeypatch, folder)
    with pytest.raises(ExportError, match=r"otherwise than by|does not compute what|elements"):
        export(folder, tmp_path)
    assert not (tmp_path / "bundle").exists()
