"""A server with keys and TLS: who gets in over which face, and what becomes of keys and certificates that change."""

import contextlib
import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from shortlist.bench import local
from shortlist.client import (
    AsyncClient,
    Client,
    Credentials,
    Document,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from shortlist.server.access import keys
from shortlist.server.access.rights import Right

WAIT_S = 60
CANARY = "canarytext"


@dataclass(frozen=True, slots=True)
class Keyed:
    """A running server with keys, over TLS."""

    address: str
    http: str
    secrets: dict[str, str]
    key_file: Path
    certificate: Path
    key: Path
    ca: Path
    log: Path

    def client(self, name: str) -> Client:
        return Client(self.address, timeout_s=WAIT_S, credentials=Credentials(api_key=self.secrets[name], ca=self.ca))

    def channel(self) -> grpc.Channel:
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(self.ca.read_bytes()))

    def web(self, **headers: str) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.ca))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Client(base_url=self.http, headers=named, timeout=WAIT_S, verify=context, trust_env=False)


def issue(folder: Path, authority: trustme.CA) -> tuple[Path, Path]:
    """Write a certificate for this machine and its key, each in one step, as a program that renews them does."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    names = folder / "server.pem", folder / "server.key"
    chain = b"".join(one.bytes() for one in issued.cert_chain_pems)
    for path, content in zip(names, (chain, issued.private_key_pem.bytes()), strict=True):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(path)
    return names


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return the authority of the server's certificate."""
    return trustme.CA()


@pytest.fixture(scope="module")
def keyed(tiny, tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Keyed]:
    """Run a server that has keys of all rights, over TLS, and a collection `notes`."""
    folder = tmp_path_factory.mktemp("access")
    secrets, lines = {}, []
    for name, right, collections in (
        ("reader", Right.READ, ()),
        ("writer", Right.WRITE, ()),
        ("admin", Right.ADMIN, ()),
        ("scoped", Right.ADMIN, ("own", "team-*")),
    ):
        secrets[name], kept = keys.make(name, right, collections)
        lines.append(kept.line())
    key_file, ca, log = folder / "keys", folder / "ca.pem", folder / "log"
    key_file.write_text("\n".join(lines[:-1]))
    authority.cert_pem.write_to_path(str(ca))
    certificate, key = issue(folder, authority)
    port = local.free_port()
    options = [
        *("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--data", str(folder / "data")),
        *("--http-port", str(port), "--key-file", str(key_file), "--keys", lines[-1]),
        *("--tls-certificate", str(certificate), "--tls-key", str(key), "--slow-ms", "0.001"),
    ]
    with log.open("w") as stderr, redirected(stderr), local.start(options) as process:
        address = local.address(process)
        found = Keyed(address, f"https://127.0.0.1:{port}", secrets, key_file, certificate, key, ca, log)
        with found.client("admin") as client:
            client.create_collection("notes")
            client.create_collection("own")
        yield found
        process.terminate()


@contextlib.contextmanager
def redirected(stderr) -> Iterator[None]:
    """Have what is started meanwhile write its standard error elsewhere."""
    before = os.dup(2)
    os.dup2(stderr.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def refused(call, *, code: grpc.StatusCode) -> None:
    """Have a call refused with a status."""
    with pytest.raises(grpc.RpcError) as error:
        call()
    assert error.value.code() is code


def test_what_each_right_may(keyed: Keyed):
    """Reading searches, writing changes, and what drops is an admin's; refusals and numbers name the key."""
    with keyed.client("reader") as reader, keyed.client("writer") as writer, keyed.client("admin") as admin:
        with pytest.raises(PermissionDenied, match="the key reader has the right read, and this wants write"):
            reader.upsert("notes", [Document("1", "a river")])
        writer.upsert("notes", [Document("1", "a river")])
        assert [one.outcome for one in writer.ingest("notes", [Document("2", "a lake")])] == ["inserted"]
        with pytest.raises(PermissionDenied, match="wants write"):
            list(reader.ingest("notes", [Document("3", "a sea")]))
        assert {hit.id for hit in reader.search("notes", "a river").hits} == {"1", "2"}
        with pytest.raises(PermissionDenied, match="wants admin"):
            writer.drop_collection("notes")
        with pytest.raises(PermissionDenied, match="wants admin"):
            writer.create_snapshot("nothing")
        admin.create_collection("dropped")
        admin.drop_collection("dropped")
    with keyed.web(x_api_key=keyed.secrets["admin"]) as web:
        counted = web.get("/metrics").text
    assert 'key="reader",method="Search",status="OK"' in counted
    assert 'key="writer",method="Upsert",status="OK"' in counted


def test_a_key_for_some_collections(keyed: Keyed):
    """It sees, changes and makes its own, is told nothing of others, and may not do what is about all."""
    with keyed.client("scoped") as scoped:
        assert [one.name for one in scoped.list_collections()] == ["own"]
        scoped.create_collection("team-a")
        scoped.upsert("team-a", [Document("1", "a river")])
        for call in (
            lambda: scoped.search("notes", "a river"),
            lambda: scoped.search("nowhere", "a river"),
            lambda: scoped.create_collection("others"),
            lambda: list(scoped.ingest("others", [Document("1", "a")], create=True)),
            lambda: scoped.drop_collection("notes"),
            lambda: scoped.create_snapshot("all"),
            lambda: scoped.create_snapshot("some", ["own", "notes"]),
            scoped.list_snapshots,
        ):
            with pytest.raises(PermissionDenied):
                call()
        scoped.drop_collection("team-a")
    with keyed.web(x_api_key=keyed.secrets["scoped"]) as web:
        listed = web.post("/shortlist.v1.Retrieval/ListCollections", json={}).json()
        assert [one["name"] for one in listed["collections"]] == ["own"]
        answer = web.post("/shortlist.v1.Retrieval/Count", json={"collection": "notes"})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert web.get("/ui/judgements?collection=notes").status_code == 403
        assert list(web.get("/ui/sizes").json()["sizes"]) == ["own"]
        assert web.get("/metrics").status_code == 403


def test_both_clients_without_a_key(keyed: Keyed):
    """No key, and one that the server does not know, are UNAUTHENTICATED; a stream is ended, too."""
    for key, told in (("", "no key came with the call"), ("shortlist_wrong", "is none of this server's")):
        shown = Credentials(api_key=key, ca=keyed.ca)
        with Client(keyed.address, timeout_s=WAIT_S, credentials=shown) as client:
            with pytest.raises(Unauthenticated, match=told):
                client.describe()
            with pytest.raises(Unauthenticated, match=told):
                list(client.ingest("notes", [Document("1", "a")]))


async def test_the_async_client(keyed: Keyed):
    """It takes the same credentials."""
    shown = Credentials(api_key=keyed.secrets["writer"], ca=keyed.ca)
    async with AsyncClient(keyed.address, timeout_s=WAIT_S, credentials=shown) as client:
        results = [one.outcome async for one in client.ingest("notes", [Document("async", "a pond")])]
        assert results == ["inserted"]


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("authorization", "Bearer {}"),
        ("authorization", "bearer {}"),
        ("authorization", "{}"),
        ("x-api-key", "{}"),
        ("api-key", "{}"),
    ],
)
def test_where_clients_put_their_keys(keyed: Keyed, header: str, form: str):
    """Each header counts on both faces, also beside another that holds something else."""
    value = form.format(keyed.secrets["reader"])
    other = "x-api-key" if header == "authorization" else "authorization"
    with keyed.web(**{header.replace("-", "_"): value, other.replace("-", "_"): "unused"}) as web:
        assert web.get("/v1/models").status_code == 200
    with keyed.channel() as channel:
        call = channel.unary_unary("/shortlist.v1.Retrieval/ListCollections")
        assert call(b"", metadata=((header, value), (other, "unused")), timeout=WAIT_S)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v1/embeddings", "/v2/embed", "/embed", "/embedder/embed"])
def test_refusals_have_the_bodies_that_sdks_read(keyed: Keyed, path: str):
    """401 says how to come back, whatever the body was; the words are where each SDK looks for them."""
    with keyed.web() as web:
        answer = web.post(path, json={"nonsense": 1})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="shortlist"')
    told = answer.json()
    if "error_type" in told:
        assert told["error"].startswith("no key came")
    else:
        assert {told["error"]["message"], told["detail"]} == {told["message"]}
        assert told["error"]["code"] == "unauthenticated"


def test_what_is_outside_of_keys(keyed: Keyed):
    """Health and the page's files want no key; reflection, descriptions and numbers do."""
    with keyed.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S).status == 1
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        refused(lambda: next(reflect(iter([asked]), timeout=WAIT_S)), code=grpc.StatusCode.UNAUTHENTICATED)
        metadata = (("x-api-key", keyed.secrets["reader"]),)
        assert next(reflect(iter([asked]), timeout=WAIT_S, metadata=metadata)).list_services_response.service
    with keyed.web() as web:
        assert {web.get(path).status_code for path in ("/health", "/", "/ui/", "/embedder/health")} == {200}
        assert {web.get(path).status_code for path in ("/ui/state", "/metrics", "/openapi.json", "/docs/")} == {401}


def test_a_refused_call_is_not_read(keyed: Keyed):
    """A call without a key is refused before its message is there, of which there would be no end."""
    with keyed.channel() as channel:
        call = channel.stream_stream("/shortlist.v1.Retrieval/Upsert")

        def endless() -> Iterator[bytes]:
            while True:
                yield b"x" * (1 << 20)

        refused(lambda: next(call(endless(), timeout=WAIT_S)), code=grpc.StatusCode.UNAUTHENTICATED)


def test_keys_that_change(keyed: Keyed):
    """A line that is added counts with the next call, one that is gone does not; what is no file changes nothing."""
    before = keyed.key_file.read_text()
    secret, kept = keys.make("late", Right.READ, ())
    with keyed.web(x_api_key=secret) as late, keyed.web(x_api_key=keyed.secrets["reader"]) as reader:
        assert late.get("/info").status_code == 401
        keyed.key_file.write_text(f"{before}\n{kept.line()}")
        assert late.get("/info").status_code == 200
        keyed.key_file.write_text("app read oops")
        assert (late.get("/info").status_code, reader.get("/info").status_code) == (200, 200)
        keyed.key_file.write_text(before)
        assert (late.get("/info").status_code, reader.get("/info").status_code) == (401, 200)


def test_a_certificate_that_is_renewed(keyed: Keyed, tmp_path: Path):
    """New connections of both faces have the new certificate at once; one that does not fit its key is not taken."""

    def served() -> list[str]:
        found = []
        for address in (keyed.address, keyed.http.removeprefix("https://")):
            host, port = address.split(":")
            found.append(ssl.get_server_certificate((host, int(port)), timeout=WAIT_S))
        return found

    old = served()
    assert old[0] == old[1]
    before = keyed.certificate.read_bytes(), keyed.key.read_bytes()
    certificate, key = issue(tmp_path, trustme.CA())
    keyed.certificate.write_bytes(certificate.read_bytes())
    assert served() == old  # its key is still the old one's
    keyed.key.write_bytes(key.read_bytes())
    new = served()
    assert new[0] == new[1] != old[0]
    keyed.certificate.write_bytes(before[0])
    keyed.key.write_bytes(before[1])
    assert served() == old


def test_a_client_that_does_not_know_the_authority(keyed: Keyed, tmp_path: Path):
    """It sends no key to a server whose certificate another authority signed."""
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca))
    shown = Credentials(api_key=keyed.secrets["reader"], ca=ca)
    with Client(keyed.address, timeout_s=WAIT_S, credentials=shown) as client, pytest.raises(Unavailable):
        client.list_collections()


def test_pages_of_other_sites(keyed: Keyed):
    """A page of the same host over plain HTTP is another site, since others can write it."""
    host = keyed.http.removeprefix("https://")
    with keyed.web(x_api_key=keyed.secrets["reader"]) as web:
        for origin, status in ((f"http://{host}", 403), (f"https://{host}", 200), ("null", 403)):
            answer = web.post("/shortlist.v1.Retrieval/ListCollections", json={}, headers={"origin": origin})
            assert answer.status_code == status


def test_no_text_and_no_key_in_the_log(keyed: Keyed):
    """Documents, queries and keys of calls that end well, badly and slowly are in no line of the log."""
    with keyed.client("writer") as client:
        client.upsert("notes", [Document(CANARY, CANARY, CANARY, {"note": CANARY})])
        client.search("notes", CANARY)
        client.rerank(CANARY, [CANARY])
        client.tokenize([CANARY])
        client.delete("notes", [CANARY])
    with keyed.web(authorization=f"Bearer {keyed.secrets['writer']}") as web:
        for path in ("/v1/rerank", "/embed", "/v1/embeddings", "/shortlist.v1.Retrieval/Search", f"/{CANARY}"):
            web.post(path, json={"query": CANARY, CANARY: CANARY, "texts": [CANARY], "inputs": CANARY})
            web.post(f"{path}?{CANARY}={CANARY}", content=CANARY)
    with keyed.web(authorization=f"Bearer {CANARY}") as web:
        assert web.get("/info").status_code == 401
    log = keyed.log.read_text()
    assert "slow: Search took" in log
    assert CANARY not in log
    for secret in keyed.secrets.values():
        assert secret not in log


def started(options: list[str], *more: str) -> tuple[int, str]:
    """Run a server that does not start, and return its exit code and what it said."""
    done = subprocess.run(
        [local.SHORTLIST, "serve", *options, "--port", "0", *more],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "no TLS (--tls-certificate, --tls-key) and no keys"),
        (("--keys", f"app read {'0' * 64}"), "there are no TLS (--tls-certificate, --tls-key); give"),
        (("--tls-certificate", "it.pem", "--tls-key", "it.key"), "there are no keys (--key-file, --keys) or"),
        (
            ("--tls-certificate", "a", "--tls-key", "a", "--key-file", "a", "--metrics-port", "1"),
            "there are no key before --metrics-port",
        ),
    ],
)
def test_an_address_that_others_reach(options: list[str], more: tuple[str, ...], told: str):
    """Without TLS and keys a server does not start there, and says what it wants, in one line."""
    code, line = started(options, "--host", "0.0.0.0", *more)  # noqa: S104 (it does not start)
    assert (code, told in line, len(line.splitlines())) == (2, True, 1), line


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--key-file", "nowhere"), "key_file nowhere: cannot be read: No such file"),
        (("--keys", "app read secret"), "behind app read there must be the key's SHA-256"),
        (("--tls-certificate", "it.pem"), "TLS wants tls_certificate and tls_key"),
        (("--tls-certificate", "nowhere", "--tls-key", "nowhere"), "tls_certificate nowhere: cannot be read"),
    ],
)
def test_access_that_cannot_be_had(options: list[str], flags: tuple[str, ...], told: str):
    """A start is refused before anything is loaded, and no line tells what may be a key."""
    code, line = started(options, *flags)
    assert (code, told in line, "secret" in line) == (2, True, False), line


def test_mutual_tls(options: list[str], authority: trustme.CA, tmp_path: Path):
    """Callers without a certificate of the authority do not get in, over either face; those with one need no key."""
    certificate, key = issue(tmp_path, authority)
    ca, own, own_key, port = tmp_path / "ca.pem", tmp_path / "own.pem", tmp_path / "own.key", local.free_port()
    authority.cert_pem.write_to_path(str(ca))
    issued = authority.issue_cert("caller")
    issued.cert_chain_pems[0].write_to_path(str(own))
    issued.private_key_pem.write_to_path(str(own_key))
    tls = ["--tls-certificate", str(certificate), "--tls-key", str(key), "--tls-client-ca", str(ca)]
    quiet = ["--http-port", str(port), "--log-level", "warning"]
    with local.serving(*options, *quiet, *tls) as address:
        shown = Credentials(ca=ca, certificate=own, certificate_key=own_key)
        with Client(address, timeout_s=WAIT_S, credentials=shown) as client:
            assert client.list_collections() == ()
        with Client(address, timeout_s=WAIT_S, credentials=Credentials(ca=ca)) as client, pytest.raises(Unavailable):
            client.list_collections()
        context = ssl.create_default_context(cafile=str(ca))
        with httpx.Client(verify=context, trust_env=False) as web, pytest.raises(httpx.TransportError):
            web.get(f"https://127.0.0.1:{port}/health")
        context.load_cert_chain(own, own_key)
        with httpx.Client(verify=context, trust_env=False) as web:
            assert web.get(f"https://127.0.0.1:{port}/health").status_code == 200
