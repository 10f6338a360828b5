"""Servers of tests: real ones in a process of their own, and a tracking server with fixed answers."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


@contextmanager
def running_server(
    command: list[str], folder: Path, health: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a server in a process group of its own until the block ends; it has started when `health` responds.

    Args:
        command: the command, without its port.
        folder: the working directory, in which the output is written to server.log.
        health: the path of a page that responds as soon as the server has started.
        environment: more variables.

    Yields:
        The process and the server's address.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "server.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        while True:
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{address}{health}", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield process, address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


class FakeServer:
    """A tracking server with fixed answers.

    `answers` has the JSON of each endpoint, such as 'runs/create'; `artifacts` has the bytes of each path.

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
