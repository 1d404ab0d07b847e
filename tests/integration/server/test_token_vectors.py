"""Token vectors over the wire, by a tiny model: with documents, in the background, copied and killed."""

from pathlib import Path

import pytest

from proofs import tokens
from shortlist.bench import local
from shortlist.cli import main
from shortlist.client import Client, Document, Unsupported
from shortlist.texts import shipped

DOCUMENTS = [Document(str(number), entry.text) for number, entry in enumerate(shipped.entries()[:40])]


@pytest.fixture
def late(tiny, tiny_late: Path) -> list[str]:
    """Return the options that name the bundles of all three models."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker)]
    return [*models, "--late-interaction", str(tiny_late), "--log-level", "warning"]


def test_the_life_of_token_vectors(late: list[str], tmp_path: Path):
    """Each document has those of its own text, however it came, after kill -9, a restore and a later choice."""
    data = ["--data", str(tmp_path)]
    with local.start([*late, *data]) as process:
        with Client(local.address(process), timeout_s=100) as client:
            assert client.create_collection("new").token_vectors.pooling == "none"
            client.upsert("new", DOCUMENTS[:20])
            assert not [one.error for one in client.ingest("new", DOCUMENTS[10:]) if one.error]
            client.update_metadata("new", {"3": {"tag": "kept"}})
            client.delete("new", ["4"])
            found = client.list_collections()[0].token_vectors
            assert (found.state, found.documents, found.size_bytes) == (
                "ready",
                len(DOCUMENTS) - 1,
                found.vectors * (found.dimensions + 2),
            )
            client.create_snapshot("kept")
            client.create_collection("old", token_pooling="no-vectors")
            client.upsert("old", DOCUMENTS)
            assert client.list_collections()[1].token_vectors.state == "none"
            client.set_token_vectors("old", "by-two")
        process.kill()
    with local.serving(*late, *data) as address, Client(address, timeout_s=100) as client:
        tokens.wait_until_ready(client)
        by_name = {one.name: one.token_vectors for one in client.list_collections()}
        assert 2 * by_name["old"].vectors < 1.1 * by_name["new"].vectors
        client.drop_collection("new")
        (restored,) = client.restore_snapshot("kept")
        assert restored.token_vectors == by_name["new"]
    assert main.main(["verify", str(tmp_path)]) == 0
    assert tokens.assert_own(late, tmp_path) == 2 * len(DOCUMENTS) - 1


def test_without_the_model(late: list[str], tmp_path: Path):
    """A server without it serves the collection, says why searches do without, and refuses to make any."""
    data = ["--data", str(tmp_path)]
    with local.serving(*late, *data) as address, Client(address, timeout_s=100) as client:
        client.create_collection("c")
        client.upsert("c", DOCUMENTS[:5])
    with local.serving(*late[:4], *data) as address, Client(address, timeout_s=100) as client:
        client.upsert("c", DOCUMENTS[:8])
        (found,) = client.list_collections()
        assert (found.token_vectors.state, found.token_vectors.documents) == ("unusable", 5)
        assert "start it with --late-interaction BUNDLE" in found.token_vectors.fault
        with pytest.raises(Unsupported, match=r"^token_pooling: got 'TOKEN_POOLING_NONE'"):
            client.set_token_vectors("c", "none")
        assert len(client.search("c", "water").hits) == 8
    with local.serving(*late, *data) as address, Client(address, timeout_s=100) as client:
        tokens.wait_until_ready(client)
    assert tokens.assert_own(late, tmp_path) == 8
