"""What a client shows a server: from arguments and environment, and what is refused."""

from pathlib import Path

import pytest

from shortlist.client import Client, Credentials, InvalidRequest


def test_the_environment():
    """Variables say the same as arguments; empty ones say nothing."""
    variables = {
        "SHORTLIST_API_KEY": "key",
        "SHORTLIST_TLS": "true",
        "SHORTLIST_CA": "ca.pem",
        "SHORTLIST_CERTIFICATE": "",
    }
    assert Credentials.from_environment(variables) == Credentials(api_key="key", tls=True, ca="ca.pem")
    assert Credentials.from_environment({}) == Credentials()


def test_a_key_is_in_no_repr():
    """What prints credentials, such as a failed test, does not print the key."""
    assert "secret" not in repr(Credentials(api_key="secret"))


@pytest.mark.parametrize("key", ["one two", "key\n", "schl\u00fcssel", None])
def test_keys_that_no_call_can_carry(key: object):
    """They are refused before anything is sent, and are not told."""
    with pytest.raises(InvalidRequest, match=r"^api_key: ") as refused:
        Credentials(api_key=key)
    assert "two" not in str(refused.value)


def test_a_certificate_without_its_key():
    """Both go together."""
    with pytest.raises(InvalidRequest, match="it goes with certificate_key"):
        Credentials(certificate="own.pem")


def test_a_file_that_is_not_there(tmp_path: Path):
    """It is named when the client is made."""
    with pytest.raises(InvalidRequest, match=r"^ca: .*cannot be read: No such file"):
        Client("here:1", credentials=Credentials(ca=tmp_path / "ca.pem"))
