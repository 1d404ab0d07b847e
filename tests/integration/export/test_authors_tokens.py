"""How a model's files say that texts are read: read so by the server too, or refused by name."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from optimum.exporters.onnx import main_export
from tokenizers import Tokenizer as FastTokenizer
from transformers import AutoTokenizer

import tiny_models
from authors import assert_embeds, assert_predicts, export, numbers, reranker
from shortlist.export.errors import ExportError
from shortlist.export.silence import quiet
from shortlist.server.inference.coalescing import Coalescer, TokenizingPool
from shortlist.server.inference.models import Scorer
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime.bundle import load
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.manifest import File
from shortlist.server.runtime.providers import Target

NO_TYPES = ["input_ids", "attention_mask"]


def test_tokenizer_that_makes_no_token_types(tmp_path: Path) -> None:
    """A BERT cross-encoder whose tokenizer makes no token types sees none, traced or taken in."""
    folder = reranker(tmp_path)
    typed = numbers(export(folder, tmp_path / "typed"))
    tiny_models.edit(folder / "tokenizer_config.json", model_input_names=NO_TYPES)
    bundle = export(folder, tmp_path)
    assert "token_type_ids" not in bundle.manifest.variants["fp32"].inputs
    assert_predicts(folder, bundle)
    assert np.abs(numbers(bundle) - typed).max() > 0.1, "token types that change nothing prove nothing"


@pytest.mark.parametrize("weights", [True, False])
def test_published_graph_of_a_tokenizer_without_token_types(weights: bool, tmp_path: Path) -> None:
    """A published graph that takes token types gets none of such a tokenizer, with weights beside it or without."""
    folder = reranker(tmp_path)
    tiny_models.edit(folder / "tokenizer_config.json", model_input_names=NO_TYPES)
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
    folder = tiny_models.embedder(tmp_path) if kind == "embedder" else reranker(tmp_path)
    right = numbers(export(folder, tmp_path / "right"))
    tiny_models.edit(folder / "tokenizer_config.json", truncation_side="left")
    bundle = export(folder, tmp_path)
    (assert_embeds if kind == "embedder" else assert_predicts)(folder, bundle)
    assert np.abs(numbers(bundle)[2] - right[2]).max() > 0.01


def test_padding_on_the_left_changes_nothing(tmp_path: Path) -> None:
    """A model that is padded on the left gives each text what it gives it alone."""
    folder = tiny_models.embedder(tmp_path)
    tiny_models.edit(folder / "tokenizer_config.json", padding_side="left")
    assert_embeds(folder, export(folder, tmp_path))


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_token_beyond_the_embedding_table(family: str, tmp_path: Path) -> None:
    """A tokenizer with a token that the model has no row for is refused, and the token is named."""
    folder = tiny_models.embedder(tmp_path, family)
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
    tiny_models.edit(folder / "manifest.json", tokenizer=msgspec.to_builtins(File.of(folder / "tokenizer.json")))
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


@pytest.mark.parametrize("config", [{"truncation_side": "left"}, {"model_max_length": 20}])
@pytest.mark.parametrize("key", ["tokenizer_args", "processor_kwargs"])
def test_settings_for_the_tokenizer(key: str, config: dict[str, Any], tmp_path: Path) -> None:
    """What the first module hands to the tokenizer is handed on, in the notation of either version."""
    folder = tiny_models.embedder(tmp_path)
    tiny_models.edit(folder / "sentence_bert_config.json", **{key: config}, max_seq_length=30)
    bundle = export(folder, tmp_path)
    assert bundle.manifest.max_tokens == config.get("model_max_length", 30)
    assert_embeds(folder, bundle)


def test_settings_of_each_call(tmp_path: Path) -> None:
    """Settings that sentence-transformers hands to the tokenizer at each call are refused by name."""
    folder = tiny_models.embedder(tmp_path)
    tiny_models.edit(folder / "sentence_bert_config.json", processing_kwargs={"text": {"max_length": 5}})
    with pytest.raises(ExportError, match=r"processing_kwargs \{'text': \{'max_length': 5\}\}"):
        export(folder, tmp_path)


def test_reading_that_nobody_thought_of(tmp_path: Path) -> None:
    """Whatever makes transformers read a text otherwise ends the export, which names text, place and tokens."""
    folder = tiny_models.embedder(tmp_path)
    tiny_models.edit(folder / "tokenizer_config.json", split_special_tokens=True)
    with pytest.raises(ExportError, match=r"\[SEP\].* is read otherwise than by sentence-transformers"):
        export(folder, tmp_path)
