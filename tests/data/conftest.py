"""A web server on this machine with a package index, ranges, and failures on request; archives and token stores."""

import contextlib
import datetime
import hashlib
import io
import ipaddress
import json
import os
import ssl
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from pydantic import TypeAdapter

from anamnesis.data.sources import http, pip_index
from anamnesis.data.stores import store, texts
from anamnesis.data.tokenizers import settings


class Web:
    """What the server serves and how; `requests` is what it was asked: (path, Range header or None).

    `redirects` says where a path sends on to, `headers` which headers of its answer are others, and `authorizations`
    records (Host header and path, Authorization header or None) of each request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.sent = 0
        self.ranges = True
        self.break_after: list[int] = []
        self.statuses: list[int] = []
        self.reason: str | None = None
        self.address = ""
        self.redirects: dict[str, str] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.authorizations: list[tuple[str, str | None]] = []
        self.server: ThreadingHTTPServer

    def index(self, package: str, files: dict[str, bytes], kind: str = "html", sha256: str | None = None) -> None:
        """Serve a package's page, in HTML (PEP 503) or JSON (PEP 691), and its files."""
        digests = {name: sha256 or hashlib.sha256(data).hexdigest() for name, data in files.items()}
        page = f"/simple/{package}/"
        if kind == "html":
            links = "".join(f'<a href="../../files/{name}#sha256={digests[name]}">{name}</a><br>' for name in files)
            self.files[page] = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
            self.types[page] = "text/html"
        else:
            entries = [{"filename": n, "url": f"/files/{n}", "hashes": {"sha256": digests[n]}} for n in files]
            content = {"meta": {"api-version": "1.0"}, "name": package, "files": entries}
            self.files[page] = json.dumps(content).encode()
            self.types[page] = "application/vnd.pypi.simple.v1+json"
        for name, data in files.items():
            self.files[f"/files/{name}"] = data


@pytest.fixture
def web(monkeypatch, tmp_path):
    """The server, as the only package index pip knows, with an empty cache and no waiting between attempts."""
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers["Range"]))
            state.authorizations.append((f"{self.headers['Host']}{self.path}", self.headers["Authorization"]))
            data, location = state.files.get(self.path), state.redirects.get(self.path)
            status = state.statuses.pop(0) if state.statuses else 200
            status = 302 if location else 404 if data is None else status
            headers, body = {}, b""
            if location:
                headers, body = {"Location": location}, data or b""
            elif status == 200 and data is not None:
                status, headers, body = self.content(data)
            changed = state.headers.get(self.path, {})
            self.close_connection = self.close_connection or bool(changed)
            self.send_response(status, state.reason)
            for name, value in {**headers, "Content-Length": str(len(body)), **changed}.items():
                self.send_header(name, value)
            self.end_headers()
            if state.break_after and status < 300 and self.path.startswith("/files/"):
                body = body[: state.break_after.pop(0)]
                self.close_connection = True
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)
                state.sent += len(body)

        def content(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
            """The status, the headers and the body of an answer that has these bytes, or the range of them."""
            headers = {"Content-Type": state.types.get(self.path, "application/octet-stream")}
            if not (state.ranges and self.headers["Range"]):
                return 200, headers, data
            start, _, end = self.headers["Range"].removeprefix("bytes=").partition("-")
            first = int(start) if start else max(0, len(data) - int(end))
            last = min(len(data) - 1, int(end)) if start and end else len(data) - 1
            return 206, headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1]

        def log_message(self, *arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Print nothing where a client closes the connection in the middle of an answer."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    state.server = server
    state.address = f"http://127.0.0.1:{server.server_port}"
    for name in list(os.environ):
        if name.startswith(("PIP_", "ANAMNESIS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{state.address}/simple")
    monkeypatch.setenv("PIP_RETRIES", "2")
    monkeypatch.setenv("ANAMNESIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(http, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(urllib3.Retry, "sleep", lambda self, response=None: None)
    monkeypatch.setattr(pip_index, "_from_pip", lambda: None)  # a process a test; one test puts it back
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def secure(web, tmp_path, monkeypatch):
    """Make the server use https. Returns the file of its certificate."""
    pytest.importorskip("cryptography", reason="makes the certificate")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2000, 1, 1))
        .not_valid_after(datetime.datetime(2100, 1, 1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "server.pem").write_bytes(private + pem)
    (tmp_path / "certificate.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
    web.address = web.address.replace("http:", "https:")
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "certificate.pem"


@pytest.fixture
def tar():
    """A function (members, compression) -> the bytes of a tar."""

    def make(members: dict[str, bytes], compression: str = "gz") -> bytes:
        result = io.BytesIO()
        with tarfile.open(fileobj=result, mode=f"w:{compression}") as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return result.getvalue()

    return make


@pytest.fixture
def zipped():
    """A function members -> the bytes of a zip."""

    def make(members: dict[str, bytes]) -> bytes:
        result = io.BytesIO()
        with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return result.getvalue()

    return make


@pytest.fixture
def entry():
    """An entry of `tokens`, checked."""

    def _entry(**values: Any) -> settings.Tokens:
        return TypeAdapter(settings.Tokens).validate_python({"corpus": "small", **values})

    return _entry


@pytest.fixture
def build(tmp_path, monkeypatch, entry):
    """A function that writes a token store of three texts and returns its folder and its counts."""

    def _build(train: str, valid: str = "a", test: str = "a", block: int = 1 << 20, **values: Any):
        values.setdefault("kind", "characters")
        sources = {}
        for split, text in (("train", train), ("valid", valid), ("test", test)):
            sources[split] = tmp_path / f"{split}.txt"
            sources[split].write_bytes(text.encode())
        monkeypatch.setattr(texts, "BLOCK", block)
        return tmp_path / "store", store.write(tmp_path / "store", entry(**values), sources)

    return _build
