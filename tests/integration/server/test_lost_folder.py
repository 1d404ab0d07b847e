"""A collection's folder that is removed under a server: what its callers hear."""

import shutil
from pathlib import Path

import pytest

from shortlist.bench import local
from shortlist.client import Client, Document, ServerError


def test_a_folder_that_was_removed(tiny, tmp_path: Path):
    """An upsert says so instead of being acknowledged, searches go on, and the collection can be made anew."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--log-level", "error")
    with local.serving(*models, "--data", str(tmp_path)) as address, Client(address, timeout_s=60) as client:
        client.create_collection("papers")
        client.upsert("papers", [Document("a", "text")])
        while (folder := tmp_path / "collections" / "papers").exists():  # its lexical index may be being written
            shutil.rmtree(folder, ignore_errors=True)
        lost = r"^/.*documents\.sqlite was removed or replaced while the server had it open; nothing was changed;"
        for name in ("b", "a"):  # new, and as it was
            with pytest.raises(ServerError, match=lost) as failed:
                client.upsert("papers", [Document(name, "text")])
            assert failed.value.reason == "STORAGE_FAILED"
        assert [hit.id for hit in client.search("papers", "text").hits] == ["a"]
        assert client.drop_collection("papers") == 1
        client.create_collection("papers")
        assert client.upsert("papers", [Document("b", "text")]).inserted == 1
