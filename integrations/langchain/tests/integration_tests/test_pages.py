"""docs/rag.md and the README, run block after block in one interpreter, as a reader would."""

import contextlib
import importlib.metadata
import io
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shortlist.client import Client, NotFound

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "rag.md"
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def page(client: Client) -> Iterator[str]:
    """Return the page's text, and drop the collection that its code makes."""
    if not PAGE.exists():
        pytest.skip("no docs/rag.md: this is not a clone of Shortlist's repository")
    yield PAGE.read_text(encoding="utf-8")
    with contextlib.suppress(NotFound):
        client.drop_collection("rag")


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


async def test_the_page_runs(page: str, client: Client, monkeypatch: pytest.MonkeyPatch):
    """Every block does what the words around it say: passages, an answer, reranking, and where results are lost."""
    monkeypatch.chdir(ROOT)
    namespace: dict[str, object] = {}
    printed = []
    for block in blocks(page, "python"):
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            exec(compile(block, PAGE.name, "exec"), namespace)  # noqa: S102 (our own page)
        printed.append(shown.getvalue().splitlines())
    said = [lines for lines in printed if lines]
    retrieved, answered, reranked, places, read, seen, numbers = said
    (shown_first,) = blocks(page, "text")
    assert retrieved[0] == shown_first.strip()
    assert len(retrieved) == 4

    assert answered[0].startswith("Human: Answer the question by the passages below alone")
    assert any(line.startswith("[1] docs/operations.md, Operations > Deadlines") for line in answered)
    assert answered[-2] == f"Question: {namespace['question']}"
    assert answered[-1] == namespace["model"].responses[0]
    assert await namespace["chain"].ainvoke(namespace["question"]) == answered[-1]

    scores = [float(line.split()[0]) for line in reranked]
    assert scores == sorted(scores, reverse=True)
    assert "Deadlines" in reranked[0]

    assert [re.sub(r"\d+", "N", line) for line in places] == ["dense: place N", "lexical: place N"]
    assert re.fullmatch(r"\d+ found, \d+ selected \(limit: (None|margin|budget)\), \d+ read", read[0])
    assert read[1].startswith("degraded: None; ")
    cut, count = map(int, re.findall(r"\d+", seen[0]))
    assert cut < count == client.count("rag")
    whole = client.search("rag", namespace["question"], 1, mode="rerank-all", fresh=True)
    assert (cut, count) == (whole.truncated, whole.reranked)
    assert len(numbers) == 10
    assert numbers[0].endswith("Operations > Deadlines")


def test_indexing_again_embeds_nothing(page: str, client: Client, monkeypatch: pytest.MonkeyPatch):
    """What the page says of a second run: every document is as it was."""
    monkeypatch.chdir(ROOT)
    namespace: dict[str, object] = {}
    for block in blocks(page, "python")[:3]:
        exec(compile(block, PAGE.name, "exec"), namespace)  # noqa: S102 (our own page)
    stored = list(client.list("rag"))
    again = client.ingest("rag", stored)
    assert {result.outcome for result in again} == {"unchanged"}
    assert {one.id for one in stored} == {one.id for one in namespace["documents"]}


def test_the_readme_runs(client: Client):
    """Its store finds what the filter leaves, and its reranker stands behind another store."""
    namespace: dict[str, object] = {}
    try:
        for block in blocks(README.read_text(encoding="utf-8"), "python"):
            exec(compile(block, README.name, "exec"), namespace)  # noqa: S102 (our own page)
        assert [one.id for one in namespace["found"]] == ["1"]
        assert {one.id for one in namespace["retriever"].invoke("which capitals are there?")} == {"1", "2"}
        assert namespace["best"][0].page_content == "Berlin is the capital of Germany."
        assert len(namespace["best"]) == 2
    finally:
        client.drop_collection("notes")


def installed(line: str) -> set[str]:
    """Return the distributions that `pip install ...`, run in the root of the clone, brings into an empty venv."""
    waiting, found = [], set()
    for one in line.split()[2:]:
        project = ROOT / one / "pyproject.toml"
        is_folder = one.startswith(".")
        waiting.append(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["name"] if is_folder else one)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needed = [Requirement(one) for one in importlib.metadata.requires(name) or ()]
            # An extra is not asked for; what a marker leaves out is not installed.
            waiting += [one.name for one in needed if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


WITHOUT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(f"No module named {name!r}: it is not in the page's pip line", name=name)
absent = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Absent())
exec(compile(sys.stdin.read(), "rag.md", "exec"), {})
"""


def test_the_page_runs_with_what_it_installs(page: str):
    """Its pip line, in an empty environment, brings all that its blocks import: here the rest is hidden from them."""
    (line,) = re.findall(r"^pip install .*$", page, flags=re.MULTILINE)
    brought = installed(line)
    absent = [
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if not brought & {canonicalize_name(name) for name in names}
    ]
    assert "pytest" in absent
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT, ",".join(absent)],
        input="\n".join(blocks(page, "python")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
