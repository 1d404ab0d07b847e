"""Average LoRA adapters over the same base: what one lost of other domains, another may have kept.

Averages weights as model soups do (Wortsman et al., 2022, arXiv:2203.05482; WiSE-FT for two of one line,
arXiv:2109.01903). The change that an adapter makes to a layer is the product of its two matrices; the products are
averaged, and the average is cut to `--rank` by its singular values, which is the nearest matrix of that rank. What
adapters hold whole (pooler, head) is averaged as it is. PEFT's own `add_weighted_adapter` does not take adapters
that hold modules whole. Knows no data: measure the outcome with `shortlist.bench`.
"""

import json
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter
from safetensors.torch import load_file, save_file

from shortlist.bench import command
from shortlist.console import output

from .errors import FinetuneError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"  # PEFT's names: [rank, inputs] and [outputs, rank]
_SAME = ("base_model_name_or_path", "peft_type", "task_type")
_UNSUPPORTED = ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern")  # they scale layers in other ways
_TOLERANCE = 1e-6  # of the sum of shares

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Part:
    """An adapter and its share of the average."""

    folder: Path
    share: float


@dataclass(frozen=True, slots=True)
class _Adapter:
    """An adapter's files, and how much of it the average takes."""

    part: Part
    config: dict[str, Any]
    weights: Weights

    @property
    def rank(self) -> int:
        return int(self.config["r"])

    def change(self, layer: str) -> torch.Tensor:
        """Return its share of the change of a layer, float32 [outputs, inputs]."""
        scale = self.part.share * float(self.config["lora_alpha"]) / self.rank
        return scale * self.weights[layer + _UP].float() @ self.weights[layer + _DOWN].float()


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragingSettings:
    """The settings of one average."""

    adapter: Annotated[dict[str, float], Parameter(n_tokens=-1, metavar="FOLDER=SHARE")]
    """an adapter and its share; give two or more"""
    out: Annotated[Path, Parameter(metavar="FOLDER")]
    """folder for the average; it must be new"""
    rank: int | None = None
    """of the average; if not given, the adapters' highest"""


def main() -> int:
    """Average and write; return the exit code."""
    return command.main(
        "finetune.adapter_averaging",
        AveragingSettings,
        __doc__,
        "python -m shortlist.finetune.adapter_averaging --adapter before=0.65 --adapter after=0.35 --out average",
        run,
    )


def run(chosen: AveragingSettings) -> int:
    """Average, write, and return the exit code."""
    average([Part(Path(folder), share) for folder, share in chosen.adapter.items()], chosen.out, chosen.rank)
    output.write(str(chosen.out))
    return command.OK


def average(parts: Sequence[Part], out: Path, rank: int | None = None) -> None:
    """Write the average of adapters.

    Args:
        parts: adapters over the same base, with shares that add up to 1.
        out: a folder that is not there yet.
        rank: of the average; None: the highest rank of the parts.

    Raises:
        FinetuneError: the shares, the folders or the adapters do not fit together; nothing was written.
    """
    _check_shares(parts)
    if out.exists():
        raise FinetuneError(f"out {out} is there already; name a new folder")
    adapters = [_read(part) for part in parts]
    _check_alike(adapters)
    ranks = [one.rank for one in adapters]
    rank = rank or max(ranks)
    if not 1 <= rank <= sum(ranks):
        raise FinetuneError(f"rank is {rank}, but the average of these adapters has a rank of 1 to {sum(ranks)}")
    weights = _averaged(adapters, rank)
    out.mkdir(parents=True)
    save_file(weights, str(out / WEIGHTS))
    config = {**adapters[0].config, "r": rank, "lora_alpha": rank}
    (out / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    recommended = parts[0].folder / "shortlist.json"  # a share of similarity goes on until somebody measures again
    if recommended.exists():
        shutil.copy(recommended, out)


def cut(matrix: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the two factors of the nearest matrix of a rank.

    Args:
        matrix: float32 [outputs, inputs].
        rank: of the product of the factors; above the matrix's own, zeros fill up.

    Returns:
        float32 [outputs, rank] and [rank, inputs], each with the root of the singular values.
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    roots = values[:rank].sqrt()
    up, down = left[:, :rank] * roots, roots[:, None] * right[:rank]
    missing = rank - len(roots)
    return torch.nn.functional.pad(up, (0, missing)), torch.nn.functional.pad(down, (0, 0, 0, missing))


def _averaged(adapters: Sequence[_Adapter], rank: int) -> Weights:
    """Average what the adapters hold, as float16, which is what `shortlist finetune` writes."""
    result: Weights = {}
    for name in sorted(adapters[0].weights):
        layer = name.removesuffix(_DOWN)
        if layer != name:
            change = torch.stack([one.change(layer) for one in adapters]).sum(dim=0)
            result[layer + _UP], result[name] = cut(change, rank)
        elif not name.endswith(_UP):
            whole = [one.part.share * one.weights[name].float() for one in adapters]
            result[name] = torch.stack(whole).sum(dim=0)
    return {name: value.half().contiguous() for name, value in result.items()}


def _check_shares(parts: Sequence[Part]) -> None:
    if len(parts) < 2:  # noqa: PLR2004 (an average of one is that one)
        raise FinetuneError(f"{len(parts)} adapter is given; an average takes two or more")
    for part in parts:
        if not 0 < part.share < 1:
            raise FinetuneError(f"the share of {part.folder} is {part.share}, but it must be between 0 and 1")
    total = math.fsum(part.share for part in parts)
    if abs(total - 1) > _TOLERANCE:
        raise FinetuneError(f"the shares add up to {total:g}, but they must add up to 1")


def _check_alike(adapters: Sequence[_Adapter]) -> None:
    first = adapters[0]
    for one in adapters:
        for name in _SAME:
            if one.config.get(name) != first.config.get(name):
                raise FinetuneError(
                    f"{name} of {one.part.folder} is {one.config.get(name)!r} and that of {first.part.folder} is"
                    f" {first.config.get(name)!r}; average adapters over the same base"
                )
        if odd := [name for name in _UNSUPPORTED if one.config.get(name)]:
            raise FinetuneError(f"{one.part.folder} sets {odd[0]}, and only plain LoRA is averaged")
        if other := first.weights.keys() ^ one.weights.keys():
            raise FinetuneError(
                f"{one.part.folder} and {first.part.folder} do not adapt the same layers ({min(other)} is in one of"
                " them); average adapters of one line of training"
            )


def _read(part: Part) -> _Adapter:
    try:
        config = json.loads((part.folder / CONFIG).read_text(encoding="utf-8"))
        return _Adapter(part, config, load_file(str(part.folder / WEIGHTS)))
    except (OSError, ValueError) as error:
        raise FinetuneError(f"{part.folder} is no adapter: {CONFIG} or {WEIGHTS} cannot be read ({error})") from error


if __name__ == "__main__":
    sys.exit(main())
