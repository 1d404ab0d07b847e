"""Every command and example of the README, run as it stands there.

What stands in for a new user's machine: a model hub's cache that holds tiny models under the names of the README, a
free port in place of 50051, and `tests/support/grpcurl.py` in place of grpcurl. `make test` is this very run.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.bench import local
from shortlist.texts import shipped

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TIMEOUT_S = 600


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.replace("\\\n", "").splitlines()]
MAKE = [command for command in COMMANDS if command.startswith("make")]
ELSE = [command for command in COMMANDS if not command.startswith("make")]


def run(command: str, environment: dict[str, str], folder: Path) -> str:
    """Run a command in a shell, as a reader would paste it, and return what it printed."""
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def hub_cache(tiny_folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model hub's cache that holds tiny models under the names of the README."""
    cache = tmp_path_factory.mktemp("hub")
    for name, folder in (
        ("sentence-transformers/all-MiniLM-L6-v2", tiny_folders.embedder),
        ("cross-encoder/ms-marco-MiniLM-L6-v2", tiny_folders.reranker),
    ):
        commit = "0" * 40
        stored = cache / f"models--{name.replace('/', '--')}"
        (stored / "refs").mkdir(parents=True)
        (stored / "refs" / "main").write_text(commit)
        (stored / "snapshots").mkdir()
        (stored / "snapshots" / commit).symlink_to(folder)
    return cache


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, hub_cache: Path) -> dict[str, str]:
    """Return a new user's environment: our commands and grpcurl on PATH, and the hub's cache."""
    tools = tmp_path_factory.mktemp("bin")
    grpcurl = tools / "grpcurl"
    grpcurl.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests" / "support" / "grpcurl.py"} "$@"\n')
    grpcurl.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHORTLIST_")}
    path = f"{tools}:{Path(sys.executable).parent}:{kept['PATH']}"
    return {**kept, "PATH": path, "HF_HUB_CACHE": str(hub_cache), "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the commands name."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("README.md", "docs", "constraints.txt"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def served(environment: dict[str, str], project: Path) -> Iterator[dict[str, str]]:
    """Run the README's exports and its server, and return the environment of the commands that call it."""
    for command in ELSE:
        if command.startswith("shortlist export"):
            run(command, environment, project)
    (serve,) = [command for command in ELSE if command.startswith("shortlist serve")]
    with local.Process(
        shlex.split(serve),
        cwd=project,
        env={**environment, "SHORTLIST_PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield {**environment, "SHORTLIST_ADDRESS": local.address(process)}
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def at(address: str, text: str) -> str:
    """Put a server's address in place of the default one."""
    assert "127.0.0.1:50051" in text
    return text.replace("127.0.0.1:50051", address)


def test_the_readme_names_what_it_should():
    """The two commands, the server, the client and the bare gRPC call are all there."""
    assert MAKE[:2] == ["make demo", "make test"]
    first_words = {" ".join(command.split()[:2]) for command in ELSE}
    assert first_words == {
        "pip install",
        "grpcurl -plaintext",
        "docker build",
        "docker run",
        *(f"shortlist {name}" for name in ("export", "serve", "index", "search", "rerank", "describe")),
    }


@pytest.mark.timeout(2 * TIMEOUT_S)  # the exports', and the command's own
@pytest.mark.usefixtures("bundles")  # so that no other worker makes the same
@pytest.mark.parametrize("command", [command for command in MAKE if command.startswith("make demo")])
def test_make(command: str, environment: dict[str, str]):
    """`make demo` ends well, shows both stages, and finds csv.DictReader for its own example."""
    shown = run(command, environment, ROOT)
    assert "stage one" in shown
    assert "stage two" in shown
    assert "csv.DictReader" in shown


def test_make_test_is_what_runs_this(environment: dict[str, str]):
    """`make test` runs pytest, as CI does."""
    assert "-m pytest" in run("make --dry-run test", environment, ROOT)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Write the texts that ship as a judged collection, laid out as `make quality` reads one."""
    entries = shipped.entries()
    rows = {
        "corpus.jsonl": [
            {"_id": f"d{place}", "title": "", "text": entry.text} for place, entry in enumerate(entries)
        ],
        "queries.jsonl": [{"_id": f"q{place}", "text": entry.query} for place, entry in enumerate(entries)],
    }
    for name, lines in rows.items():
        (tmp_path / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    judgements = "".join(f"q{row}\td{row}\t1\n" for row in range(len(entries)))
    (tmp_path / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judgements}")
    return tmp_path


def test_make_quality(environment: dict[str, str], tiny, judged: Path):
    """`make quality` measures what it says: its own command, on a small collection with tiny models."""
    (asked,) = [command for command in MAKE if command.startswith("make quality")]
    shown = run(asked.replace("make", "make --dry-run", 1), environment, ROOT)
    (command,) = re.findall(r"\S+/shortlist eval .*", shown.replace("\\\n", ""))
    for named, tried in (
        (".demo/embedder", str(tiny.embedder)),
        (".demo/reranker", str(tiny.reranker)),
        ("collections/squad-dev", str(judged)),
    ):
        assert command.count(named) == 1
        command = command.replace(named, tried)
    quick = "--rerank-queries 20 --timed-queries 1 --json"
    result = json.loads(run(f"{command} {quick}", environment, ROOT).splitlines()[-1])
    entries = len(shipped.entries())
    first = result["runs"][0]
    assert (result["documents"], result["queries"]) == (entries, entries)
    assert [(one["source"], one["candidates"], one["queries"]) for one in result["runs"]] == [
        (source, *asked)
        for source in ("dense", "hybrid")
        for asked in ((None, entries), (10, 20), (20, 20), (50, 20))
    ]
    assert 0 < first["measures"]["recall@50"] < 1  # random weights find some by chance


def test_pip_install(environment: dict[str, str]):
    """The installs name extras that exist, with pins that fit each other, and the Dockerfile's is the server's."""
    commands = [command for command in ELSE if command.startswith("pip install")]
    for command in commands:
        offline = command.replace("pip install", "pip install --dry-run --no-index --no-build-isolation", 1)
        shown = run(offline, environment, ROOT)
        assert "Would install shortlist" in shown
        assert "does not provide the extra" not in shown
    command = commands[0]
    assert command.removeprefix("pip ") in (ROOT / "Dockerfile").read_text().replace("--no-cache-dir ", "")


def test_the_container():
    """Docker is not here: the README's commands are those of the Dockerfile's head and of docs/operations.md."""
    commands = [command for command in ELSE if command.startswith("docker")]
    for path in ("Dockerfile", "docs/operations.md"):
        assert "\n".join(commands) in (ROOT / path).read_text(encoding="utf-8").replace("#   ", "")


CALLS = [
    command
    for command in ELSE
    if command.split()[1] in {"index", "search", "rerank", "describe"} or command.startswith("grpcurl")
]


def test_the_python_example(served: dict[str, str], project: Path):
    """The Python example runs and prints a hit with score and similarity."""
    (example,) = blocks("python")
    script = project / "example.py"
    script.write_text(at(served["SHORTLIST_ADDRESS"], example))
    shown = run(f"python {script}", served, project)
    assert re.search(r"^-?0\.\d{3}  0\.\d+  \w", shown, flags=re.MULTILINE)
    assert "2 reranked in" in shown


def test_the_commands_that_call_a_server(served: dict[str, str], project: Path):
    """Index, search, rerank, describe and grpcurl run one after another, as they stand in the README."""
    run(f"python {project / 'example.py'}", served, project)  # grpcurl searches what it made
    for command in CALLS:
        placed = at(served["SHORTLIST_ADDRESS"], command) if command.startswith("grpcurl") else command
        assert run(placed, served, project).strip(), command
