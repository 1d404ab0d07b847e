"""The similarity's weight that a bundle recommends: asked for, or the model's own word."""

import json

import pytest

from shortlist.export import build, source
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings
from shortlist.server.fusion import Fusion


@pytest.fixture(scope="module")
def model(make, tmp_path_factory):
    """Return a reranker that says how it is best served."""
    folder = make.encoder(tmp_path_factory.mktemp("model") / "model", labels=["relevant"])
    (folder / source.RECOMMENDED).write_text(json.dumps({"similarity_weight": 4, "similarity_center": 0.3}))
    return folder


def fusion(folder, out, **changes):
    """Return what an export would recommend."""
    return build._fusion(ExportSettings(out=out, **changes), source.resolve(str(folder)))


def test_the_model_s_own_word(make, model, tmp_path):
    """A bundle takes weight and center from the model's shortlist.json."""
    manifest = make.export(model, tmp_path / "bundle").manifest
    assert (manifest.similarity_weight, manifest.similarity_center) == (4.0, 0.3)


def test_what_is_asked_for_counts_first(model, tmp_path):
    """What is asked for comes before the model's word, 0 included, each by itself."""
    assert fusion(model, tmp_path, similarity_weight=0.0) == Fusion(0.0, 0.3)
    assert fusion(model, tmp_path, similarity_weight=7.0, similarity_center=0.5) == Fusion(7.0, 0.5)


def test_most_models_say_nothing(make, tmp_path):
    """Without a word the order is the reranker's."""
    assert fusion(make.encoder(tmp_path / "plain", labels=["relevant"]), tmp_path) == Fusion()


@pytest.mark.parametrize(
    "said",
    [
        '{"similarity_weight": 101, "similarity_center": 0}',
        '{"similarity_weight": 4, "similarity_center": 2}',
        '{"similarity_weight": "4", "similarity_center": 0}',
        '{"similarity_weight": 4}',
        '{"similarity_weight": 4, "similarity_center": 0, "more": 1}',
        "[4]",
    ],
)
def test_what_is_no_weight_is_refused(make, tmp_path, said):
    """A number outside its range, another form, and another key are refused."""
    folder = make.encoder(tmp_path / "odd", labels=["relevant"])
    (folder / source.RECOMMENDED).write_text(said)
    with pytest.raises(ExportError, match=r"W from 0 to 100 and C from -1 to 1; mend it, or remove it"):
        fusion(folder, tmp_path)
