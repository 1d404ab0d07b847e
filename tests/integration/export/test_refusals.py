"""Models that cannot be exported are refused by name, in one line, and leave nothing behind."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import TaskType
from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel, GPT2Model

import families
import tiny_models
from shortlist.export import app, variants
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings


def gpt2(kind: type) -> Callable[[Path], Path]:
    """Return a maker of a causal language model."""

    def make(folder: Path) -> Path:
        config = GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, num_labels=1)
        kind(config).save_pretrained(folder / "model")
        return folder / "model"

    return make


def three_labels(folder: Path) -> Path:
    """Make a classifier of three labels."""
    return tiny_models.encoder(folder / "model", labels=["contradiction", "neutral", "entailment"])


def layer_norm(folder: Path) -> Path:
    """Make an embedder with a module that no graph of ours has."""
    return tiny_models.embedder(folder, after=[LayerNorm(families.WIDTH)])


def foreign_module(folder: Path) -> Path:
    """Make an embedder with a module of somebody else's package."""
    made = tiny_models.embedder(folder, after=[Dense(families.WIDTH, 8)])
    path = made / "modules.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("sentence_transformers.base.modules.dense.Dense", "elsewhere.Dense"), encoding="utf-8"
    )
    return made


def two_poolings(folder: Path) -> Path:
    """Make an embedder that joins two poolings."""
    made = tiny_models.embedder(folder)
    tiny_models.edit(made / "1_Pooling" / "config.json", pooling_mode=["mean", "max"])
    return made


def last_token(folder: Path) -> Path:
    """Make an embedder that pools in a way of causal models, in the notation of older versions."""
    made = tiny_models.embedder(folder)
    tiny_models.edit(made / "1_Pooling" / "config.json", pooling_mode=None, pooling_mode_lasttoken=True)
    return made


def odd_activation(folder: Path) -> Path:
    """Make an embedder whose dense layer has an unusual activation."""
    return tiny_models.embedder(folder, after=[Dense(families.WIDTH, 8, activation_function=torch.nn.Softsign())])


def untrained_head(folder: Path) -> Path:
    """Make an encoder that claims to classify, without the weights of a head."""
    made = tiny_models.encoder(folder / "model")
    tiny_models.edit(made / "config.json", architectures=["BertForSequenceClassification"], num_labels=1)
    return made


def no_tokenizer(folder: Path) -> Path:
    """Make an encoder without a tokenizer."""
    made = tiny_models.encoder(folder / "model")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        (made / name).unlink(missing_ok=True)
    return made


def causal_adapter(folder: Path) -> Path:
    """Make an adapter for another task."""
    made = tiny_models.adapter(folder / "adapter", tiny_models.encoder(folder / "base"), TaskType.FEATURE_EXTRACTION)
    tiny_models.edit(made / "adapter_config.json", task_type="CAUSAL_LM")
    return made


def adapter_of_another_model(folder: Path) -> Path:
    """Make an adapter whose weights have other names than its base's."""
    made = tiny_models.adapter(folder / "adapter", tiny_models.encoder(folder / "base"), TaskType.SEQ_CLS)
    tiny_models.edit(made / "adapter_config.json", task_type="FEATURE_EXTRACTION")
    return made


def adapter_without_base(folder: Path) -> Path:
    """Make an adapter whose base has gone."""
    made = tiny_models.adapter(folder / "adapter", tiny_models.encoder(folder / "base"), TaskType.SEQ_CLS)
    shutil.rmtree(folder / "base")
    return made


def empty(folder: Path) -> Path:
    """Make a folder that holds no model."""
    (folder / "model").mkdir()
    return folder / "model"


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (gpt2(GPT2LMHeadModel), "GPT2LMHeadModel"),
        (gpt2(GPT2Model), "gpt2"),
        (gpt2(GPT2ForSequenceClassification), "gpt2"),
        (three_labels, "3 labels (contradiction, neutral, entailment)"),
        (layer_norm, "LayerNorm"),
        (foreign_module, "elsewhere.Dense"),
        (two_poolings, "mean + max"),
        (last_token, "lasttoken"),
        (odd_activation, "Softsign"),
        (untrained_head, "classifier.bias, classifier.weight"),
        (no_tokenizer, "tokenizer"),
        (causal_adapter, "CAUSAL_LM"),
        (adapter_of_another_model, "--base"),
        (adapter_without_base, "--base"),
        (empty, "config.json"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refused_by_name(make: Callable[[Path], Path], named: str, tmp_path: Path) -> None:
    """The message is one line that names what cannot be exported; no bundle and no draft is left."""
    folder = make(tmp_path)
    out = tmp_path / "bundles" / "out"
    with pytest.raises(ExportError) as caught:
        tiny_models.export(folder, out)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(out.parent.glob("*"))


def test_kind_that_the_model_is_not(tmp_path: Path) -> None:
    """An embedder asked for as reranker has no head, and is refused for it."""
    folder = tiny_models.embedder(tmp_path)
    with pytest.raises(ExportError, match=r"has no weights for classifier\.bias"):
        tiny_models.export(folder, tmp_path / "out", kind="reranker")


def test_unreachable_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model id that cannot be fetched ends in one line that says what to check."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ExportError, match="nobody/nothing is no folder here and cannot be fetched") as caught:
        tiny_models.export("nobody/nothing", tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_window_beyond_the_positions(tmp_path: Path) -> None:
    """A window wider than the model's positions is refused; RoBERTa's first positions hold no tokens."""
    folder = tiny_models.encoder(tmp_path / "model", "roberta")
    with pytest.raises(ExportError, match=f"has {families.WINDOW} positions"):
        tiny_models.export(folder, tmp_path / "out", max_tokens=families.WINDOW + 1)
    bundle = tiny_models.export(folder, tmp_path / "out", max_tokens=families.WINDOW - 1)
    assert bundle.manifest.max_tokens == families.WINDOW - 1


@pytest.mark.parametrize("given", [(), ("fp32", "int8-token")])
def test_a_variant_that_cannot_be_made(tiny_folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given):
    """Its line names it and the remedy; of the default set it is left out without a trace, by name it ends all."""

    def breaks(_: variants.Material, target: Path) -> variants.Made:
        target.write_bytes(b"half a graph")
        raise ValueError("no such node\nand a long explanation")

    monkeypatch.setitem(variants.MAKERS, "int8-token", breaks)
    told: list[str] = []
    out = tmp_path / "bundle"
    settings = ExportSettings(out=out, variants=given, **tiny_models.OPEN_GATE)
    line = "int8-token cannot be made: no such node; leave it out with --variants"
    if given:
        with pytest.raises(ExportError, match=f"^{line}$"):
            app.run(str(tiny_folders.reranker), settings, told.append)
        assert not out.exists()
    else:
        bundle = app.run(str(tiny_folders.reranker), settings, told.append)
        assert f"      Left out: {line}" in told
        assert set(bundle.manifest.variants) == {"fp32"}
        assert not (out / "int8-token.onnx").exists()
