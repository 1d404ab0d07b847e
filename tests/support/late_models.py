"""Tiny late-interaction models with random weights, in the three layouts of the field, made on the spot.

The files say what those say that sentence-transformers 6, PyLate and Stanford's ColBERT write: folders that these
libraries saved themselves lie in `late_interaction/`, with the vectors that they made.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

import families
import tiny_models

DIMENSIONS = 12
QUERY_TOKENS, DOCUMENT_TOKENS = 16, 40
MARKERS = ("[unused0]", "[unused1]")
PUNCTUATION = [".", ",", "?", "'", "-"]
_ST = "sentence_transformers"


def stanford(folder: Path, family: str = "bert", *, markers: Sequence[str] = MARKERS, **metadata: Any) -> Path:
    """Save a model as Stanford's ColBERT does: the projection among the weights, artifact.metadata beside them."""
    body(folder, family, markers)
    prefix = AutoModel.from_pretrained(folder).base_model_prefix
    tensors = {f"{prefix}.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors | {"linear.weight": _projection()}, folder / "model.safetensors", {"format": "pt"})
    tiny_models.edit(folder / "config.json", architectures=["HF_ColBERT"])
    said = {
        "query_token_id": MARKERS[0],
        "doc_token_id": MARKERS[1],
        "dim": DIMENSIONS,
        "query_maxlen": QUERY_TOKENS,
        "doc_maxlen": DOCUMENT_TOKENS,
        "similarity": "cosine",
        "interaction": "colbert",
        "mask_punctuation": True,
        "attend_to_mask_tokens": False,
    }
    _write(folder / "artifact.metadata", said | metadata)
    return folder


def pylate(folder: Path, family: str = "bert", *, markers: Sequence[str] = MARKERS, **settings: Any) -> Path:
    """Save a model as PyLate does: a transformer and a dense layer, what happens to tokens at the top."""
    body(folder, family, markers)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": DOCUMENT_TOKENS - 1, "do_lower_case": False})
    _modules(folder, [f"{_ST}.models.Transformer", "pylate.models.Dense.Dense"])
    dense(folder / "1_Dense")
    said = {
        "model_type": "ColBERT",
        "prompts": {},
        "default_prompt_name": None,
        "similarity_fn_name": "MaxSim",
        "query_prefix": MARKERS[0],
        "document_prefix": MARKERS[1],
        "query_length": QUERY_TOKENS,
        "document_length": DOCUMENT_TOKENS,
        "attend_to_expansion_tokens": False,
        "skiplist_words": PUNCTUATION,
        "do_query_expansion": True,
    }
    _write(folder / "config_sentence_transformers.json", said | settings)
    return folder


def multi_vector(
    folder: Path,
    family: str = "bert",
    *,
    expansion: dict[str, Any] | None = None,
    mask: dict[str, Any] | None = None,
    pooling: dict[str, Any] | None = None,
    residual: bool = False,
    markers: Sequence[str] = MARKERS,
    **settings: Any,
) -> Path:
    """Save a model as sentence-transformers 6 does: a module for each step, markers as special tokens of prompts."""
    body(folder, family, markers, special=True)
    said = {"query_length": QUERY_TOKENS, "document_length": DOCUMENT_TOKENS, "query_expansion": expansion}
    text = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    transformer = {"transformer_task": "feature-extraction", "modality_config": text, **said}
    _write(folder / "sentence_bert_config.json", transformer | {"module_output_name": "token_embeddings"})
    dense(folder / "1_Dense", residual=residual, module_input_name="token_embeddings", module_output_name=None)
    _write(folder / "2_MultiVectorMask" / "config.json", mask or {"skiplist_words": PUNCTUATION})
    _write(folder / "3_Normalize" / "config.json", {"module_input_name": "token_embeddings"})
    modules = [
        f"{_ST}.base.modules.transformer.Transformer",
        f"{_ST}.base.modules.dense.Dense",
        f"{_ST}.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask",
        f"{_ST}.sentence_transformer.modules.normalize.Normalize",
    ]
    if pooling is not None:
        _write(folder / "4_HierarchicalTokenPooling" / "config.json", pooling)
        modules.append(f"{_ST}.multi_vector_encoder.modules.token_pooling.HierarchicalTokenPooling")
    _modules(folder, modules)
    prompts = {"query": f"{MARKERS[0]} ", "document": f"{MARKERS[1]} "}
    own = {"model_type": "MultiVectorEncoder", "prompts": prompts, "similarity_fn_name": "maxsim"}
    _write(folder / "config_sentence_transformers.json", own | settings)
    return folder


def body(folder: Path, family: str, markers: Sequence[str], *, special: bool = False) -> None:
    """Save a transformer whose tokenizer has the markers."""
    tiny_models.encoder(folder, family)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder)
    tokenizer.add_tokens(list(markers), special_tokens=special)
    torch.manual_seed(3)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        model.get_input_embeddings().weight[-len(markers) or len(tokenizer) :].normal_(std=0.25)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def dense(folder: Path, *, residual: bool = False, **names: str | None) -> None:
    """Save a dense layer without bias and activation."""
    weights = {"linear.weight": _projection()}
    config = {"in_features": families.WIDTH, "out_features": DIMENSIONS, "bias": False, **names}
    if residual:
        weights["residual.weight"] = _projection(seed=6)
    config |= {"activation_function": "torch.nn.modules.linear.Identity", "use_residual": residual}
    _write(folder / "config.json", config)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def _projection(seed: int = 5) -> torch.Tensor:
    return torch.randn(DIMENSIONS, families.WIDTH, generator=torch.Generator().manual_seed(seed)) * 0.3


def _modules(folder: Path, types: Sequence[str]) -> None:
    paths = [f"{place}_{name.rsplit('.', 1)[-1]}" if place else "" for place, name in enumerate(types)]
    entries = [
        {"idx": place, "name": str(place), "path": path, "type": name}
        for place, (path, name) in enumerate(zip(paths, types, strict=True))
    ]
    _write(folder / "modules.json", entries)


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
