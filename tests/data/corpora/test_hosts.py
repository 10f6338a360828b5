"""Each address is asked by the rules of its own host, also where one sends on to another."""

import base64

import pytest

from anamnesis.data.settings import Member, Package, PackageFile
from anamnesis.data.sources import download, sources
from anamnesis.errors import AnamnesisError


def bring(client: download.Client, url: str) -> bytes:
    answer = client.get(url, {})
    assert answer is not None
    return answer.content


def basic(userinfo: str) -> str:
    return f"Basic {base64.b64encode(userinfo.encode()).decode()}"


def test_a_trusted_host_vouches_for_no_other(web, secure, recwarn):
    """The server's certificate is of 127.0.0.1, which nobody is told to accept; `localhost` is trusted."""
    port = web.server.server_port
    web.files = {"/x": b"x", "/on": b"", "/back": b""}
    web.redirects = {"/on": f"https://127.0.0.1:{port}/x", "/back": f"https://localhost:{port}/x"}
    client = download.Client(download.Connection(retries=0, trusted_hosts=("localhost",)))
    assert bring(client, f"https://localhost:{port}/x") == b"x"
    for address in (
        f"https://localhost:{port}/on",
        f"https://127.0.0.1:{port}/x",
        f"https://localhost:x@127.0.0.1:{port}/x",
    ):
        with pytest.raises(AnamnesisError, match="certificate is not accepted"):
            bring(client, address)
    client = download.Client(download.Connection(retries=0, verify=str(secure), trusted_hosts=(f"localhost:{port}",)))
    assert bring(client, f"https://127.0.0.1:{port}/back") == bring(client, f"https://LOCALHOST:{port}/on") == b"x"
    assert not recwarn.list, "the user has decided it, and is not warned each time"
    with pytest.raises(AnamnesisError, match="certificate is not accepted"):
        bring(
            download.Client(download.Connection(retries=0, trusted_hosts=("localhost:1",))),
            f"https://localhost:{port}/x",
        )


def test_credentials_stay_with_their_host(web):
    port = web.server.server_port
    web.files = dict.fromkeys(("/x", "/same", "/relative", "/other"), b"x")
    web.redirects = {
        "/same": f"http://127.0.0.1:{port}/x",
        "/relative": "x",
        "/other": f"http://localhost:{port}/x",
    }
    client = download.Client(download.Connection(retries=0))
    for path, authorization in (("/same", basic("me:p@ss")), ("/relative", basic("me:p@ss")), ("/other", None)):
        assert bring(client, f"http://me:p%40ss@127.0.0.1:{port}{path}") == b"x"
        assert web.authorizations[-2] == (f"127.0.0.1:{port}{path}", basic("me:p@ss"))
        assert web.authorizations[-1][1] == authorization


def test_the_chain_of_addresses_is_short(web):
    web.files = {f"/{number}": b"x" for number in range(13)}
    web.redirects = {f"/{number}": f"/{number + 1}" for number in range(12)}
    client = download.Client(download.Connection(retries=3))
    assert bring(client, f"{web.address}/2") == b"x"
    with pytest.raises(AnamnesisError, match=r"/1: the server sends on more than 10 times"):
        bring(client, f"{web.address}/1")
    assert len(web.requests) == 11 + 11, "it is not tried again"


def test_an_answer_that_sends_on_is_not_read(web):
    """Its body may be endless; this one is larger than what a connection holds on its way."""
    web.files = {"/on": bytes(2**26), "/x": b"x"}
    web.redirects = {"/on": "/x"}
    assert bring(download.Client(download.Connection(retries=0)), f"{web.address}/on") == b"x"
    assert web.sent < 2**26


def test_a_page_by_https_names_no_file_by_http(web, secure, tar, monkeypatch):
    """Only where its host is trusted, as pip does it."""
    web.index("b", {"b-1.tar.gz": tar({"a": b"x"})})
    port = web.server.server_port
    web.files["/simple/b/"] = f'<a href="http://127.0.0.1:{port}/files/b-1.tar.gz">b-1.tar.gz</a>'.encode()
    monkeypatch.setenv("PIP_INDEX_URL", f"{web.address}/simple")
    monkeypatch.setenv("PIP_CERT", str(secure))
    member = Member(path="a", sha256="0" * 64)
    source = Package(kind="package", files=[PackageFile(package="b", file="b-1.tar.gz", members=[member])])
    with pytest.raises(AnamnesisError, match="names an address without https"):
        sources.released("c", source, sources.Network())
    monkeypatch.setenv("PIP_TRUSTED_HOST", f"127.0.0.1:{port}")
    with pytest.raises(AnamnesisError, match="no answer after"):  # the server speaks https alone
        sources.released("c", source, sources.Network())


def test_no_error_shows_a_password(web, tar, monkeypatch):
    """Of an index, of the address it gives, of the one that sends on; the partial download and its state have none."""
    place = web.address.removeprefix("http://")
    for index in (
        f"http://me:p4ss@{place}/simple",
        f"http://me:P4ssword/x@{place}/simple",
        "http://me:p4ss@127.0.0.1:9/",
    ):
        monkeypatch.setenv("PIP_INDEX_URL", index)
        for status in (403, 500):
            web.statuses = [status] * 9
            source = Package(
                kind="package",
                files=[PackageFile(package="b", file="b-1.tar.gz", members=[Member(path="a", sha256="0" * 64)])],
            )
            with pytest.raises(AnamnesisError) as caught:
                sources.released("c", source, sources.Network())
            assert "p4" not in str(caught.value).lower()
