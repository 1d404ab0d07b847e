"""Settings that could never be served are refused at start."""

import pytest

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
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        Settings(**{name: value})


def test_hits_come_from_candidates():
    """More hits than candidates can never be served."""
    with pytest.raises(SettingsError, match="max_candidates is 10, but max_top_k is 20"):
        Settings(max_candidates=10, max_top_k=20)


def test_a_text_must_fit_its_request():
    """A text larger than a request can never be served."""
    with pytest.raises(SettingsError, match="raise max_request_bytes"):
        Settings(max_text_bytes=2000, max_request_bytes=1024)


def test_an_option_of_the_provider_twice():
    """An option that is given twice is refused by its name."""
    with pytest.raises(SettingsError, match="provider_options sets device_id twice"):
        Settings(provider_options=(("device_id", "0"), ("device_id", "1")))
