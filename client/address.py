"""Where a server is: which addresses a client takes, which are on this machine, and which proxy gRPC puts in the way.

An address is `host:port`, or a target with a scheme that gRPC resolves (doc/naming.md in its repository). gRPC itself
finds fault with none of them before a call: it takes a missing port for 443 and `http://` for the name of a host.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Iterator, Mapping

from . import errors

_EXAMPLE = "127.0.0.1:50051"
_MOST_PATH_BYTES = 107  # of a socket's path on Linux (sun_path, less the NUL)
_MOST_PORT = 65_535

# Schemes whose addresses are endpoints, and those whose addresses only gRPC can read.
_WITH_ENDPOINTS = ("dns", "ipv4", "ipv6")
_ON_THIS_MACHINE = ("unix", "unix-abstract", "vsock")
_OTHER = ("xds", "google-c2p")
_SCHEME = re.compile(rf"({'|'.join((*_WITH_ENDPOINTS, *_ON_THIS_MACHINE, *_OTHER))}):(.*)", re.DOTALL)
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://([^/?#]*)")
_ENDPOINT = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]/?#@:]*)):(.*)")

# What hosts files call 127.0.0.1 and ::1.
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback")
# In gRPC's order: the first that is set counts, and an empty one means none.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")


def check(address: object) -> str:
    """Return an address if a server can have it.

    Raises:
        InvalidRequest: it cannot; the message says which form is right.
    """
    if not isinstance(address, str):
        raise errors.invalid("address", address, "it must be a string", f"write host:port, such as {_EXAMPLE}")
    if not address.strip():
        raise errors.invalid("address", address, "it must not be empty", f"name a server, such as {_EXAMPLE}")
    if not address.isprintable() or " " in address:
        raise errors.invalid("address", address, "it must hold no spaces", f"write host:port, such as {_EXAMPLE}")
    scheme, rest = _parts(address)
    if scheme == "unix":
        _check_path(address, rest)
    elif not scheme and (url := _URL.match(address)):
        remedy = f"write {_with_port(url[2])}"
        raise errors.invalid("address", address, f"it is host:port, without {url[1]}://", remedy)
    elif scheme in {"", *_WITH_ENDPOINTS}:
        for endpoint in _endpoints(scheme, rest):
            _check_endpoint(address, endpoint)
    return address


def is_local(address: str) -> bool:
    """Return whether an address names this machine; no name is looked up."""
    scheme, rest = _parts(address)
    if scheme in {"", *_WITH_ENDPOINTS}:
        return all(_is_loopback(host) for host in _hosts(scheme, rest))
    return scheme in _ON_THIS_MACHINE


def proxy(address: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the variable that has gRPC send calls to an address through an HTTP proxy, if one does.

    As gRPC's http_proxy_mapper.cc decides it; calls to this machine go through none (`channel.py`).
    """
    variable = next((name for name in _PROXIES if name in environment), None)
    if variable is None or not environment[variable].startswith("http://") or is_local(address):
        return None
    scheme, rest = _parts(address)
    exempt = environment.get("no_grpc_proxy", environment.get("no_proxy", ""))
    if any(_is_exempt(host, entry.strip()) for host in _hosts(scheme, rest) for entry in exempt.split(",") if entry):
        return None
    return variable


def _parts(address: str) -> tuple[str, str]:
    """Return scheme and rest; a scheme that gRPC does not know is the name of a host to it."""
    found = _SCHEME.fullmatch(address)
    return (found[1], found[2]) if found else ("", address)


def _endpoints(scheme: str, rest: str) -> list[str]:
    if scheme == "dns":  # dns:host:port, dns:///host:port, dns://server/host:port
        return [re.sub(r"^(//[^/]*)?/", "", rest)]
    return rest.split(",") if scheme else [rest]


def _hosts(scheme: str, rest: str) -> Iterator[str]:
    for endpoint in _endpoints(scheme, rest):
        found = _ENDPOINT.fullmatch(endpoint)
        yield (found[1] or found[2] or "") if found else endpoint


def _check_path(address: str, path: str) -> None:
    if path.startswith("//") and not path.startswith("///"):
        raise errors.invalid(
            "address", address, "behind unix:// there is an absolute path", f"write unix:{path.removeprefix('//')}"
        )
    size = len(os.fsencode(path.removeprefix("//")))
    if not 0 < size <= _MOST_PATH_BYTES:
        limit = f"a socket's path has 1 to {_MOST_PATH_BYTES} bytes and not {size}"
        raise errors.invalid("address", address, limit, "write unix:PATH, such as unix:/run/shortlist.sock")


def _check_endpoint(address: str, endpoint: str) -> None:
    found = _ENDPOINT.fullmatch(endpoint)
    if endpoint.count(":") > 1 and not endpoint.startswith("["):
        limit, remedy = "an IPv6 address stands in brackets", "write [address]:port, such as [::1]:50051"
    elif ":" not in endpoint or endpoint.endswith("]"):
        limit, remedy = "the port is missing", f"write {_with_port(endpoint)}"
    elif found is None:
        limit, remedy = "it is not host:port", f"write host:port, such as {_EXAMPLE}"
    elif not (found[1] or found[2]):
        limit, remedy = "the host is missing", f"write 127.0.0.1:{found[3]}"
    elif not (found[3].isascii() and found[3].isdigit() and 1 <= int(found[3][:6]) <= _MOST_PORT):
        limit, remedy = f"a port is a number from 1 to {_MOST_PORT:,}", "give the one that the server listens on"
    elif found[1] is not None and not _is_ip(found[1].partition("%")[0], ipaddress.IPv6Address):
        limit, remedy = "only an IPv6 address stands in brackets", "write host:port without them"
    else:
        return
    raise errors.invalid("address", address, limit, remedy)


def _with_port(host: str) -> str:
    """Return what was meant by a host without a port, by a port alone, or by nothing."""
    if host.isascii() and host.isdigit():
        return f"127.0.0.1:{host}"
    return f"{host or '127.0.0.1'}:50051" if ":" not in host.rpartition("]")[2] else host


def _is_ip(text: str, kind: type[ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    ip = _ip(name.partition("%")[0])
    mapped = ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip
    # Linux takes a call to the unspecified address as one to itself.
    return mapped is not None and (mapped.is_loopback or mapped.is_unspecified)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a text is, in any of the ways that the system reads one: 127.1 is 127.0.0.1."""
    try:
        return ipaddress.ip_address(host if ":" in host else socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _is_exempt(host: str, entry: str) -> bool:
    """Return whether an entry of no_proxy covers a host: by its end, or as a network."""
    if host.lower().endswith(entry.lower()):
        return True
    ip = _ip(host)
    try:
        return ip is not None and "/" in entry and ip in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
