"""What a dual encoder's files say beside its weights: served as sentence-transformers runs it, or refused by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

import families
import tiny_models
from authors import TEXTS, assert_embeds, export, numbers
from shortlist.export import layout, pooling_config, prompts, tokenizer
from shortlist.export.app import run
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings


@pytest.mark.parametrize("asked", ["dot", "euclidean", "manhattan"])
def test_similarity_other_than_cosine(asked: str, tmp_path: Path) -> None:
    """It is refused by name, unless the flag takes the loss or vectors of length 1 make it the same order."""
    folder = tiny_models.embedder(tmp_path)
    tiny_models.edit(folder / "config_sentence_transformers.json", similarity_fn_name=asked)
    with pytest.raises(ExportError, match=f"the similarity '{asked}'.*--similarity cosine"):
        export(folder, tmp_path)
    assert_embeds(folder, export(folder, tmp_path, similarity="cosine"))
    unit = tiny_models.embedder(tmp_path / "unit", after=[Normalize()])
    tiny_models.edit(unit / "config_sentence_transformers.json", similarity_fn_name=asked)
    if asked == "manhattan":
        with pytest.raises(ExportError, match="manhattan"):
            export(unit, tmp_path)
    else:
        original = SentenceTransformer(str(unit), device="cpu")
        vectors = numbers(export(unit, tmp_path / "unit"))
        by_author = original.similarity(vectors[:1], vectors).numpy()[0]
        np.testing.assert_allclose(np.sort(by_author), by_author[np.argsort(vectors @ vectors[0])], atol=1e-6)


def test_default_prompt(tmp_path: Path) -> None:
    """A default prompt is left out as `encode_query` and `encode_document` leave it out, and progress tells so."""
    folder = tiny_models.embedder(tmp_path, prompts={"sts": "what is said of "})
    tiny_models.edit(
        folder / "config_sentence_transformers.json", default_prompt_name="sts", prompts={"sts": "said of "}
    )
    lines: list[str] = []
    bundle = run(str(folder), ExportSettings(out=tmp_path / "bundle", variants=("fp32",)), lines.append)
    assert any("'said of '" in line and "--query-prefix and --document-prefix" in line for line in lines)
    assert_embeds(folder, bundle)
    encoded = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, batch_size=1)
    asked = numbers(export(folder, tmp_path, query_prefix="said of ", document_prefix="said of "))
    np.testing.assert_allclose(asked, encoded, atol=1e-5 * np.abs(encoded).max())


def test_passage_prompt(tmp_path: Path) -> None:
    """A prompt that is named for passages goes before documents, as the library's documentation has it."""
    folder = tiny_models.embedder(tmp_path)
    tiny_models.edit(folder / "config_sentence_transformers.json", prompts={"query": "ask ", "passage": "read "})
    original = SentenceTransformer(str(folder), device="cpu")
    expected = original.encode_document(TEXTS, prompt_name="passage", batch_size=1)
    found = numbers(export(folder, tmp_path))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_truncated_vectors(tmp_path: Path) -> None:
    """`truncate_dim` cuts the vectors, which are then no longer of length 1."""
    folder = tiny_models.embedder(tmp_path, after=[Normalize()])
    tiny_models.edit(folder / "config_sentence_transformers.json", truncate_dim=12)
    bundle = export(folder, tmp_path)
    assert (bundle.manifest.dimensions, bundle.manifest.normalized) == (12, False)
    assert_embeds(folder, bundle)


def test_first_versions_configuration(tmp_path: Path) -> None:
    """Window and lower case are found in a file of the name that the first versions gave it."""
    folder = tiny_models.embedder(tmp_path, "roberta")
    (folder / "sentence_bert_config.json").unlink()
    (folder / "sentence_roberta_config.json").write_text('{"max_seq_length": 24, "do_lower_case": true}')
    bundle = export(folder, tmp_path)
    assert bundle.manifest.max_tokens == 24
    assert_embeds(folder, bundle)


def test_without_modules_no_other_file_counts(tmp_path: Path) -> None:
    """sentence_bert_config.json beside a plain encoder is no file that sentence-transformers reads."""
    folder = tiny_models.encoder(tmp_path / "model", "roberta")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24, "do_lower_case": true}')
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "ask "}}')
    bundle = export(folder, tmp_path)
    assert bundle.manifest.max_tokens == families.WINDOW
    assert_embeds(folder, bundle)


def _no_prompts(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    tiny_models.edit(folder / "config_sentence_transformers.json", prompts={"query": "ask ", "document": ""})
    monkeypatch.setattr(prompts, "read", lambda config: prompts.Prompts())


def _no_window(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    tiny_models.edit(folder / "tokenizer_config.json", model_max_length=20)
    right = tokenizer.loaded

    def wider(*given: Any) -> Any:
        found = right(*given)
        found.model_max_length = 30
        return found

    monkeypatch.setattr(tokenizer, "loaded", wider)


def _other_pooling(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(pooling_config, "pooling", lambda *_: "cls")


def _other_steps(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    tiny_models.edit(folder / "config_sentence_transformers.json", truncate_dim=12)
    right = layout._embedder
    monkeypatch.setattr(layout, "_embedder", lambda *given: replace(right(*given), steps=()))


@pytest.mark.parametrize("misread", [_no_prompts, _no_window, _other_pooling, _other_steps])
def test_the_proof_sees_what_is_misread(
    misread: Callable[[pytest.MonkeyPatch, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt, a window, a pooling or a step that export reads wrongly cannot pass."""
    folder = tiny_models.embedder(tmp_path)
    misread(monkeypatch, folder)
    with pytest.raises(ExportError, match=r"otherwise than by|does not compute what|elements"):
        export(folder, tmp_path)
    assert not (tmp_path / "bundle").exists()
