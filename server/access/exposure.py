"""What a server must have where others than this machine can reach it."""

import socket

from shortlist.server.errors import SettingsError
from shortlist.server.listening import is_loopback
from shortlist.server.settings import Settings, socket_path


def check(settings: Settings) -> None:
    """Refuse to listen where others reach it, with nothing that keeps them out or their calls to themselves.

    Raises:
        SettingsError: it would, and `insecure` is not set.
    """
    if settings.insecure or socket_path(settings.host) is not None or _is_this_machine(settings.host):
        return
    lacks = []
    if settings.tls_certificate is None:
        lacks.append("no TLS (--tls-certificate, --tls-key)")
    if settings.key_file is None and not settings.keys and settings.tls_client_ca is None:
        lacks.append("no keys (--key-file, --keys) or certificates of callers (--tls-client-ca)")
    if settings.metrics_port:
        lacks.append("no key before --metrics-port (/metrics of --http-port has both)")
    if lacks:
        raise SettingsError(
            f"host is {settings.host}, which other machines can reach, but there are {' and '.join(lacks)}; give"
            " them, listen on 127.0.0.1, or let everybody in who reaches the port with --insecure"
        )


def _is_this_machine(host: str) -> bool:
    """Return whether all that a name stands for is this machine alone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(is_loopback(str(address[0])) for *_, address in found)
