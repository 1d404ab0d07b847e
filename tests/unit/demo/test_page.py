"""`make ui`: where it serves the demo's page."""

import socket

import pytest

from demo import page


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch):
    """The port that people remember is taken where it is free, else any other."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(page, "_PORT", port)
        assert page.choose_port() not in {0, port}
    assert page.choose_port() == port
