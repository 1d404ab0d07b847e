"""The similarity's share that a bundle recommends: asked for, or the model's own word."""

import json

import pytest

from shortlist.export import build, source
from shortlist.export.errors import ExportError
from shortlist.export.settings import ExportSettings
from shortlist.server.errors import SettingsError


@pytest.fixture(scope="module")
def model(make, tmp_path_factory):
    """Return a reranker that says how it is best served."""
    folder = make.encoder(tmp_path_factory.mktemp("model") / "model", labels=["relevant"])
    (folder / source.RECOMMENDED).write_text(json.dumps({"blend": 0.4}))
    return folder


def share(folder, out, **changes):
    """Return what an export would recommend."""
    return build._blend(ExportSettings(model=str(folder), out=out, **changes), source.resolve(str(folder)))


def test_the_model_s_own_word(make, model, tmp_path):
    """A bundle takes the share from the model's shortlist.json."""
    assert make.export(model, tmp_path / "bundle", variants=("fp32",)).manifest.blend == 0.4


def test_what_is_asked_for_counts_first(model, tmp_path):
    """--blend comes before the model's word, 0 included."""
    assert share(model, tmp_path, blend=0.0) == 0.0
    assert share(model, tmp_path, blend=0.7) == 0.7


def test_most_models_say_nothing(make, tmp_path):
    """Without a word the order is the reranker's."""
    assert share(make.encoder(tmp_path / "plain", labels=["relevant"]), tmp_path) == 0.0


def test_what_is_no_share_is_refused(make, tmp_path):
    """A share outside 0 to 1 is refused, wherever it comes from."""
    folder = make.encoder(tmp_path / "odd", labels=["relevant"])
    (folder / source.RECOMMENDED).write_text('{"blend": 4}')
    with pytest.raises(ExportError, match=r"shortlist.json is 4, but a share is from 0 to 1"):
        share(folder, tmp_path)
    with pytest.raises(SettingsError, match=r"blend is -1, but a share is from 0 to 1"):
        ExportSettings(model="m", out=tmp_path, blend=-1)
