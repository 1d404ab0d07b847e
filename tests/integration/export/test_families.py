"""Exported models beside the rows of docs/models.md, held against sentence-transformers on the same folder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel, TaskType
from sentence_transformers import CrossEncoder
from sentence_transformers.sentence_transformer.modules import Dense, Dropout, Normalize
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

import families
import matrix
import reference
import tiny_models
from shortlist.export.app import run
from shortlist.export.quantization import int8_range
from shortlist.export.settings import ExportSettings


def test_embedder_of_another_family(tmp_path: Path) -> None:
    """An embedder of the architecture of which docs/models.md has none computes what sentence-transformers does."""
    (family,) = families.FAMILIES.keys() - {row.family for row in matrix.ROWS if row.kind == "embedder"}
    folder = tiny_models.embedder(tmp_path, family)
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    assert bundle.manifest.kind == "embedder"
    assert not bundle.manifest.normalized
    reference.assert_embeds_like(folder, bundle)


@pytest.mark.parametrize(
    "family", sorted(families.FAMILIES.keys() - {row.family for row in matrix.ROWS if row.kind == "reranker"})
)
def test_reranker_of_other_families(family: str, tmp_path: Path) -> None:
    """A reranker of an architecture of which docs/models.md has none scores pairs as sentence-transformers does."""
    folder = tiny_models.encoder(tmp_path / "model", family, labels=["LABEL_0"])
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    assert bundle.manifest.kind == "reranker"
    expected = reference.scores(folder)
    assert np.ptp(expected) > 0.02, "scores that are all the same prove nothing"
    for batch in (1, 5):
        np.testing.assert_allclose(reference.bundle_scores(bundle, batch), expected, atol=reference.SCORE_TOLERANCE)


@pytest.mark.parametrize("pooling", ["cls", "max"])
def test_pooling(pooling: str, tmp_path: Path) -> None:
    """CLS and max pooling are those of sentence-transformers, padded or not."""
    folder = tiny_models.embedder(tmp_path, pooling=pooling)
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    assert bundle.manifest.pooling == pooling
    reference.assert_embeds_like(folder, bundle)


def test_dense_normalize_prompts_and_window(tmp_path: Path) -> None:
    """Dense layers, normalization, both prompts and a narrower window come from the model's own configuration."""
    after = [
        Dense(families.WIDTH, 24),
        Dropout(0.5),
        Dense(24, 16, bias=False, activation_function=torch.nn.Identity()),
        Normalize(),
    ]
    prompts = {"query": "query: ", "document": "passage: "}
    folder = tiny_models.embedder(tmp_path, after=after, prompts=prompts, window=32)
    tiny_models.edit(folder / "sentence_bert_config.json", max_seq_length=32)
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    manifest = bundle.manifest
    assert (manifest.dimensions, manifest.max_tokens, manifest.normalized) == (16, 32, True)
    assert (manifest.query_prefix, manifest.document_prefix) == ("query: ", "passage: ")
    reference.assert_embeds_like(folder, bundle)


def test_window_is_the_models_own_not_the_tokenizer_files(tmp_path: Path) -> None:
    """A tokenizer.json that truncates and pads to a fixed length neither shortens nor pads what is embedded."""
    folder = tiny_models.embedder(tmp_path)
    tiny_models.edit(
        folder / "tokenizer.json",
        truncation={"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        padding={
            "strategy": {"Fixed": 8},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
    )
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    written = bundle.tokenizer.read_text(encoding="utf-8")
    assert '"truncation": null' in written
    assert '"padding": null' in written
    assert bundle.manifest.max_tokens == families.WINDOW
    reference.assert_embeds_like(folder, bundle)


def test_lower_case_of_the_transformer_module(tmp_path: Path) -> None:
    """`do_lower_case` in sentence_bert_config.json lower-cases texts for a tokenizer that keeps case."""
    folder = tiny_models.embedder(tmp_path, "roberta")
    tiny_models.edit(folder / "sentence_bert_config.json", do_lower_case=True)
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    reference.assert_embeds_like(folder, bundle)


def test_encoder_without_modules_is_mean_pooled_and_says_so(tmp_path: Path) -> None:
    """A bare encoder is pooled as sentence-transformers would, and progress tells that the model does not say."""
    folder = tiny_models.encoder(tmp_path / "model")
    lines: list[str] = []
    bundle = run(str(folder), ExportSettings(out=tmp_path / "bundle", variants=("fp32",)), lines.append)
    assert any("does not say how it pools" in line for line in lines)
    reference.assert_embeds_like(folder, bundle)


@pytest.mark.parametrize(
    ("labels", "positive"),
    [(("LABEL_0", "LABEL_1"), 1), (("relevant", "irrelevant"), 0), (("entailment", "not_entailment"), 0)],
)
def test_two_labels_score_by_the_positive(labels: tuple[str, str], positive: int, tmp_path: Path) -> None:
    """Of two labels the score is the softmax's probability of the positive one, found by its name."""
    folder = tiny_models.encoder(tmp_path / "model", labels=labels)
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    np.testing.assert_allclose(
        reference.bundle_scores(bundle), reference.scores(folder)[:, positive], atol=reference.SCORE_TOLERANCE
    )


def test_saved_cross_encoder(tmp_path: Path) -> None:
    """A folder that CrossEncoder.save wrote, which has a modules.json, is a reranker."""
    plain = tiny_models.encoder(tmp_path / "plain", labels=["LABEL_0"])
    folder = tmp_path / "model"
    CrossEncoder(str(plain), device="cpu").save_pretrained(str(folder), create_model_card=False)
    assert (folder / "modules.json").is_file()
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    assert bundle.manifest.kind == "reranker"
    np.testing.assert_allclose(
        reference.bundle_scores(bundle), reference.scores(folder), atol=reference.SCORE_TOLERANCE
    )


@pytest.mark.parametrize("labels", [1, 2])
def test_reranker_adapter_is_merged(labels: int, tmp_path: Path) -> None:
    """A PEFT adapter on a headless base brings its classification head, and is merged with its base."""
    base = tiny_models.encoder(tmp_path / "base")
    folder = tiny_models.adapter(tmp_path / "adapter", base, TaskType.SEQ_CLS, labels=labels)
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    assert bundle.manifest.kind == "reranker"
    assert bundle.manifest.source.model == "adapter"
    under = AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels)
    merged = PeftModel.from_pretrained(under, folder).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "merged")
    expected = reference.scores(tmp_path / "merged")
    expected = expected if labels == 1 else expected[:, 1]
    np.testing.assert_allclose(reference.bundle_scores(bundle), expected, atol=reference.SCORE_TOLERANCE)


def test_embedder_adapter_is_merged_with_a_base_beside_it(tmp_path: Path) -> None:
    """An adapter's base may be named by a path relative to it, and --base overrides the name."""
    base = tiny_models.encoder(tmp_path / "base")
    folder = tiny_models.adapter(tmp_path / "adapter", base, TaskType.FEATURE_EXTRACTION)
    tiny_models.edit(folder / "adapter_config.json", base_model_name_or_path="../base")
    bundle = tiny_models.export(folder, tmp_path / "bundle")
    merged = PeftModel.from_pretrained(AutoModel.from_pretrained(base), folder).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "merged")
    reference.assert_embeds_like(tmp_path / "merged", bundle)
    tiny_models.edit(folder / "adapter_config.json", base_model_name_or_path="moved/away")
    again = tiny_models.export(folder, tmp_path / "again", base=str(base))
    assert again.manifest.source.weights_sha256 == bundle.manifest.source.weights_sha256


def test_what_the_manifest_says(tmp_path: Path) -> None:
    """Parity figures, batch invariance, source and hashes are in the manifest, and its files pass their check."""
    bundle = tiny_models.export(
        tiny_models.embedder(tmp_path, after=[Normalize()]), tmp_path / "bundle", variants=tiny_models.BOTH
    )
    manifest = bundle.manifest
    assert manifest.source.model == "model"
    assert manifest.source.architecture == "BertModel"
    assert list(manifest.variants) == ["fp32", "int8-token"]
    fp32, int8 = manifest.variants.values()
    assert int8.precision.startswith(f"{int8_range.PRECISION}, one scale a token in ")
    assert fp32.batch_invariant
    assert int8.batch_invariant
    assert fp32.parity["cosine_min"] > 1 - 1e-5
    assert fp32.parity["cosine_min"] > int8.parity["cosine_mean"] > 0.95
    assert manifest.tools["onnxruntime"]
    for variant in manifest.variants:
        bundle.verify(variant)
    names = {path.name for path in bundle.path.iterdir()}
    assert names == {"fp32.onnx", "int8-token.onnx", "tokenizer.json", "manifest.json"}


def test_weights_hash_is_the_models_not_the_folders(tmp_path: Path) -> None:
    """The same weights elsewhere have the same hash, other weights have another."""
    found = [
        tiny_models.export(tiny_models.encoder(tmp_path / name, seed=seed), tmp_path / f"{name}-bundle")
        for name, seed in (("one", 0), ("same", 0), ("other", 1))
    ]
    one, same, other = (bundle.manifest.source.weights_sha256 for bundle in found)
    assert one == same != other


def test_int8_alone(tmp_path: Path) -> None:
    """A bundle of int8-token alone holds no fp32 graph."""
    bundle = tiny_models.export(
        tiny_models.encoder(tmp_path / "model"), tmp_path / "bundle", variants=("int8-token",)
    )
    assert list(bundle.manifest.variants) == ["int8-token"]
    assert not (bundle.path / "fp32.onnx").exists()


def test_large_graphs_keep_their_weights_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights over the limit of one file go to a second one, which the manifest lists and hashes."""
    monkeypatch.setattr("shortlist.export.graphs._INLINE_BYTES", 10_000)
    folder = tiny_models.embedder(tmp_path)
    bundle = tiny_models.export(folder, tmp_path / "bundle", variants=tiny_models.BOTH)
    for variant, described in bundle.manifest.variants.items():
        assert [entry.name for entry in described.files] == [f"{variant}.onnx", f"{variant}.onnx_data"]
        bundle.verify(variant)
    reference.assert_embeds_like(folder, bundle)
