"""A server with the demo's models and a collection, Chromium, and windows that must not complain.

Each module of tests asks for playwright first, and is skipped without it: `make test-ui` installs it.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import shown_texts
from shortlist.bench import local
from shortlist.client import Client

if TYPE_CHECKING:
    import browser


@dataclass(frozen=True, slots=True)
class Shown:
    """A running server."""

    address: str
    http: str


@pytest.fixture(scope="session")
def shown(bundles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Serve the collection, where there is a Chromium to look at it."""
    import browser  # noqa: PLC0415 (it needs playwright)

    if browser.executable() is None:
        pytest.skip("needs Chromium: apt-get install chromium, or CHROMIUM=PATH")
    port = local.free_port()
    models = ("--embedder", str(bundles.embedder), "--reranker", str(bundles.reranker))
    options = ("--data", str(tmp_path_factory.mktemp("data")), "--http-port", str(port), "--log-level", "warning")
    with local.serving(*models, *options) as address, Client(address, timeout_s=300) as client:
        client.create_collection(shown_texts.COLLECTION)
        client.upsert(shown_texts.COLLECTION, shown_texts.documents())
        yield Shown(address, f"http://127.0.0.1:{port}")


@pytest.fixture
def client(shown: Shown) -> Iterator[Client]:
    """Return a client of that server."""
    with Client(shown.address, timeout_s=100) as opened:
        yield opened


@pytest.fixture(scope="module")
def chromium(shown: Shown) -> Iterator[Any]:
    """Run the browser for the tests of a file: while it runs, no other event loop can in this process."""
    import browser  # noqa: PLC0415 (it needs playwright)

    with browser.chromium() as running:
        yield running


@pytest.fixture
def window(chromium, shown: Shown) -> Iterator[Callable[..., "browser.Seen"]]:
    """Return what opens a window; at the end none of them may have complained."""
    import browser  # noqa: PLC0415 (it needs playwright)

    windows: list[browser.Seen] = []
    with contextlib.ExitStack() as stack:

        def open_window(**context: Any) -> browser.Seen:
            windows.append(stack.enter_context(browser.seen(chromium, shown.http, **context)))
            return windows[-1]

        yield open_window
        assert [fault for one in windows for fault in one.faults] == []
