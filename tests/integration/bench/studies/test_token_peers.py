"""The comparison of late interaction with peers: the command on a tiny model, and what it refuses."""

import json
from pathlib import Path

import pytest

import judged_folders
import late_models
from parsed import parsed
from shortlist.bench.studies.peers.peer import PeersError
from shortlist.bench.studies.token_peers import __main__ as command
from shortlist.bench.studies.token_peers import comparison, model
from shortlist.bench.studies.token_peers.comparison import Texts
from shortlist.bench.studies.token_peers.participant import Answer, System
from shortlist.bench.studies.token_peers.settings import TokenPeersSettings
from shortlist.server.errors import SettingsError

PASSAGES = 100


def test_shortlist_takes_part_and_what_is_not_installed_is_left_out(make, tiny, tmp_path, capsys):
    """A model that the study wrote is exported, indexed, searched and reranked; peers that are missing are named."""
    late_models.body(tmp_path / "body", "bert", late_models.MARKERS)
    model.write(tmp_path / "body", tmp_path / "model")
    make.export(tmp_path / "model", tmp_path / "bundle", variants=())
    documents = {f"d{number}": f"a river of {number} hills, and no more" for number in range(PASSAGES)}
    judged_folders.write(tmp_path, documents, {"q": "where is the river"}, [("q", "d0", 1)])
    settings = TokenPeersSettings(
        model=tmp_path / "model",
        late_interaction=tmp_path / "bundle",
        embedder=tiny.embedder,
        collection=tmp_path,
        pylate=tmp_path / "no-pylate",
        colbert=tmp_path / "no-colbert",
        variants=("fp32",),
        threads=1,
        passages=PASSAGES,
        rounds=1,
    )
    assert command.run(settings) == 0
    found = json.loads(capsys.readouterr().out)
    (ours,) = found["outcomes"]
    assert {load: [one["items"] for one in turns] for load, turns in ours["turns"].items()} == {
        "encode": [PASSAGES],
        "encode_both": [PASSAGES],
        "index": [PASSAGES],
        "search": [1],
        "rerank": [1],
        "score": [1],
    }
    ((ranked,),) = [one["answers"] for one in ours["turns"]["rerank"]]
    ((scored,),) = [one["answers"] for one in ours["turns"]["score"]]
    # What is stored is int8: as near as 32 vectors' rounding leaves it.
    assert ranked["result"] == pytest.approx(scored["result"], abs=0.1)
    assert ours["kept"] == 1.0  # all passages are candidates
    assert list(found["left_out"]) == ["PyLate", "colbert-ai"]
    assert all("`make late-interaction-peers` installs it" in why for why in found["left_out"].values())


class Scores:
    """A participant that has its scores."""

    def __init__(self, graph: str, scores: list[float]) -> None:
        """Take what it answers."""
        self.system, self._scores = System("one", graph, Path("here"), ()), scores

    async def ask(self, call: str, **_: object) -> Answer:
        """Return the scores."""
        return Answer(self._scores, 1.0, 1.0)


async def test_another_model_is_not_measured():
    """A participant whose order of the same texts is another is refused by name, with what is left of the order."""
    texts = Texts(["a", "b", "c"], ["q"])
    right, near, wrong = (
        Scores("fp32", [1.0, 2.0, 3.0]),
        Scores("int8", [1.1, 2.0, 3.0]),
        Scores("fp32", [3.0, 2.0, 1.0]),
    )
    agreed = await comparison.agreements([near, right], texts)
    assert [one.tau for one in agreed] == [1.0, 1.0]
    assert [one.change for one in agreed] == pytest.approx([0.1, 0.0])
    with pytest.raises(PeersError, match=r"one computes something else: .* tau of -1\.0000 is left"):
        await comparison.agreements([right, wrong], texts)


def test_no_variant_is_refused():
    """Nothing to run is named."""
    given = dict.fromkeys(("model", "late_interaction", "embedder", "collection"), Path("here"))
    with pytest.raises(SettingsError, match="variants is empty"):
        parsed(TokenPeersSettings, **given, variants=())
