"""Settings that could never be served are refused at start."""

import pytest

from parsed import parsed
from shortlist.console.errors import UsageError
from shortlist.server.errors import SettingsError
from shortlist.server.settings import Settings


def test_the_defaults_are_sound():
    """A server starts without a single setting."""
    assert Settings().port == 50051


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slots", -1),
        ("threads", 0),
        ("batch_tokens", -1),
        ("queue_tokens", 0),
        ("max_top_k", 0),
        ("max_batch", 0),
        ("port", 65536),
        ("port", -1),
        ("default_deadline_s", 0.0),
        ("slots", 1_000_000),
        ("max_batch", 5_000_000_000),
        ("max_request_bytes", 3_000_000_000),
        ("deadline_margin_ms", -1.0),
        ("drain_s", -1.0),
    ],
)
def test_out_of_range(name: str, value: float):
    """A value outside its range is refused by name and value."""
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(UsageError, match=rf'Invalid value "{value}" for {flag}\. Must be \S+ (or more|to \d+)\. '):
        parsed(Settings, **{name: value})


def test_hits_come_from_candidates():
    """More hits than candidates can never be served."""
    with pytest.raises(SettingsError, match="max_candidates is 10, but max_top_k is 20"):
        Settings(max_candidates=10, max_top_k=20)


def test_a_text_must_fit_its_request():
    """A text larger than a request can never be served."""
    with pytest.raises(SettingsError, match="raise max_request_bytes"):
        Settings(max_text_bytes=2000, max_request_bytes=1024)


@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "::", "search.internal", "unix:it.sock", "unix:/run/it.sock"])  # noqa: S104
def test_hosts(host: str):
    """Addresses, names and sockets are hosts."""
    assert Settings(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0:50051", "http://0.0.0.0", "[::1]", "[::1]:50051", "/run/it.sock"])
def test_hosts_that_are_more_than_a_host(host: str):
    """A host with a port or a scheme is refused, with the forms that are right."""
    with pytest.raises(SettingsError, match=r"it must be an address alone, such as .*; the port is a setting"):
        Settings(host=host)


@pytest.mark.parametrize("host", ["unix:", "unix://", "unix://it.sock", "unix:/" + "x" * 107])
def test_sockets_without_a_path(host: str):
    """A path that no socket can have is refused."""
    with pytest.raises(SettingsError, match="a Unix socket is unix:PATH or unix:///PATH, with a path of 1"):
        Settings(host=host)
