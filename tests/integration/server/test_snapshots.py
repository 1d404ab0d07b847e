"""Snapshots over the wire: taken while a server serves, restored on another one, and refused by field and remedy."""

import json
from pathlib import Path

import pytest

from shortlist.bench import local
from shortlist.cli import main
from shortlist.client import AlreadyExists, Client, Document, InvalidRequest, NotFound


@pytest.mark.parametrize("name", ["../out", "a/b", "/tmp/x", ".hidden", "..", "A", "x" * 65])  # noqa: S108 (refused)
def test_names_that_lead_elsewhere(client: Client, name: str):
    """No name of a snapshot is a path: it is refused by its field, whatever is to be done with it."""
    for field, call in (
        ("name", client.create_snapshot),
        ("name", client.drop_snapshot),
        ("snapshot", client.restore_snapshot),
    ):
        with pytest.raises(InvalidRequest, match=f"^{field}: got .* a name is 1 to 64 characters") as refused:
            call(name)
        assert refused.value.field == field


def test_there_and_elsewhere(tiny, tmp_path: Path, capsys):
    """A snapshot that one server takes is listed and restored by another, by command, and what is there is kept."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--log-level", "error")
    shared = ("--snapshots", str(tmp_path / "shared"))
    with local.serving(*models, *shared, "--data", str(tmp_path / "one")) as address, Client(address) as client:
        client.create_collection("papers")
        client.upsert("papers", [Document("a", "text", metadata={"n": 1})])
        taken = client.create_snapshot("monday", ["papers"])
        assert client.list_snapshots() == (taken,)
        with pytest.raises(AlreadyExists, match="nothing was restored"):
            client.restore_snapshot("monday")
        with pytest.raises(AlreadyExists):
            client.create_snapshot("monday")
        with pytest.raises(NotFound):
            client.create_snapshot("tuesday", ["gone"])
    with local.serving(*models, *shared, "--data", str(tmp_path / "two")) as address, Client(address) as client:
        assert main.main(["restore", "monday", "--address", address]) == 0
        assert capsys.readouterr().out == "restored papers: 1 document\n"
        assert client.get("papers", ["a"]) == (Document("a", "text", metadata={"n": 1}),)
        assert [hit.id for hit in client.search("papers", "text").hits] == ["a"]
        assert main.main(["snapshot", "list", "--json", "--address", address]) == 0
        assert [one["name"] for one in json.loads(capsys.readouterr().out)["snapshots"]] == ["monday"]
        client.drop_snapshot("monday")
        with pytest.raises(NotFound):
            client.restore_snapshot("monday")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "shared", "two"]
