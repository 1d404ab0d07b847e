"""The server's certificate on all its ports, and whose certificates callers must bring: read again once they change.

Each handshake asks whether the files have changed, so the next connection has what lies there; those that are open go
on with what they began with. A file that is half written changes nothing.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from shortlist.server.errors import SettingsError
from shortlist.server.settings import Settings

from .watched import Watched, content


@dataclass(frozen=True, slots=True)
class _Read:
    """What the files hold, found to fit together; the context is of the same."""

    certificate: bytes
    key: bytes
    authorities: bytes | None
    context: ssl.SSLContext = field(compare=False)


class Certificates:
    """The certificate of a server."""

    def __init__(self, certificate: Path, key: Path, authorities: Path | None) -> None:
        """Read these files.

        Raises:
            SettingsError: one cannot be read, or they do not fit together.
        """
        self._certificate, self._key, self._authorities = certificate, key, authorities
        paths = [self._certificate, self._key, *([self._authorities] if self._authorities else [])]
        self._files = Watched("the certificates", paths, self._load)
        self._of_grpc: _Read | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Certificates | None":
        """Return those that the settings name, if they name any.

        Raises:
            SettingsError: they cannot be used.
        """
        if settings.tls_certificate is None or settings.tls_key is None:
            return None
        return cls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)

    def context(self) -> ssl.SSLContext:
        """Return what wraps connections: each handshake goes on with the certificate as it is then."""
        made = self._files.get().context
        made.sni_callback = self._switch  # it is called without a name, too
        return made

    def credentials(self) -> grpc.ServerCredentials:
        """Return the same for gRPC."""
        first = self._of_grpc = self._files.get()
        changed: Any = self._changed  # its stubs do not know that nothing may have changed
        return grpc.dynamic_ssl_server_credentials(_configuration(first), changed, self._authorities is not None)

    def _switch(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._files.get().context

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what gRPC is to serve from its next handshake on, or that it stays as it is."""
        found = self._files.get()
        if found is self._of_grpc:
            return None
        self._of_grpc = found
        return _configuration(found)

    def _load(self) -> _Read:
        certificate, key = content(self._certificate, "tls_certificate"), content(self._key, "tls_key")
        authorities = content(self._authorities, "tls_client_ca") if self._authorities else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._certificate, self._key, password=self._no_password)
        except (ssl.SSLError, OSError) as error:
            raise SettingsError(
                f"tls_certificate {self._certificate} and tls_key {self._key}: {_reason(error)}; give the"
                " certificate, with those between it and its authority behind it, and its private key, both as PEM"
            ) from None
        if authorities is not None:
            _require(context, authorities, self._authorities)
        if (certificate, key) != (content(self._certificate, "tls_certificate"), content(self._key, "tls_key")):
            raise SettingsError(
                f"tls_certificate {self._certificate} changed while it was read; it is read once more"
            )
        return _Read(certificate, key, authorities, context)

    def _no_password(self) -> str:
        """Refuse a key that wants a password: nobody is there to type it."""
        raise SettingsError(f"tls_key {self._key}: it is encrypted; give it as it is, readable for the server alone")


def _require(context: ssl.SSLContext, authorities: bytes, path: Path | None) -> None:
    """Have callers bring a certificate that one of these authorities signed."""
    context.verify_mode = ssl.CERT_REQUIRED
    # A session that is taken up again is not checked again: none outlives its authority.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"tls_client_ca {path}: {_reason(error)}; give the authorities' certificates as PEM"
        ) from None


def _configuration(read: _Read) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(read.key, read.certificate)], read.authorities)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return str(error)
