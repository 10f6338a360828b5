"""A tracking server that answers what a test wants, and remembers nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


class FakeServer:
    """`answers` has the JSON of each endpoint, such as 'runs/create'; `artifacts` the bytes of each path.

    Attributes:
        requests: the method and path of each request.
    """

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.answers: dict[str, Any] = {}
        self.artifacts: dict[str, bytes] = {}
        self.requests: list[str] = []

    def answer(self, path: str) -> bytes | None:
        if path.startswith(ARTIFACTS):
            return self.artifacts.get(path.removeprefix(ARTIFACTS))
        return json.dumps(self.answers.get(path.removeprefix(API), {})).encode()


@contextmanager
def serving() -> Iterator[FakeServer]:
    """A server on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urlsplit(self.path).path
            fake.requests.append(f"{self.command} {path}")
            content = fake.answer(path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET
        log_message: Callable[..., None] = lambda *_: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = FakeServer(server.server_port)
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
