"""Start infinity so that it runs a local folder's graph. Run by the interpreter of infinity's environment, as a file.

Two things of infinity-emb 0.0.78 are put right at run time, and nothing else:

- `get_onnx_files` hands optimum an absolute path where a model is a local folder, and optimum refuses it.
- `OptimumCrossEncoder` asks its tokenizer for no token types, and optimum then fills in zeros: a BERT cross-encoder
  sees one text where there are two, and its order is ruined. It also cuts where positions end, not at the window.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from infinity_emb.cli import cli
from infinity_emb.transformer.crossencoder import optimum as crossencoder
from infinity_emb.transformer.embedder import optimum as embedder


def file_name(*, model_name_or_path: str, **_: Any) -> Path:
    """Return the name of the only graph in a model's folder."""
    (found,) = Path(model_name_or_path).glob("**/*.onnx")
    return Path(found.name)


def encode_pre(self: Any, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Tokenize pairs as infinity does, with their token types and in the model's window."""
    encoded = self.tokenizer(
        pairs,
        max_length=self.tokenizer.model_max_length,
        padding=True,
        truncation="longest_first",
        return_tensors="np",
        return_token_type_ids=True,
    )
    return {name: values.astype(np.int64) for name, values in encoded.items()}


def main() -> None:
    """Print versions, patch infinity, and run its own command."""
    names = ("infinity-emb", "optimum-onnx", "onnxruntime")
    print(", ".join(f"{name} {version(name)}" for name in names), flush=True)
    embedder.get_onnx_files = crossencoder.get_onnx_files = file_name
    crossencoder.OptimumCrossEncoder.encode_pre = encode_pre
    sys.stderr = sys.stdout  # the process that started this one waits for uvicorn's log there
    sys.argv = [sys.argv[0], "v2", *sys.argv[1:]]
    cli()


if __name__ == "__main__":
    main()
