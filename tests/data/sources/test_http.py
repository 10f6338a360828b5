"""Requests: redirects, credentials, certificates, retries."""

import base64
import os

import pytest
import urllib3

from anamnesis.data.sources import http
from anamnesis.errors import AnamnesisError


def get(client: http.Client, url: str) -> bytes:
    page = client.get(url, {})
    assert page is not None
    return page.content


def basic(userinfo: str) -> str:
    return f"Basic {base64.b64encode(userinfo.encode()).decode()}"


def test_only_the_certificates_of_trusted_hosts_are_not_verified(web, secure, recwarn):
    """The server's certificate, which no client accepts, is for 127.0.0.1; `localhost` is trusted."""
    port = web.server.server_port
    web.files = {"/x": b"x", "/on": b"", "/back": b""}
    web.redirects = {"/on": f"https://127.0.0.1:{port}/x", "/back": f"https://localhost:{port}/x"}
    client = http.Client(http.Connection(retries=0, trusted_hosts=("localhost",)))
    assert get(client, f"https://localhost:{port}/x") == b"x"
    for url in (
        f"https://localhost:{port}/on",
        f"https://127.0.0.1:{port}/x",
        f"https://localhost:x@127.0.0.1:{port}/x",
    ):
        with pytest.raises(AnamnesisError, match="certificate is not accepted"):
            get(client, url)
    client = http.Client(http.Connection(retries=0, verify=str(secure), trusted_hosts=(f"localhost:{port}",)))
    assert get(client, f"https://127.0.0.1:{port}/back") == get(client, f"https://LOCALHOST:{port}/on") == b"x"
    assert not recwarn.list


def test_credentials_stay_with_their_host(web):
    port = web.server.server_port
    web.files = dict.fromkeys(("/x", "/same", "/relative", "/other"), b"x")
    web.redirects = {"/same": f"http://127.0.0.1:{port}/x", "/relative": "x", "/other": f"http://localhost:{port}/x"}
    client = http.Client(http.Connection(retries=0))
    for path, authorization in (("/same", basic("me:p@ss")), ("/relative", basic("me:p@ss")), ("/other", None)):
        page = client.get(f"http://me:p%40ss@127.0.0.1:{port}{path}", {})
        assert web.authorizations[-2] == (f"127.0.0.1:{port}{path}", basic("me:p@ss"))
        assert web.authorizations[-1][1] == authorization
        # The links of the page are relative to this address.
        assert ("me:p%40ss@" in page.url) == (authorization is not None)


def test_the_number_of_redirects_is_bounded(web):
    web.files = {f"/{number}": b"x" for number in range(13)}
    web.redirects = {f"/{number}": f"/{number + 1}" for number in range(12)}
    client = http.Client(http.Connection(retries=3))
    assert get(client, f"{web.address}/2") == b"x"
    with pytest.raises(AnamnesisError, match=r"/1: the server redirects more than 10 times"):
        get(client, f"{web.address}/1")
    assert len(web.requests) == 11 + 11


def test_the_body_of_a_redirect_is_not_read(web):
    """This body is larger than the buffers of a connection."""
    web.files = {"/on": bytes(2**26), "/x": b"x"}
    web.redirects = {"/on": "/x"}
    assert get(http.Client(http.Connection(retries=0)), f"{web.address}/on") == b"x"
    assert web.sent < 2**26


def test_no_redirect_from_https_to_http(web, secure):
    web.files["/x"] = b"x"
    web.redirects["/x"] = "http://127.0.0.1:9/x"
    with pytest.raises(AnamnesisError, match=r"without https"):
        get(http.Client(http.Connection(verify=str(secure))), f"{web.address}/x")


def test_a_broken_download_starts_again(web, tmp_path):
    web.files["/files/x"] = data = os.urandom(300_000)
    web.break_after = [100_000, 0]
    http.Client(http.Connection(retries=2)).download(f"{web.address}/files/x", tmp_path / "x", lambda *_: None)
    assert (tmp_path / "x").read_bytes() == data
    web.break_after = [100_000, 100]
    with pytest.raises(AnamnesisError, match=r"no answer after 2 attempts .*is there a network connection\?$"):
        http.Client(http.Connection(retries=1)).download(f"{web.address}/files/x", tmp_path / "x", lambda *_: None)


def test_a_busy_server_is_asked_again_after_longer_and_longer_waits(web, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(urllib3.Retry, "sleep", lambda retry, response=None: waits.append(retry.get_backoff_time()))
    web.files["/x"] = b"x"
    web.statuses = [503, 429, 500]
    assert get(http.Client(http.Connection(retries=3)), f"{web.address}/x") == b"x"
    assert waits == [0, 1.0, 2.0]
    web.statuses = [503] * 4
    with pytest.raises(AnamnesisError, match="the server answers 503"):
        get(http.Client(http.Connection(retries=3)), f"{web.address}/x")


def test_a_stream_of_ranges_is_the_file(web):
    web.files["/files/x"] = data = os.urandom(5_000_000)
    client = http.Client(http.Connection(retries=2))
    stream = client.open_ranges(f"{web.address}/files/x", lambda *_: None)
    web.break_after = [10, 10**9, 10]
    for place, number in ((4_999_990, 50), (0, 10), (3_000_000, 400_000), (2_999_000, 2000)):
        stream.seek(place)
        assert stream.read(number) == data[place : place + number]
    web.files["/files/x"] = data + b"more"
    stream.seek(0)
    with pytest.raises(AnamnesisError, match="the file changed while it was read"):
        stream.read(10)
    web.ranges = False
    assert client.open_ranges(f"{web.address}/files/x", lambda *_: None) is None
