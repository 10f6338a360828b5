"""HTTP that survives a bad line: whole files that resume where they broke off, and parts of a file by ranges."""

import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from anamnesis import files
from anamnesis.errors import AnamnesisError, hide_passwords

if TYPE_CHECKING:
    import requests

BLOCK = 2**18
TAIL = 2**17
GAP = 2**16
LARGEST_DOWNLOAD = 4 * 2**30
LARGEST_PART = 2**28
LONGEST_WAIT = 30.0
MOST_REDIRECTS = 10
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

Report = Callable[[int, int | None], None]
"""Called with the bytes that arrived and, once known, the bytes there are in all."""


class Missing(AnamnesisError):
    """The server says that there is no such file."""


class RangesRefused(Exception):
    """The server answers a request for a part with the whole file, or not at all."""


@dataclass(frozen=True)
class Connection:
    """How to connect: seconds to wait for a byte, attempts after the first, proxy, certificates, and the hosts, each as
    HOST or HOST:PORT in lower case, whose certificates are not verified."""

    timeout: float = 15.0
    retries: int = 5
    proxy: str | None = None
    verify: bool | str = True
    client_certificate: str | None = None
    trusted_hosts: tuple[str, ...] = ()

    def trusts(self, url: str) -> bool:
        """Whether the host of the address is one whose certificate is not verified."""
        parts = urlsplit(url)
        return bool({parts.hostname, parts.netloc.rpartition("@")[2].lower()} & set(self.trusted_hosts))


class Client:
    """A session with the connection's settings; `received` counts the bytes of all answers' bodies."""

    def __init__(self, connection: Connection) -> None:
        import requests
        import urllib3

        if connection.trusted_hosts:
            # The user has decided not to verify these hosts; pip does not warn of it either.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self.connection = connection
        self.received = 0
        self._session = requests.Session()
        # requests would read the whole body of an answer that sends on, and follow it; `_follow` does that.
        self._session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        self._session.headers["Accept-Encoding"] = "identity"
        if connection.proxy:
            self._session.proxies = {"http": connection.proxy, "https": connection.proxy}
        self._session.cert = connection.client_certificate

    def get(self, url: str, headers: dict[str, str], missing_ok: bool = False) -> "requests.Response | None":
        """A whole small answer, with retries; None for a 404 or 410 if `missing_ok`.

        Raises:
            AnamnesisError: the server cannot be reached or refuses.
        """

        def attempt() -> "requests.Response | None":
            with self._open(url, headers, missing_ok) as response:
                if response is None:
                    return None
                if response.status_code != 200:
                    raise AnamnesisError(f"{url}: the server answers {response.status_code} without a page")
                size = 0
                blocks = []
                for block in _blocks(response):
                    size += len(block)
                    self.received += len(block)
                    if size > LARGEST_PART:
                        raise AnamnesisError(f"{url}: the page is larger than {LARGEST_PART:,} bytes, which is refused")
                    blocks.append(block)
                response._content = b"".join(blocks)
                return response

        return self._retry(url, attempt)

    def download(self, url: str, path: Path, report: Report) -> None:
        """Bring a whole file to `path`; bytes that an earlier, broken attempt left there are not asked for again.

        A file beside `path` (`.json`) keeps the validator of the answer the bytes are from (RFC 9110, 13.1.5:
        If-Range), so that parts of two versions are never joined.

        Raises:
            AnamnesisError: the server cannot be reached, refuses, or breaks off again and again.
        """
        self._retry(
            url,
            lambda: self._download_once(url, path, report),
            progress=lambda: path.stat().st_size if path.exists() else 0,
        )

    def ranges(self, url: str, report: Report) -> "RangeFile":
        """The file at `url` as a seekable stream that transfers only what is read.

        Raises:
            RangesRefused: the server does not do ranges.
            AnamnesisError: the server cannot be reached or refuses.
        """
        return RangeFile(self, url, report)

    def part(self, url: str, span: str) -> tuple[int, int, bytes]:
        """The bytes of one `Range: bytes=SPAN`: (offset of the first, size of the whole file, bytes)."""

        def attempt() -> tuple[int, int, bytes]:
            with self._open(url, {"Range": f"bytes={span}"}, False) as response:
                assert response is not None
                place = _content_range(response)
                if response.status_code != 206 or not place:
                    raise RangesRefused
                first, last, size = place
                if last - first >= LARGEST_PART or size > LARGEST_DOWNLOAD:
                    raise RangesRefused
                data = bytearray()
                for block in _blocks(response):
                    data += block
                    self.received += len(block)
                    if len(data) > last - first + 1:
                        raise RangesRefused
                if len(data) != last - first + 1:
                    raise ConnectionError("the connection broke off")
                return first, size, bytes(data)

        return self._retry(url, attempt)

    def _download_once(self, url: str, path: Path, report: Report) -> None:
        state = path.with_name(path.name + ".json")
        have = path.stat().st_size if path.exists() else 0
        validator = _read_validator(state)
        headers = {"Range": f"bytes={have}-", "If-Range": validator} if have and validator else {}
        with self._open(url, headers, False) as response:
            assert response is not None
            place = _content_range(response)
            if response.status_code == 206 and place and place[0] == have:
                total: int | None = place[2]
            elif response.status_code == 200:
                have = 0
                total = _number(response.headers.get("Content-Length"))
                # The old bytes go before the new validator comes, or a killed run would join two versions.
                path.write_bytes(b"")
                files.write_json(state, {"validator": _validator(response.headers)})
            else:
                path.unlink(missing_ok=True)
                raise ConnectionError(f"the server's answer does not fit the request (status {response.status_code})")
            if (total or 0) > LARGEST_DOWNLOAD:
                raise AnamnesisError(f"{url}: {total:,} bytes; at most {LARGEST_DOWNLOAD:,} are downloaded")
            with open(path, "ab") as file:
                report(have, total)
                for block in _blocks(response):
                    file.write(block)
                    self.received += len(block)
                    have += len(block)
                    report(have, total)
                    if have > LARGEST_DOWNLOAD:
                        raise AnamnesisError(f"{url}: more than {LARGEST_DOWNLOAD:,} bytes, which is refused")
            if total is not None and have < total:
                raise ConnectionError(f"the connection broke off after {have:,} of {total:,} bytes")
        state.unlink(missing_ok=True)

    @contextmanager
    def _open(self, url: str, headers: dict[str, str], missing_ok: bool) -> "Iterator[requests.Response | None]":
        response = self._follow(url, headers)
        with response:
            if response.status_code in (404, 410):
                if missing_ok:
                    yield None
                    return
                raise Missing(f"{url}: the server answers {response.status_code}: there is no such file")
            if response.status_code in PASSING:
                raise _Busy(response.status_code, response.headers.get("Retry-After"))
            if response.status_code >= 400 and not (response.status_code == 416 and "Range" in headers):
                words = "".join(char for char in response.reason or "" if char.isprintable())
                raise AnamnesisError(f"{url}: the server answers {response.status_code} {words}".rstrip())
            yield response

    def _follow(self, url: str, headers: dict[str, str]) -> "requests.Response":
        """The answer of the last of the addresses that send on to each other, each asked by the rules of its host."""
        import requests

        place = url
        for _ in range(MOST_REDIRECTS + 1):
            response = self._session.get(
                place,
                headers=headers,
                stream=True,
                timeout=self.connection.timeout,
                verify=False if self.connection.trusts(place) else self.connection.verify,
                allow_redirects=False,
            )
            onward = requests.Session.get_redirect_target(self._session, response)
            if onward is None:
                return response
            response.close()
            place = self._onward(place, onward)
        raise AnamnesisError(f"{url}: the server sends on more than {MOST_REDIRECTS} times, which is refused")

    def _onward(self, url: str, location: str) -> str:
        """The address that `url` sends on to; a user's name and password stay with the host they are for."""
        onward = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(onward)
        if there.scheme not in ("http", "https"):
            raise AnamnesisError(f"{url}: the server sends on to {onward!r}, which is neither http nor https")
        if here.scheme == "https" and there.scheme != "https":
            raise AnamnesisError(f"{url}: the server sends on to an address without https, which is refused")
        if "@" in here.netloc and "@" not in there.netloc and not self._session.should_strip_auth(url, onward):
            there = there._replace(netloc=f"{here.netloc.rpartition('@')[0]}@{there.netloc}")
        return there._replace(fragment="").geturl()

    def _retry(self, url: str, attempt: Callable[[], Any], progress: Callable[[], int] = int) -> Any:
        """The result of `attempt`, tried again after longer and longer waits; an attempt that got further starts the
        count anew."""
        import requests
        import urllib3

        number, reached = 0, progress()
        while True:
            try:
                return attempt()
            except _Busy as error:
                problem, wait = f"the server answers {error.status}", error.wait
            except requests.exceptions.SSLError as error:
                raise AnamnesisError(f"{url}: the certificate is not accepted: {_reason(error)}") from None
            except (
                requests.exceptions.InvalidURL,
                requests.exceptions.MissingSchema,
                requests.exceptions.InvalidSchema,
                urllib3.exceptions.LocationValueError,
            ):
                raise _invalid(url) from None
            except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
                problem, wait = _reason(error), None
            except OSError as error:  # a certificate's file, or the disk
                raise AnamnesisError(f"{url}: {' '.join(str(error).split())}") from None
            except ValueError:
                raise _invalid(url) from None
            if progress() > reached:
                number, reached = 0, progress()
            if number >= self.connection.retries:
                break
            _sleep(wait if wait is not None else min(0.5 * 2**number, LONGEST_WAIT))
            number += 1
        raise AnamnesisError(
            f"{url}: no answer after {self.connection.retries + 1} attempts ({problem}); is there a network connection?"
        )


class RangeFile(io.RawIOBase):
    """A remote file as a seekable stream; `prefetch` brings spans that will be read soon in few requests."""

    def __init__(self, client: Client, url: str, report: Report) -> None:
        self._client, self._url, self._report = client, url, report
        first, self.size, data = client.part(url, f"-{TAIL}")
        self._spans: dict[int, bytes] = {first: data}
        self._held = len(data)
        self._position = 0
        report(len(data), None)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        start = self._position
        end = self.size if size is None or size < 0 else min(self.size, start + size)
        result = bytearray()
        while start < end:
            offset, data = self._span(start, end)
            piece = data[start - offset : end - offset]
            result += piece
            start += len(piece)
        self._position = max(self._position, end)
        return bytes(result)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def prefetch(self, spans: list[tuple[int, int]]) -> None:
        """Bring the bytes of every span (first, end); spans that lie close together come in one request.

        Raises:
            RangesRefused: it is too much to be held in memory; download the file.
        """
        merged: list[list[int]] = []
        for first, end in sorted(spans):
            if any(offset <= first and end <= offset + len(data) for offset, data in self._spans.items()):
                continue
            if merged and first <= merged[-1][1] + GAP:
                merged[-1][1] = max(end, merged[-1][1])
            else:
                merged.append([first, end])
        total = sum(end - first for first, end in merged)
        if total > LARGEST_PART:
            raise RangesRefused
        done = 0
        for first, end in merged:
            data = self._fetch(first, end)
            done += len(data)
            self._report(done, total)

    def _span(self, start: int, end: int) -> tuple[int, bytes]:
        for offset, data in self._spans.items():
            if offset <= start < offset + len(data):
                return offset, data
        return start, self._fetch(start, min(self.size, max(end, start + GAP)))

    def _fetch(self, first: int, end: int) -> bytes:
        offset, size, data = self._client.part(self._url, f"{first}-{end - 1}")
        if offset != first or size != self.size or len(data) != end - first:
            raise AnamnesisError(f"{self._url}: the file changed while it was read")
        self._held += len(data)
        if self._held > LARGEST_PART:
            raise RangesRefused
        self._spans[first] = data
        return data


def _number(text: str | None) -> int | None:
    """The number of bytes that a header says; None where it says none."""
    return int(text) if text and re.fullmatch("[0-9]{1,15}", text) else None


def _content_range(response: "requests.Response") -> tuple[int, int, int] | None:
    """(first byte, last byte, size of the whole file) of an answer that is a part; None where it says none."""
    place = re.fullmatch("bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", response.headers.get("Content-Range", ""))
    if not place or not int(place[1]) <= int(place[2]) < int(place[3]):
        return None
    return int(place[1]), int(place[2]), int(place[3])


def _blocks(response: "requests.Response") -> Iterator[bytes]:
    """The body as it arrives. `iter_content` would lose up to a block of what came before the line broke."""
    while block := response.raw.read1(BLOCK):
        yield block


def _invalid(url: str) -> AnamnesisError:
    """What the libraries say of an address that cannot be parsed may be a part of its password, so it is not shown."""
    hint = "; the special characters of a password are percent-encoded" if "@" in url else ""
    places = "this one, the proxy's, or the one that the server sends on to"
    return AnamnesisError(f"{url}: an address is not valid: {places}{hint}")


class _Busy(Exception):
    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(status)
        self.status = status
        self.wait = _seconds(retry_after)


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    if re.fullmatch("[0-9]+", retry_after):
        return min(float(retry_after), LONGEST_WAIT)
    try:
        return min(max(parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0), LONGEST_WAIT)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _validator(headers: Any) -> str | None:
    etag = headers.get("ETag")
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
    # It is sent back as a header, which other characters would make invalid.
    return validator if validator and re.fullmatch("[!-~]+(?: [!-~]+)*", validator) else None


def _read_validator(state: Path) -> str | None:
    import json

    try:
        validator = json.loads(state.read_text(encoding="utf-8"))["validator"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return validator if isinstance(validator, str) else None


def _reason(error: BaseException) -> str:
    """The innermost words of a chain of network errors, without the addresses of Python objects."""
    text = hide_passwords(" ".join(str(error).split()))
    inner = re.findall(r"(?:\[Errno -?\d+\] |\[SSL[^\[\]]*\] )?([A-Z][^()<>\[\]{}:'\"]{6,})", text)
    return (inner[-1].strip() if inner else text)[:200] or type(error).__name__
