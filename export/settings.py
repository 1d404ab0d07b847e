"""What can be set about an export: one definition for flag, environment variable and TOML key.

The docstring below a field is the help text, as in `server/settings.py`. Importing this module needs no extra.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from shortlist.server.errors import SettingsError
from shortlist.server.runtime.manifest import LEAST_WINDOW
from shortlist.server.settings import MAX_SIMILARITY_WEIGHT, within

VARIANTS: dict[str, tuple[str, ...]] = {
    # name -> the execution providers that it is for
    "fp32": ("cpu", "openvino", "cuda", "tensorrt"),
    "bf16": ("openvino", "tensorrt"),
    "int8-token": ("cpu",),
    "int8-static": ("openvino",),
    "fp16": ("cuda", "tensorrt"),
}

_PROOF = Parameter(group="Variants and their proof")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """The settings of one export."""

    out: Path
    """folder of the bundle; an older bundle there is replaced"""
    kind: Literal["auto", "embedder", "reranker", "late-interaction"] = "auto"
    """what the model is; auto goes by its own configuration"""
    revision: str = ""
    """branch, tag or commit of a model id; its main branch if empty"""
    base: str = ""
    """base model of a PEFT adapter, in place of the one that its configuration names"""
    graph: str = ""
    """ONNX file inside the model's folder to take in, such as onnx/model.onnx; if empty, the PyTorch weights are
    traced, and where there are none, the fp32 graph is taken in"""
    query_prefix: str | None = None
    """what goes before a query of an embedder; the default is what the model says of itself"""
    document_prefix: str | None = None
    """what goes before a document; the default is what the model says of itself"""
    similarity: Literal["own", "cosine"] = "own"
    """how an embedder's vectors are compared; own refuses a model that was trained for another measure than
    cosine, cosine serves it by cosine all the same"""
    relevant_label: str = ""
    """of a reranker's two labels the one that says relevant; the default is what their words say"""
    variants: Annotated[
        tuple[str, ...],
        Parameter(
            help=f"variants to make, separated by commas: {', '.join(VARIANTS)}; empty: what the installed execution"
            " providers run (bf16: where it can be judged, with OpenVINO on a CPU that computes in it)"
        ),
        _PROOF,
    ] = ()
    calibration: Annotated[Path | None, _PROOF] = None
    """texts to calibrate and judge the variants on: JSON lines of query, positive, negatives, or of text, or plain
    text, one a line; empty: texts that ship"""
    least_overlap: Annotated[float, _PROOF, within(0, 1)] = 0.98
    """share of the ten nearest texts that a variant of an embedder must keep"""
    least_tau: Annotated[float, _PROOF, within(0, 1)] = 0.97
    """Kendall's tau to fp32's order that a variant of a reranker or a late-interaction model must reach"""
    most_ndcg_loss: Annotated[float, _PROOF, within(0, 1)] = 0.005
    """nDCG@10 that a variant may lose, where judged"""
    keep_failing: Annotated[bool, _PROOF] = False
    """keep variants that fail in the bundle; the server still runs them only by name"""
    max_tokens: int = 0
    """window in tokens, special tokens included, of a late-interaction model that of documents; 0: the model's own"""
    similarity_weight: Annotated[float | None, within(0, MAX_SIMILARITY_WEIGHT)] = None
    """weight of the similarity in the final order that searches with this reranker default to: logits that a
    similarity of 1 more is worth; the default is what the model's own shortlist.json says, else 0"""
    similarity_center: Annotated[float | None, within(-1, 1)] = None
    """the similarity that changes nothing in that order; the default is likewise"""
    force: bool = False
    """export even if the bundle is up to date"""

    def __post_init__(self) -> None:
        """Refuse values that no export can honour.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        if unknown := set(self.variants) - set(VARIANTS):
            raise SettingsError(f"variants names {min(unknown)!r}, but there are {', '.join(VARIANTS)}")
        if self.max_tokens and self.max_tokens < LEAST_WINDOW:
            raise SettingsError(f"max_tokens is {self.max_tokens}, but it must be {LEAST_WINDOW} or more")
