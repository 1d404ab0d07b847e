"""The similarity's weight that a bundle recommends: asked for, or the model's own word."""

import json

import pytest

from shortlist.export import build, source
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings


@pytest.fixture(scope="module")
def model(make, tmp_path_factory):
    """Return a reranker that says how it is best served."""
    folder = make.encoder(tmp_path_factory.mktemp("model") / "model", labels=["relevant"])
    (folder / source.RECOMMENDED).write_text(json.dumps({"similarity_weight": 0.4}))
    return folder


def weight(folder, out, **changes):
    """Return what an export would recommend."""
    return build._similarity_weight(ExportSettings(out=out, **changes), source.resolve(str(folder)))


def test_the_model_s_own_word(make, model, tmp_path):
    """A bundle takes the weight from the model's shortlist.json."""
    assert make.export(model, tmp_path / "bundle").manifest.similarity_weight == 0.4


def test_what_is_asked_for_counts_first(model, tmp_path):
    """--similarity-weight comes before the model's word, 0 included."""
    assert weight(model, tmp_path, similarity_weight=0.0) == 0.0
    assert weight(model, tmp_path, similarity_weight=0.7) == 0.7


def test_most_models_say_nothing(make, tmp_path):
    """Without a word the order is the reranker's."""
    assert weight(make.encoder(tmp_path / "plain", labels=["relevant"]), tmp_path) == 0.0


def test_what_is_no_weight_is_refused(make, tmp_path):
    """A weight outside 0 to 1 is refused, wherever it comes from, and so is a file with another key."""
    folder = make.encoder(tmp_path / "odd", labels=["relevant"])
    for said in ('{"similarity_weight": 4}', '{"similarity_weight": "0.5"}', '{"weight": 0.5}', "[0.5]"):
        (folder / source.RECOMMENDED).write_text(said)
        with pytest.raises(ExportError, match=r"nothing else, W from 0 to 1"):
            weight(folder, tmp_path)
