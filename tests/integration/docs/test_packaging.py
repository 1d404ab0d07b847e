"""What is installed: a wheel with every file, a server without torch, pins that are true."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
FOLDERS = tuple(sorted(path.name for path in (ROOT / "shortlist").iterdir()))


def closure(extra: str) -> set[str]:
    """Return every distribution that `pip install shortlist[extra]` brings, from installed metadata."""
    seen: set[tuple[str, str]] = set()
    waiting = [("shortlist", extra)]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            requirements = requires(name) or []
        except PackageNotFoundError:
            continue  # another build of onnxruntime: not in this environment
        for requirement in map(Requirement, requirements):
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                inner = re.sub(r"[-_.]+", "-", requirement.name).lower()
                waiting += [(inner, each) for each in ("", *requirement.extras)]
    return {name for name, _ in seen}


def test_a_server_install_has_no_torch():
    """No build of the server brings torch or transformers, nor anything of the export."""
    for extra in ("cpu", "gpu", "openvino"):
        assert closure(extra) & {"torch", "transformers", "optimum", "peft", "sentence-transformers"} == set()


def test_the_closure_is_real():
    """The check above can fail: the export's closure has torch, and the server's has onnxruntime."""
    assert {"torch", "transformers", "optimum"} <= closure("export")
    assert {"onnxruntime", "tokenizers", "usearch", "grpcio", "numpy"} <= closure("cpu")


def test_the_base_install_is_the_client():
    """Without an extra there is grpcio, protobuf, and what they need."""
    assert closure("") <= {"shortlist", "grpcio", "protobuf", "typing-extensions"}


def imported(module: str) -> set[str]:
    """Return the top-level modules that importing a module brings, in a new interpreter."""
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_server_imports_no_torch():
    """Importing the whole server, in an environment that has torch, imports neither it nor transformers."""
    assert imported("shortlist.server.app") & {"torch", "transformers", "optimum", "onnx"} == set()


def test_the_client_imports_nothing_of_the_server():
    """Importing the client needs no more than the base install has, and the command line nothing of a server."""
    extras = {"grpc_status", "numpy", "onnxruntime", "tokenizers", "usearch", "torch", "transformers"}
    assert imported("shortlist.cli.main") & extras == set()
    assert imported("shortlist.client") & (extras | {"cyclopts", "rich", "wcwidth", "msgspec"}) == set()


def test_the_load_generator_needs_the_base_install():
    """A benchmark of a server elsewhere imports neither NumPy nor the server's libraries; its plot does."""
    extras = {"numpy", "onnxruntime", "tokenizers", "usearch", "torch", "matplotlib"}
    assert imported("shortlist.bench.app") & extras == set()
    assert "matplotlib" in imported("shortlist.bench.plot")


def test_the_wheel_holds_the_tree(tmp_path: Path):
    """A built wheel holds every source file, stub, proto and data file of these folders, and no tests or studies."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", *FOLDERS], check=True, capture_output=True, text=True
    ).stdout.split()
    packaged = (name for name in tracked if not name.startswith("bench/studies/"))
    assert found == {f"shortlist/{name}" for name in packaged}


def test_every_package_is_pinned():
    """The constraints pin every distribution that any extra but the other builds of onnxruntime brings."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines if "==" in line}
    extras = ("cpu", "export", "finetune", "bench", "demo", "test", "dev", "browser")
    wanted = set().union(*(closure(extra) for extra in extras))
    assert wanted - pinned - {"shortlist"} == set()
