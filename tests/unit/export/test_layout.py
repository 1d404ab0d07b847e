"""What is read from a model's own configuration, in the notations of several years."""

import json
from pathlib import Path
from typing import Any

import pytest

from shortlist.export import layout
from shortlist.export.errors import ExportError
from shortlist.export.pooling_config import Dense, Normalize
from shortlist.export.source import Origin

OLD = "sentence_transformers.models"
NEW = {
    "Transformer": "sentence_transformers.base.modules.transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling",
}


def model(folder: Path, *modules: str, **files: Any) -> Origin:
    """Write a folder with these modules and these files (a dot and a slash are spelt `__` and `_in_`)."""
    entries = [
        {"idx": index, "name": str(index), "path": "" if index == 0 else f"{index}", "type": module}
        for index, module in enumerate(modules)
    ]
    contents: dict[str, Any] = {"config.json": {"architectures": ["BertModel"], "model_type": "bert"}}
    contents |= {"modules.json": entries} if modules else {}
    contents |= {f"{index}/config.json": {} for index in range(1, len(modules))}
    for name, content in {**contents, **files}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return Origin("model", "", folder)


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["max"]}, "max"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"word_embedding_dimension": 384}, "mean"),
    ],
)
def test_pooling_in_both_notations(config: dict[str, Any], pooling: str, tmp_path: Path) -> None:
    """Pooling is read as one mode, as a list of one, as flags, and defaults to mean."""
    origin = model(tmp_path, f"{OLD}.Transformer", f"{OLD}.Pooling", **{"1/config.json": config})
    assert layout.read(origin, "auto").pooling == pooling


@pytest.mark.parametrize("mode", ["weightedmean", "mean_sqrt_len_tokens", "lasttoken"])
def test_other_poolings_are_refused(mode: str, tmp_path: Path) -> None:
    """A pooling that no graph of ours has is named."""
    types = (f"{NEW['Transformer']}.Transformer", f"{NEW['Pooling']}.Pooling")
    origin = model(tmp_path, *types, **{"1/config.json": {"pooling_mode": mode}})
    with pytest.raises(ExportError, match=mode):
        layout.read(origin, "auto")


@pytest.mark.parametrize(
    ("config", "prefixes"),
    [
        ({}, ("", "")),
        ({"prompts": {"query": "q: ", "document": "d: "}}, ("q: ", "d: ")),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, ("q: ", "p: ")),
        ({"prompts": {"query": "q: ", "document": "", "passage": "p: "}}, ("q: ", "")),
        ({"prompts": {"query": "q: ", "sts": "s: "}, "default_prompt_name": "sts"}, ("q: ", "")),
        ({"prompts": {"sts": "s: "}, "default_prompt_name": "sts"}, ("", "")),
        ({"prompts": {"query": "q: ", "sts": "s: "}, "default_prompt_name": None}, ("q: ", "")),
    ],
)
def test_prefixes_are_found_as_sentence_transformers_does(
    config: dict[str, Any], prefixes: tuple[str, str], tmp_path: Path
) -> None:
    """The first prompt that is there, even if it is empty; a default one is for neither kind of text."""
    origin = model(tmp_path, f"{OLD}.Transformer", f"{OLD}.Pooling", **{"config_sentence_transformers.json": config})
    found = layout.read(origin, "auto")
    assert (found.query_prefix, found.document_prefix) == prefixes


def test_steps_after_the_pooling(tmp_path: Path) -> None:
    """Dense and Normalize are kept in order, Dropout does nothing, and the last step tells whether to normalize."""
    types = [f"{OLD}.{name}" for name in ("Transformer", "Pooling", "Dropout", "Dense", "Normalize")]
    dense = {"in_features": 8, "out_features": 4}
    found = layout.read(model(tmp_path, *types, **{"3/config.json": dense}), "auto")
    tanh = "torch.nn.modules.activation.Tanh"
    assert found.steps == (Dense(tmp_path / "3", 8, 4, bias=True, activation=tanh), Normalize())
    assert found.normalized


@pytest.mark.parametrize("name", ["WordWeights", "CNN", "LSTM", "WeightedLayerPooling", "Asym"])
def test_unsupported_modules_are_named(name: str, tmp_path: Path) -> None:
    """A module that cannot be exported is refused by its name."""
    types = [f"{OLD}.{module}" for module in ("Transformer", "Pooling", name)]
    with pytest.raises(ExportError, match=name):
        layout.read(model(tmp_path, *types), "auto")


@pytest.mark.parametrize("first", ["StaticEmbedding", "CLIPModel", "Router"])
def test_models_that_are_no_transformers_are_named(first: str, tmp_path: Path) -> None:
    """A model that does not begin with a transformer is refused by what it begins with."""
    with pytest.raises(ExportError, match=first):
        layout.read(model(tmp_path, f"{OLD}.{first}"), "auto")


def test_dense_layer_on_tokens_is_refused(tmp_path: Path) -> None:
    """A dense layer on something else than the embedding is refused rather than put in the wrong place."""
    types = [f"{OLD}.{module}" for module in ("Transformer", "Pooling", "Dense")]
    dense = {"in_features": 8, "out_features": 8, "module_input_name": "token_embeddings"}
    with pytest.raises(ExportError, match="token_embeddings"):
        layout.read(model(tmp_path, *types, **{"2/config.json": dense}), "auto")


def test_whether_prompts_are_pooled(tmp_path: Path) -> None:
    """`include_prompt` of the pooling is kept, since it matters once there is a prefix."""
    types = [f"{OLD}.{module}" for module in ("Transformer", "Pooling")]
    for config, pooled in (({}, True), ({"include_prompt": True}, True), ({"include_prompt": False}, False)):
        assert layout.read(model(tmp_path, *types, **{"1/config.json": config}), "auto").prompts_pooled is pooled


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("BertModel", "embedder"), ("XLMRobertaForSequenceClassification", "reranker")],
)
def test_kind_by_architecture(architecture: str, kind: str, tmp_path: Path) -> None:
    """Without modules.json the architecture tells what a model is."""
    origin = model(tmp_path, **{"config.json": {"architectures": [architecture]}})
    assert layout.read(origin, "auto").kind == kind


@pytest.mark.parametrize("architecture", ["BertForMaskedLM", "GPT2LMHeadModel", "BertForTokenClassification"])
def test_neither_kind_is_refused_by_name(architecture: str, tmp_path: Path) -> None:
    """A model that is neither kind is refused by name, unless it is said what it is to serve as."""
    origin = model(tmp_path, **{"config.json": {"architectures": [architecture]}})
    with pytest.raises(ExportError, match=architecture):
        layout.read(origin, "auto")
    assert layout.read(origin, "embedder").assumed


def test_reranker_with_prompts_is_refused(tmp_path: Path) -> None:
    """A cross-encoder that puts a prompt before its queries is refused rather than run without."""
    files = {
        "sentence_bert_config.json": {"transformer_task": "sequence-classification"},
        "config_sentence_transformers.json": {
            "model_type": "CrossEncoder",
            "prompts": {"query": "Instruct: "},
            "default_prompt_name": "query",
        },
    }
    with pytest.raises(ExportError, match="Instruct"):
        layout.read(model(tmp_path, f"{NEW['Transformer']}.Transformer", **files), "auto")


def test_transformer_in_a_folder_of_its_own(tmp_path: Path) -> None:
    """Old versions kept the transformer in 0_Transformer, with its window."""
    entries = [
        {"path": "0_Transformer", "type": f"{OLD}.Transformer"},
        {"path": "1_Pooling", "type": f"{OLD}.Pooling"},
    ]
    files = {
        "modules.json": entries,
        "0_Transformer/sentence_bert_config.json": {"max_seq_length": 128, "do_lower_case": True},
        "1_Pooling/config.json": {},
    }
    found = layout.read(model(tmp_path, **files), "auto")
    assert (found.body, found.window_tokens, found.lower_case) == ("0_Transformer", 128, True)
