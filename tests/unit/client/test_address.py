"""Which addresses a client takes, which are on this machine, and which proxy gRPC puts in the way."""

import pytest

from shortlist.client import address
from shortlist.client.errors import InvalidRequest

_SOUND = [
    "127.0.0.1:50051",
    "localhost:1",
    "search.internal:65535",
    "search_2.internal:50051",
    "[::1]:50051",
    "[fe80::1%eth0]:50051",
    "dns:search.internal:50051",
    "dns:///search.internal:50051",
    "dns://10.0.0.1/search.internal:50051",
    "ipv4:10.0.0.1:50051,10.0.0.2:50051",
    "ipv6:[2607:f8b0:400e:c00::ef]:50051",
    "unix:shortlist.sock",
    "unix:/run/shortlist.sock",
    "unix:///run/shortlist.sock",
    "unix-abstract:shortlist",
    "vsock:2:50051",
    "xds:///shortlist",
]


@pytest.mark.parametrize("one", _SOUND)
def test_what_a_server_can_have(one: str):
    """Host and port, and every target that gRPC resolves, are taken as they are."""
    assert address.check(one) == one


@pytest.mark.parametrize(
    ("one", "message"),
    [
        ("", "it must not be empty; name a server, such as 127.0.0.1:50051"),
        (50051, "it must be a string; write host:port, such as 127.0.0.1:50051"),
        (None, "it must be a string; write host:port, such as 127.0.0.1:50051"),
        (b"localhost:50051", "it must be a string; write host:port, such as 127.0.0.1:50051"),
        ("localhost:50051\n", "it must hold no spaces; write host:port, such as 127.0.0.1:50051"),
        ("http://here:50051", "it is host:port, without http://; write here:50051"),
        ("https://here/api", "it is host:port, without https://; write here:50051"),
        ("grpc://[::1]:9", "it is host:port, without grpc://; write [::1]:9"),
        ("here", "the port is missing; write here:50051"),
        ("50051", "the port is missing; write 127.0.0.1:50051"),
        ("[::1]", "the port is missing; write [::1]:50051"),
        (":50051", "the host is missing; write 127.0.0.1:50051"),
        ("here:", "a port is a number from 1 to 65,535; give the one that the server listens on"),
        ("here:0", "a port is a number from 1 to 65,535; give the one that the server listens on"),
        ("here:65536", "a port is a number from 1 to 65,535; give the one that the server listens on"),
        ("here:" + "1" * 5000, "a port is a number from 1 to 65,535; give the one that the server listens on"),
        ("here:-1", "a port is a number from 1 to 65,535; give the one that the server listens on"),
        ("here:٣", "a port is a number from 1 to 65,535; give the one that the server listens on"),
        ("here:50051/", "a port is a number from 1 to 65,535; give the one that the server listens on"),
        ("me@here:50051", "it is not host:port; write host:port, such as 127.0.0.1:50051"),
        ("::1", "an IPv6 address stands in brackets; write [address]:port, such as [::1]:50051"),
        ("fe80::1:50051", "an IPv6 address stands in brackets; write [address]:port, such as [::1]:50051"),
        ("[localhost]:50051", "only an IPv6 address stands in brackets; write host:port without them"),
        ("dns:///here", "the port is missing; write here:50051"),
        ("ipv4:10.0.0.1:50051,10.0.0.2", "the port is missing; write 10.0.0.2:50051"),
        ("unix:", "a socket's path has 1 to 107 bytes and not 0; write unix:PATH, such as unix:/run/shortlist.sock"),
        ("unix:/" + "ä" * 54, "a socket's path has 1 to 107 bytes and not 109; write unix:PATH, such as "),
        ("unix://run/it", "behind unix:// there is an absolute path; write unix:run/it"),
    ],
)
def test_what_no_server_can_have(one: object, message: str):
    """Everything else is refused at once, with the form that is right."""
    with pytest.raises(InvalidRequest) as caught:
        address.check(one)
    assert str(caught.value).startswith(f"address: got {repr(one)[:60]}")
    assert f", but {message}" in str(caught.value)


@pytest.mark.parametrize(
    "one",
    [
        "127.0.0.1:1",
        "127.1:1",
        "127.8.9.10:1",
        "0.0.0.0:1",
        "localhost:1",
        "LOCALHOST.:1",
        "api.localhost:1",
        "[::1]:1",
        "[::]:1",
        "[::ffff:127.0.0.1]:1",
        "dns:///localhost:1",
        "ipv4:127.0.0.1:1,127.0.0.2:1",
        "ipv6:[::1]:1",
        "unix:/run/it",
        "unix-abstract:it",
    ],
)
def test_this_machine(one: str):
    """Loopback in every spelling, and sockets of this machine."""
    assert address.is_local(one)


@pytest.mark.parametrize(
    "one",
    ["10.0.0.1:1", "128.0.0.1:1", "localhost.example.com:1", "[::2]:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "xds:///it"],
)
def test_other_machines(one: str):
    """What may lead elsewhere is not taken for this machine."""
    assert not address.is_local(one)
