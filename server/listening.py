"""Where a server listens: a host and a port, or a Unix socket; and gRPC's arguments for connections.

gRPC gives no reason when it cannot listen, and takes over a socket's path even from a server that still listens
there. So ports and path are tried before anything is loaded, and a path once more just before it is taken.
"""

import importlib.util
import ipaddress
import socket
import stat
from pathlib import Path

import grpc

from .errors import ListenError, SettingsError
from .settings import Settings, socket_path

_LOOPBACK = "127.0.0.1"
_FOR_HTTP = ("uvicorn", "h11", "orjson")  # the extra http
_BACKLOG = 2048  # connections that may wait to be taken


def options(settings: Settings) -> list[tuple[str, int]]:
    """Return the arguments of the server."""
    return [
        # Without this, Linux lets a second server share the port and get half of the calls.
        ("grpc.so_reuseport", 0),
        # Twice the limit: up to there the refusal is ours, with a remedy (`request_parsing.py`); gRPC's own has none.
        ("grpc.max_receive_message_length", min(2 * settings.max_request_bytes, 2**31 - 1)),
        ("grpc.max_send_message_length", -1),
        # Pings find connections that a box on the way has dropped. By default gRPC allows one ping in five minutes
        # and none on an idle connection; it ends a connection with more ("too many pings"), and the calls on it.
        # gRPC's clients send one a second at most; half a second leaves room for those that come early.
        ("grpc.http2.min_ping_interval_without_data_ms", 500),
        ("grpc.keepalive_permit_without_calls", 1),
        # The server's own pings, else one in two hours: a caller that is gone without a word leaves its streams open.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.ping_timeout_ms", 20_000),
    ]


def check(settings: Settings) -> None:
    """Fail before anything is loaded, and with the system's reason.

    Raises:
        ListenError: an address is taken, or not this machine's.
        SettingsError: HTTP is asked for, and its extra is not installed.
    """
    path = socket_path(settings.host)
    try:
        if path is None:
            _bound(settings.host, settings.port).close()
        else:
            _clear(path)
            _try_path(path)
    except (OSError, UnicodeError) as error:
        raise _taken(settings, _reason(error)) from error
    if settings.http_port:
        _need_http(settings)
        http_socket(settings).close()


def listen(server: grpc.aio.Server, settings: Settings, credentials: grpc.ServerCredentials | None) -> str:
    """Listen, over TLS where there are credentials, and return the address as clients write it.

    Raises:
        ListenError: the address was taken since the start.
    """
    path = socket_path(settings.host)
    if path is not None:
        check(settings)
    try:
        where = _address(settings)
        port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    except RuntimeError as error:
        raise _taken(settings, str(error)) from error
    return _address(settings, port)


def http_host(settings: Settings) -> str:
    """Return where HTTP is served, metrics too: neither Prometheus nor browsers read Unix sockets."""
    return settings.host if socket_path(settings.host) is None else _LOOPBACK


def is_loopback(host: str) -> bool:
    """Return whether a host, as a name or an address, is this machine alone."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def http_url(settings: Settings) -> str:
    """Return the URL of the HTTP side."""
    return f"http{'s' if settings.tls_certificate else ''}://{_written(http_host(settings), settings.http_port)}"


def http_socket(settings: Settings) -> socket.socket:
    """Return a socket on which the HTTP side listens: what connects from now on waits.

    Raises:
        ListenError: the address is taken, or not this machine's.
    """
    host, port = http_host(settings), settings.http_port
    try:
        bound = _bound(host, port)
        bound.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        raise ListenError(
            f"cannot serve HTTP on {host}:{port}: {_reason(error)};"
            " stop what listens there, or choose another --http-port"
        ) from error
    return bound


def _need_http(settings: Settings) -> None:
    """Fail where HTTP is asked for, and what serves it is not installed."""
    missing = next((name for name in _FOR_HTTP if importlib.util.find_spec(name) is None), None)
    if missing:
        raise SettingsError(
            f"http_port is {settings.http_port}, but {missing} is not installed;"
            " install the extra http, in a clone of Shortlist: pip install '.[http]'"
        )


def _address(settings: Settings, port: int | None = None) -> str:
    if socket_path(settings.host) is not None:
        return settings.host
    return _written(settings.host, settings.port if port is None else port)


def _written(host: str, port: int) -> str:
    """Return host and port as addresses are written."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) else error)


def _taken(settings: Settings, reason: str) -> ListenError:
    is_port = socket_path(settings.host) is None
    other = "--port and --host" if is_port else "--host unix:PATH"
    where = f"{settings.host}:{settings.port}" if is_port else settings.host
    return ListenError(f"cannot listen on {where}: {reason}; stop what listens there, or choose another with {other}")


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that has an address, and does not listen yet."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC: a port just left is free
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _try_path(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(str(path))
    path.unlink()


def _clear(path: Path) -> None:
    """Remove a socket that an ended server left behind.

    Raises:
        OSError: something listens there, or it is no socket.
    """
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise OSError(0, "it is there, and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(0, "another server listens there")
