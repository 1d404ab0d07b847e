"""Another embedder without a pause, over the wire: two real bundles of different dimensions, one server."""

import asyncio
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import families
from shortlist.bench import local
from shortlist.cli import main
from shortlist.client import AsyncClient, Client, Document, InvalidRequest, NotFound, Reindex, ServerError
from shortlist.texts import shipped

ENTRIES = shipped.entries()
DOCUMENTS = [Document(str(number), entry.text, title=f"title {number}") for number, entry in enumerate(ENTRIES)]


@pytest.fixture(scope="session")
def other(make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of a second embedder, with a prefix and fewer dimensions."""
    from sentence_transformers.sentence_transformer.modules import Dense  # noqa: PLC0415 (it imports torch)

    folder = tmp_path_factory.mktemp("other")
    model = make.embedder(folder / "model", after=[Dense(families.WIDTH, 8)], prompts={"document": "passage: "})
    make.export(model, folder / "bundle", variants=())
    return folder / "bundle"


@pytest.fixture
def models(tiny) -> list[str]:
    """Return the options that name the bundles of the first embedder and the reranker."""
    return ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--log-level", "info"]


def filled(client: Client, name: str = "papers", times: int = 1) -> list[Document]:
    """Make a collection of the shipped texts, several times over, and return its documents."""
    documents = [
        Document(f"{copy}-{one.id}", f"{one.text} {copy}", title=one.title)
        for copy in range(times)
        for one in DOCUMENTS
    ]
    client.create_collection(name)
    for start in range(0, len(documents), 500):
        client.upsert(name, documents[start : start + 500])
    return documents


Answer = tuple[tuple[str, float], ...]


def answers(client: Client, name: str = "papers") -> dict[str, Answer]:
    """Return what stage one finds for each query: ids and similarities."""
    return {entry.query: answer(client, entry.query, name) for entry in ENTRIES[::4]}


def answer(client: Client, query: str, name: str = "papers") -> Answer:
    """Return what stage one finds for a query."""
    found = client.search(name, query, top_k=10, mode="dense", include_text=False)
    return tuple((hit.id, round(hit.similarity, 5)) for hit in found.hits)


@pytest.fixture(scope="session")
def anew(tiny, other: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Yield a client of a server whose own embedder is the other one."""
    models = ("--embedder", str(other), "--reranker", str(tiny.reranker), "--log-level", "error")
    data = str(tmp_path_factory.mktemp("anew"))
    with local.serving(*models, "--data", data) as address, Client(address) as client:
        yield client


def index_anew(client: Client, documents: list[Document]) -> None:
    """Index documents by the other embedder from the beginning."""
    client.create_collection("papers")
    for start in range(0, len(documents), 500):
        client.upsert("papers", documents[start : start + 500])


@pytest.fixture
def address(models: list[str], tmp_path: Path) -> Iterator[str]:
    """Run a server of the first embedder."""
    with local.serving(*models, "--data", str(tmp_path / "data")) as running:
        yield running


def test_searches_all_along(address: str, anew: Client, other: Path):
    """From before to after, every search of several clients finds what one embedder alone finds, and none fails."""
    with Client(address) as client:
        documents = filled(client, times=5)
        index_anew(anew, documents)
        before, after = answers(client), answers(anew)
        anew.drop_collection("papers")
        ended, faults, counts = threading.Event(), [], {"old": 0, "new": 0}

        def ask() -> None:
            with Client(address) as mine:
                while not ended.is_set():
                    for query in before:
                        found = answer(mine, query)
                        counts["old" if found == before[query] else "new"] += 1
                        if found not in (before[query], after[query]):
                            faults.append((query, found))

        def asked() -> None:
            try:
                ask()
            except Exception as error:
                faults.append(error)
                raise

        threads = [threading.Thread(target=asked) for _ in range(3)]
        for thread in threads:
            thread.start()
        told: list[Reindex] = []
        done = client.reindex("papers", str(other), on_progress=told.append)
        assert answers(client) == after
        ended.set()
        for thread in threads:
            thread.join()
        assert faults == []
        assert min(counts.values()) > 0
        assert (done.state, done.made, done.documents) == ("done", 800, 800)
        assert [one.made for one in told] == sorted(one.made for one in told)
        (collection,) = client.list_collections()
        assert (collection.dimensions, collection.embedder_fingerprint) == (8, done.embedder_fingerprint)
        assert client.search("papers", ENTRIES[0].query, include_vectors=True).hits[0].vector


def test_what_is_written_meanwhile(address: str, anew: Client, other: Path):
    """Documents that are added, replaced and deleted while vectors are made are found as if indexed anew."""
    with Client(address) as client:
        documents = {one.id: one for one in filled(client, times=10)}
        client.start_reindex("papers", str(other))
        step = 0
        while client.get_reindex("papers").state == "running":
            step += 1
            new = [
                Document(f"new-{step}", f"new {ENTRIES[step % 160].text}"),
                Document(f"0-{step % 160}", f"now {step}"),
            ]
            gone = [f"5-{step % 160}", f"new-{step - 3}"]
            client.upsert("papers", new)
            client.delete("papers", gone)
            assert answer(client, "anything")
            documents |= {one.id: one for one in new}
            documents = {name: one for name, one in documents.items() if name not in gone}
        assert step > 2
        assert client.get_reindex("papers").state == "done"
        assert client.count("papers") == len(documents)
        index_anew(anew, list(documents.values()))
        assert [dict(found) for found in answers(client).values()] == [
            dict(found) for found in answers(anew).values()
        ]
        anew.drop_collection("papers")


def test_killed_in_the_middle(models: list[str], anew: Client, other: Path, tmp_path: Path):
    """After kill -9 the next start goes on by itself with what was made, and searches find the old until its end."""
    options = [*models, "--data", str(tmp_path / "data")]
    with local.start(options) as process, Client(local.address(process)) as client:
        documents = filled(client, times=25)
        before = answers(client)
        client.start_reindex("papers", str(other))
        made = client.get_reindex("papers", after=300)
        os.kill(process.pid, signal.SIGKILL)
    assert made.state == "running"
    with local.serving(*options) as address, Client(address) as client:
        assert answer(client, ENTRIES[0].query) == before[ENTRIES[0].query]
        now = client.get_reindex("papers", after=0)
        assert (now.state, now.embedder_fingerprint) == ("running", made.embedder_fingerprint)
        assert now.made >= made.made
        done = client.reindex("papers", str(other))
        index_anew(anew, documents)
        assert answers(client) == answers(anew)
        anew.drop_collection("papers")
        assert done.documents == len(documents)


def test_a_start_after_the_switch(models: list[str], other: Path, tmp_path: Path, capfd):
    """The bundle is found where it lay; moved, the start is refused and names it; named anew, the server starts."""
    options = [*models, "--data", str(tmp_path / "data")]
    bundle = tmp_path / "bundle"
    shutil.copytree(other, bundle)
    with local.serving(*options) as address, Client(address) as client:
        filled(client, "old")
        filled(client)
        client.reindex("papers", str(bundle))
        expected = answers(client), answers(client, "old")
    with local.serving(*options) as address, Client(address) as client:
        assert (answers(client), answers(client, "old")) == expected
        assert client.get_reindex("papers").state == "none"
    bundle.rename(tmp_path / "moved")
    capfd.readouterr()
    with local.start(options) as process:
        assert process.wait() == 2
    said = capfd.readouterr().err
    assert "collection papers" in said
    assert f"add its bundle, which was at {bundle}, with --other-embedders" in said
    named = ["--other-embedders", str(tmp_path / "moved")]
    with local.serving(*options, *named) as address, Client(address) as client:
        assert (answers(client), answers(client, "old")) == expected
    swapped = ["--embedder", str(tmp_path / "moved"), *models[2:], "--other-embedders", models[1]]
    with local.serving(*swapped, "--data", str(tmp_path / "data")) as address, Client(address) as client:
        assert (answers(client), answers(client, "old")) == expected
        assert client.describe().embedder.dimensions == 8
        assert client.reindex("old").embedder_fingerprint == client.describe().embedder.fingerprint


def test_another_variant(models: list[str], tmp_path: Path, capsys):
    """A server that runs another variant tells of collections of the one before, serves them, and makes them anew."""
    options = [*models, "--data", str(tmp_path / "data")]
    with local.serving(*options, "--embedder-variant", "int8-token") as address, Client(address) as client:
        filled(client)
    with local.serving(*options, "--embedder-variant", "fp32") as address, Client(address) as client:
        assert client.list_collections()[0].embedder.endswith("(int8-token)")
        assert len(answers(client)) == 40
        assert main.main(["reindex", "papers", "--address", address]) == 0
        assert capsys.readouterr().out.endswith("(fp32): 160 documents\n")
        assert main.main(["reindex", "papers", "--variant", "int8-token", "--json", "--address", address]) == 0
        assert json.loads(capsys.readouterr().out)["embedder"].endswith("(int8-token)")
        assert main.main(["reindex", "papers", "--address", address]) == 0
    with local.serving(*options) as address, Client(address) as client:
        assert client.describe().embedder.variant == "fp32"  # auto takes what the collections are of


@pytest.mark.parametrize(
    ("embedder", "variant", "field", "told"),
    [
        ("bundles/embedder", "", "embedder", "it must be the absolute path of a folder on the server"),
        ("/nowhere/at/all", "", "embedder", "no bundle at /nowhere/at/all"),
        ("/nul\0", "", "embedder", "embedder: got '/nul"),
        ("RERANKER", "", "embedder", "is of kind reranker"),
        ("", "int3", "variant", "has no variant 'int3'; it has fp32"),
    ],
)
def test_what_is_no_embedder(address: str, tiny, embedder: str, variant: str, field: str, told: str):
    """What the server cannot make vectors with is refused by its field, and the collection stays as it is."""
    with Client(address) as client:
        filled(client)
        with pytest.raises(InvalidRequest, match=told.replace("(", r"\(")) as refused:
            client.reindex("papers", embedder.replace("RERANKER", str(tiny.reranker)), variant)
        assert refused.value.field == field
        assert client.get_reindex("papers").state == "none"
        with pytest.raises(NotFound):
            client.reindex("gone")


def test_cancelled(address: str, other: Path, capsys):
    """One that is cancelled leaves the collection as it was, and one of another embedder waits for that."""
    with Client(address) as client:
        filled(client, times=25)
        before = answers(client)
        client.start_reindex("papers", str(other))
        with pytest.raises(InvalidRequest, match=r"papers is made anew with .* now; wait for its end, or cancel it"):
            client.reindex("papers")
        assert main.main(["reindex", "papers", "--cancel", "--address", address]) == 0
        assert capsys.readouterr().out == "cancelled: papers stays as it was, 4,000 documents\n"
        assert client.get_reindex("papers").state == "cancelled"
        assert answers(client) == before
        assert client.reindex("papers").state == "done"  # with its own embedder there is nothing to do
        client.start_reindex("papers", str(other))
        client.drop_collection("papers")
        with pytest.raises((ServerError, NotFound)):
            client.reindex("papers", str(other))


def test_from_asyncio(address: str, other: Path):
    """An AsyncClient makes a collection anew, and is told how far it is."""

    async def run() -> tuple[Reindex, list[Reindex]]:
        told: list[Reindex] = []
        async with AsyncClient(address) as client:
            await client.create_collection("papers")
            await client.upsert("papers", DOCUMENTS)
            assert (await client.get_reindex("papers")).state == "none"
            done = await client.reindex("papers", str(other), on_progress=told.append)
            assert (await client.cancel_reindex("papers")).state == "done"
            return done, told

    done, told = asyncio.run(run())
    assert (done.state, done.documents) == ("done", 160)
    assert {one.state for one in told} <= {"running"}
