"""What a cross-encoder's files say beside its weights: served as sentence-transformers runs it, or refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peft import PeftModel, TaskType
from sentence_transformers import CrossEncoder
from sentence_transformers.sentence_transformer.modules import Normalize
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import tiny_models
from authors import IDENTITY, PAIRS, SIGMOID, assert_predicts, export, numbers, reranker, saved_cross_encoder, scores
from shortlist.export.app import run
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings


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
    settings = ExportSettings(out=tmp_path / "bundle", variants=("fp32",), **tiny_models.OPEN_GATE)
    bundle = run(str(folder), settings, lines.append)
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
    tiny_models.edit(folder / "config.json", sentence_transformers={"activation_fn": activation})
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
    tiny_models.edit(folder / "config.json", **config)
    with pytest.raises(ExportError, match=named):
        export(folder, tmp_path)


def test_adapter_of_a_cross_encoder_on_a_dual_encoder(tmp_path: Path) -> None:
    """The base's modules and prompts are a dual encoder's and do not count; its window does, as no other is known."""
    base = tiny_models.embedder(tmp_path, after=[Normalize()], prompts={"query": "ask "})
    tiny_models.edit(base / "sentence_bert_config.json", max_seq_length=20)
    folder = tiny_models.adapter(tmp_path / "adapter", base, TaskType.SEQ_CLS)
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
    tiny_models.edit(folder / "config_sentence_transformers.json", prompts={"query": "ask "})
    assert_predicts(folder, export(folder, tmp_path))
    tiny_models.edit(folder / "config_sentence_transformers.json", default_prompt_name="query")
    with pytest.raises(ExportError, match="default prompt \\('ask '\\)"):
        export(folder, tmp_path, force=True)
