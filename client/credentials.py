"""What a client shows a server, and how it knows the right one: an API key, TLS, a certificate of its own."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from . import errors

_VARIABLES = {
    "api_key": "SHORTLIST_API_KEY",
    "ca": "SHORTLIST_CA",
    "certificate": "SHORTLIST_CERTIFICATE",
    "certificate_key": "SHORTLIST_CERTIFICATE_KEY",
}
_TLS_VARIABLE = "SHORTLIST_TLS"
_YES = frozenset({"1", "true", "yes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How a client gets in.

    Client("search.internal:50051", credentials=Credentials(api_key="shortlist_...", ca="ca.pem"))

    Attributes:
        api_key: the key that comes with each call; empty: none.
        tls: whether calls go over TLS; `ca` and `certificate` say so, too.
        ca: file of the authorities' certificates, as PEM, one of which signed the server's; None: those that gRPC
            comes with.
        certificate: file of the client's own certificate, where the server wants one (mutual TLS).
        certificate_key: file of its private key.
    """

    api_key: str = field(default="", repr=False)
    tls: bool = False
    ca: Path | str | None = None
    certificate: Path | str | None = None
    certificate_key: Path | str | None = None

    def __post_init__(self) -> None:
        """Refuse what no server could be shown; a key is not told."""
        if (
            not isinstance(self.api_key, str)
            or not (self.api_key.isascii() and self.api_key.isprintable())
            or " " in self.api_key
        ):
            raise errors.invalid("api_key", "...", "a key has no spaces and nothing but ASCII", "copy it once more")
        if (self.certificate is None) != (self.certificate_key is None):
            remedy = "give both, or neither"
            raise errors.invalid("certificate", self.certificate, "it goes with certificate_key", remedy)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Credentials":
        """Return what the variables SHORTLIST_API_KEY, SHORTLIST_TLS, SHORTLIST_CA and their like say."""
        given = {name: value for name, variable in _VARIABLES.items() if (value := environment.get(variable))}
        return cls(tls=environment.get(_TLS_VARIABLE, "").lower() in _YES, **given)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what goes with each call."""
        return (("authorization", f"Bearer {self.api_key}"),) if self.api_key else ()

    def of_channel(self) -> grpc.ChannelCredentials | None:
        """Return what a channel over TLS is made with; None: there is none.

        Raises:
            InvalidRequest: a file cannot be read.
        """
        if not (self.tls or self.ca or self.certificate):
            return None
        read = [_content(name, getattr(self, name)) for name in ("ca", "certificate_key", "certificate")]
        return grpc.ssl_channel_credentials(*read)


def checked(given: object) -> Credentials:
    """Return credentials that are given, or those of the environment.

    Raises:
        InvalidRequest: it is something else, such as a key, which is not told.
    """
    if given is None:
        return Credentials.from_environment()
    if isinstance(given, Credentials):
        return given
    remedy = "write credentials=Credentials(api_key=...)"
    raise errors.invalid("credentials", type(given), "they are a Credentials, or None", remedy)


def _content(name: str, path: Path | str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        limit = f"it cannot be read: {error.strerror}"
        raise errors.invalid(name, str(path), limit, "name a file of certificates or keys as PEM") from None
