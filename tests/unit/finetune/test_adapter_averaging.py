"""Averages of adapters: layers by their products, the rest as it is, and refusals before anything is written."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from shortlist.finetune import adapter_averaging
from shortlist.finetune.adapter_averaging import CONFIG, WEIGHTS, Part
from shortlist.finetune.errors import FinetuneError

LAYER, HEAD = "base_model.model.bert.layer.query", "base_model.model.classifier.weight"
HALF = 2e-3  # float16 keeps 11 bits, and the largest product here is below 4


def adapter(folder, seed, *, rank=2, **config):
    """Write a small adapter of one layer, 6 inputs to 4 outputs, and a head; return its folder."""
    drawn = torch.Generator().manual_seed(seed)
    weights = {
        f"{LAYER}.lora_A.weight": torch.randn(rank, 6, generator=drawn),
        f"{LAYER}.lora_B.weight": torch.randn(4, rank, generator=drawn),
        HEAD: torch.randn(1, 4, generator=drawn),
    }
    folder.mkdir()
    save_file(weights, str(folder / WEIGHTS))
    asked = {"base_model_name_or_path": "base", "peft_type": "LORA", "r": rank, "lora_alpha": rank, **config}
    (folder / CONFIG).write_text(json.dumps(asked))
    return folder


def change(folder):
    """Return what an adapter adds to its layer."""
    weights, config = load_file(str(folder / WEIGHTS)), json.loads((folder / CONFIG).read_text())
    up, down = weights[f"{LAYER}.lora_B.weight"].float(), weights[f"{LAYER}.lora_A.weight"].float()
    return config["lora_alpha"] / config["r"] * up @ down


def test_the_average_of_layers_and_heads(tmp_path):
    """With a rank that holds both, the layer's change and the head are the weighted means, whatever the scales."""
    one, two = adapter(tmp_path / "one", 1), adapter(tmp_path / "two", 2, lora_alpha=4)
    adapter_averaging.average([Part(one, 0.75), Part(two, 0.25)], tmp_path / "out", rank=4)
    torch.testing.assert_close(
        change(tmp_path / "out"), 0.75 * change(one) + 0.25 * change(two), atol=4 * HALF, rtol=HALF
    )
    heads = [load_file(str(folder / WEIGHTS))[HEAD].float() for folder in (one, two, tmp_path / "out")]
    torch.testing.assert_close(heads[2], 0.75 * heads[0] + 0.25 * heads[1], atol=HALF, rtol=HALF)


def test_the_cut_is_the_nearest_of_its_rank():
    """What a cut to rank 1 loses is the root of the other singular values' squares, which no matrix betters."""
    matrix = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    up, down = adapter_averaging.cut(matrix, 1)
    lost = torch.linalg.norm(matrix - up @ down)
    torch.testing.assert_close(lost, torch.linalg.norm(torch.linalg.svdvals(matrix)[1:]))


def test_the_rank_defaults_to_the_highest(tmp_path):
    """Without a rank the average has that of the largest adapter, and its similarity weight is the first one's."""
    one, two = adapter(tmp_path / "one", 1, rank=1), adapter(tmp_path / "two", 2, rank=3)
    (one / "shortlist.json").write_text('{"similarity_weight": 0.3}')
    adapter_averaging.average([Part(one, 0.5), Part(two, 0.5)], tmp_path / "out")
    assert json.loads((tmp_path / "out" / CONFIG).read_text())["r"] == 3
    assert json.loads((tmp_path / "out" / "shortlist.json").read_text()) == {"similarity_weight": 0.3}


def test_a_rank_above_the_layers_own_is_filled_up():
    """Factors of a rank that the matrix cannot have still multiply to it."""
    matrix = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    up, down = adapter_averaging.cut(matrix, 7)
    assert (up.shape, down.shape) == ((4, 7), (7, 3))
    torch.testing.assert_close(up @ down, matrix)


@pytest.mark.parametrize(
    ("shares", "config", "message"),
    [
        ([1.0], {}, "an average takes two or more"),
        ([0.5, 0.6], {}, "the shares add up to 1.1, but they must add up to 1"),
        ([1.5, -0.5], {}, "is 1.5, but it must be between 0 and 1"),
        ([0.5, 0.5], {"base_model_name_or_path": "other"}, "average adapters over the same base"),
        ([0.5, 0.5], {"use_rslora": True}, "sets use_rslora, and only plain LoRA is averaged"),
    ],
)
def test_refusals(tmp_path, shares, config, message):
    """What does not fit together is refused by name, and nothing is written."""
    folders = [adapter(tmp_path / "one", 1), adapter(tmp_path / "two", 2, **config)]
    parts = [Part(folder, share) for folder, share in zip(folders, shares, strict=False)]
    with pytest.raises(FinetuneError, match=message):
        adapter_averaging.average(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_adapters_of_other_layers_are_refused(tmp_path):
    """Adapters that do not adapt the same layers have no average."""
    one, two = adapter(tmp_path / "one", 1), adapter(tmp_path / "two", 2)
    weights = load_file(str(two / WEIGHTS))
    save_file({**weights, "extra": torch.zeros(1)}, str(two / WEIGHTS))
    with pytest.raises(FinetuneError, match="do not adapt the same layers"):
        adapter_averaging.average([Part(one, 0.5), Part(two, 0.5)], tmp_path / "out")
    assert not (tmp_path / "out").exists()
