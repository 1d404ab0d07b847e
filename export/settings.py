"""What can be set about an export: one definition for flag, environment variable and TOML key.

The field's metadata is the help text, as in `server/settings.py`. Importing this module needs no extra.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shortlist.server.errors import SettingsError, check_range, check_share
from shortlist.server.runtime.manifest import LEAST_WINDOW

VARIANTS: dict[str, tuple[str, ...]] = {
    # name -> the execution providers that it is for
    "fp32": ("cpu", "openvino", "cuda", "tensorrt"),
    "bf16": ("openvino", "tensorrt"),
    "int8-token": ("cpu",),
    "int8-static": ("openvino",),
    "fp16": ("cuda", "tensorrt"),
}

_PROOF = "variants and their proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """The settings of one export."""

    model: str = field(
        metadata={
            "help": "model id, folder, PEFT adapter folder, or package:NAME/FOLDER for a model inside an installed"
            " Python package",
            "positional": True,
        }
    )
    out: Path = field(metadata={"help": "folder of the bundle; an older bundle there is replaced"})
    kind: Literal["auto", "embedder", "reranker"] = field(
        default="auto", metadata={"help": "what the model is; auto goes by its own configuration"}
    )
    revision: str = field(
        default="", metadata={"help": "branch, tag or commit of a model id; its main branch if empty"}
    )
    base: str = field(
        default="",
        metadata={"help": "base model of a PEFT adapter, in place of the one that its configuration names"},
    )
    graph: str = field(
        default="",
        metadata={
            "help": "ONNX file inside the model's folder to take in, such as onnx/model.onnx; if empty, the PyTorch"
            " weights are traced, and where there are none, the fp32 graph is taken in"
        },
    )
    query_prefix: str | None = field(
        default=None,
        metadata={"help": "what goes before a query of an embedder; the default is what the model says of itself"},
    )
    document_prefix: str | None = field(
        default=None,
        metadata={"help": "what goes before a document; the default is what the model says of itself"},
    )
    similarity: Literal["own", "cosine"] = field(
        default="own",
        metadata={
            "help": "how an embedder's vectors are compared; own refuses a model that was trained for another measure"
            " than cosine, cosine serves it by cosine all the same"
        },
    )
    relevant_label: str = field(
        default="",
        metadata={
            "help": "of a reranker's two labels the one that says relevant; the default is what their words say"
        },
    )
    variants: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": f"variants to make, separated by commas: {', '.join(VARIANTS)}; empty: what the installed"
            " execution providers run (bf16: where it can be judged, with OpenVINO on a CPU that computes in it)",
            "group": _PROOF,
        },
    )
    calibration: Path | None = field(
        default=None,
        metadata={
            "help": "texts to calibrate and judge the variants on: JSON lines of query, positive, negatives, or of"
            " text, or plain text, one a line; empty: texts that ship",
            "group": _PROOF,
        },
    )
    least_overlap: float = field(
        default=0.98,
        metadata={"help": "share of the ten nearest texts that a variant of an embedder must keep", "group": _PROOF},
    )
    least_tau: float = field(
        default=0.97,
        metadata={"help": "Kendall's tau to fp32's order that a variant of a reranker must reach", "group": _PROOF},
    )
    most_ndcg_loss: float = field(
        default=0.005, metadata={"help": "nDCG@10 that a variant may lose, where judged", "group": _PROOF}
    )
    keep_failing: bool = field(
        default=False,
        metadata={
            "help": "keep variants that fail in the bundle; the server still runs them only by name",
            "group": _PROOF,
        },
    )
    max_tokens: int = field(
        default=0, metadata={"help": "window in tokens, special tokens included; 0: the model's own"}
    )
    similarity_weight: float | None = field(
        default=None,
        metadata={
            "help": "weight of the similarity in the final order that searches with this reranker default to, 0 to 1;"
            " the default is what the model's own shortlist.json says, else 0"
        },
    )
    force: bool = field(default=False, metadata={"help": "export even if the bundle is up to date"})

    def __post_init__(self) -> None:
        """Refuse values that no export can honour.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        if not self.model:
            raise SettingsError("model is empty; name a model id, a folder or a PEFT adapter folder")
        if unknown := set(self.variants) - set(VARIANTS):
            raise SettingsError(f"variants names {min(unknown)!r}, but there are {', '.join(VARIANTS)}")
        for name in ("least_overlap", "least_tau", "most_ndcg_loss"):
            check_share(name, getattr(self, name))
        if self.similarity_weight is not None:
            check_share("similarity_weight", self.similarity_weight)
        if self.max_tokens:
            check_range("max_tokens", self.max_tokens, LEAST_WINDOW)
