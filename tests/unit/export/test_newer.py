"""What transformers 5 saves, read with the names of transformers 4.57."""

from pathlib import Path

import pytest

import families
import tiny_models
from shortlist.export import newer
from shortlist.export.errors import ExportError

FULL = {"rope_theta": 20_000.0, "rope_type": "default"}
SLIDING = {"rope_theta": 500.0, "rope_type": "default"}


def test_positions_of_modernbert() -> None:
    """The angles of its two kinds of layer go under their old names; what is saved in the old way says nothing."""
    config = {"model_type": "modernbert", "rope_parameters": {"full_attention": FULL, "sliding_attention": SLIDING}}
    found = newer.config_settings("model", config)
    assert found == {"global_rope_theta": 20_000.0, "local_rope_theta": 500.0}
    old = families.config("modernbert", 100, **found)
    assert (old.global_rope_theta, old.local_rope_theta) == (20_000.0, 500.0)
    assert newer.config_settings("model", {"model_type": "modernbert", "global_rope_theta": 1.0}) == {}


@pytest.mark.parametrize(
    ("model_type", "positions"),
    [
        ("gte", {"rope_theta": 1.0, "rope_type": "default"}),
        ("modernbert", {"full_attention": FULL}),
        ("modernbert", {"full_attention": {**FULL, "rope_type": "yarn"}, "sliding_attention": SLIDING}),
    ],
)
def test_other_positions_are_refused(model_type: str, positions: dict[str, object]) -> None:
    """What transformers 4.57 would leave out of account without a word is named, with the remedy."""
    with pytest.raises(
        ExportError, match=r"rope_parameters of its config\.json.*save it again with transformers 4\.57"
    ):
        newer.config_settings("model", {"model_type": model_type, "rope_parameters": positions})


def test_a_tokenizer_by_its_new_name(tmp_path: Path) -> None:
    """A tokenizer of the class that transformers 5 names is the one that it was, and another keeps its own class."""
    folder = tiny_models.encoder(tmp_path / "model", "modernbert")
    before = newer.tokenizer(folder)("who printed the book").input_ids
    tiny_models.edit(folder / "tokenizer_config.json", tokenizer_class="TokenizersBackend", backend="tokenizers")
    assert newer.tokenizer(folder)("who printed the book").input_ids == before
    bert = tiny_models.encoder(tmp_path / "bert")
    assert type(newer.tokenizer(bert)).__name__ == "BertTokenizerFast"
