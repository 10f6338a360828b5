"""HTTP by pip's settings: pages of an index, whole files, and files that are read in parts."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from fsspec.spec import AbstractBufferedFile

from anamnesis.errors import AnamnesisError, hide_passwords

BLOCK = 2**18
# Bytes that a file read in parts requests beyond those that are asked for.
AHEAD = 2**20
LARGEST_DOWNLOAD = 4 * 2**30
LARGEST_PAGE = LARGEST_PART = 2**28
LONGEST_WAIT = 30
MOST_REDIRECTS = 10
# Statuses after which a request is sent again.
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
CONTENT_RANGE = re.compile("bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")

Result = TypeVar("Result")
Report = Callable[[int, int | None], None]
"""Called with the bytes received so far and, if known, the total."""


class Missing(AnamnesisError):
    """The server has no such file."""


@dataclass(frozen=True)
class Connection:
    """How to connect.

    Attributes:
        timeout: seconds to wait for the connection and for each byte.
        retries: attempts after the first.
        proxy: address of the proxy; None: as the environment says.
        verify: whether certificates are verified, or the file of those to trust.
        client_certificate: file of the certificate to present.
        trusted_hosts: hosts, as HOST or HOST:PORT in lower case, whose certificates are not verified.
    """

    timeout: float = 15.0
    retries: int = 5
    proxy: str | None = None
    verify: bool | str = True
    client_certificate: str | None = None
    trusted_hosts: tuple[str, ...] = ()

    def trusts(self, url: str) -> bool:
        """Whether the certificate of the address's host is not verified."""
        parts = urlsplit(url)
        return bool({parts.hostname, parts.netloc.rpartition("@")[2].lower()} & set(self.trusted_hosts))


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends requests again after a temporary failure, and verifies certificates but those of trusted hosts."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        super().__init__(
            max_retries=urllib3.Retry(
                connection.retries,
                other=0,  # such as a certificate that is not accepted
                status_forcelist=TEMPORARY,
                backoff_factor=0.5,
                backoff_max=LONGEST_WAIT,
                retry_after_max=LONGEST_WAIT,
                raise_on_status=False,
            )
        )

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        if self.connection.trusts(str(request.url)):
            options["verify"] = False
        return super().send(request, *arguments, **options)


class _Session(requests.Session):
    """Follows redirects without reading their bodies, and never from https to another scheme."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        location = super().get_redirect_target(resp)
        if location is None:
            return None
        resp.close()
        resp._content = b""  # requests would read the body, whose length only the server knows
        onward = urljoin(resp.url, location)
        here, there = urlsplit(resp.url), urlsplit(onward)
        if there.scheme not in ("http", "https"):
            raise AnamnesisError(f"{resp.url}: the server redirects to {onward!r}, which is neither http nor https")
        if here.scheme == "https" and there.scheme != "https":
            raise AnamnesisError(f"{resp.url}: the server redirects to an address without https, which is refused")
        # The links of a page are relative to its address: the password must stay part of it.
        if "@" in here.netloc and "@" not in there.netloc and not self.should_strip_auth(resp.url, onward):
            there = there._replace(netloc=f"{here.netloc.rpartition('@')[0]}@{there.netloc}")
        return there.geturl()


class Client:
    """A session with the connection's settings; `received` counts the bytes of all bodies."""

    def __init__(self, connection: Connection) -> None:
        if connection.trusted_hosts:
            # The user has decided not to verify these hosts.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self.connection = connection
        self.received = 0
        self._session = _Session()
        self._session.max_redirects = MOST_REDIRECTS
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.cert = connection.client_certificate
        if connection.proxy:
            self._session.proxies = {"http": connection.proxy, "https": connection.proxy}
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(connection))

    def get(self, url: str, headers: dict[str, str]) -> requests.Response | None:
        """A page with its content; None where there is none.

        Raises:
            AnamnesisError: the server does not answer, or refuses.
        """

        def read(response: requests.Response) -> requests.Response:
            if response.status_code != 200:
                raise AnamnesisError(f"{url}: the server answers {response.status_code} without a page")
            response._content = b"".join(self._blocks(response, url, LARGEST_PAGE))
            return response

        try:
            return self._request(url, headers, read)
        except Missing:
            return None

    def download(self, url: str, path: Path, report: Report) -> None:
        """Write a whole file to `path`.

        Raises:
            AnamnesisError: the server does not answer, refuses, has no such file, or breaks off again and again.
        """

        def read(response: requests.Response) -> None:
            if response.status_code != 200:
                raise AnamnesisError(f"{url}: the server answers {response.status_code} without a file")
            total = _number(response.headers.get("Content-Length"))
            if (total or 0) > LARGEST_DOWNLOAD:
                raise AnamnesisError(f"{url}: {total:,} bytes; at most {LARGEST_DOWNLOAD:,} are downloaded")
            done = 0
            with open(path, "wb") as file:
                for block in self._blocks(response, url, LARGEST_DOWNLOAD):
                    file.write(block)
                    done += len(block)
                    report(done, total)
            if done < (total or 0):
                raise ConnectionError(f"the connection broke off after {done:,} of {total:,} bytes")

        self._request(url, {}, read)

    def open_ranges(self, url: str, report: Report) -> "RangeFile | None":
        """A seekable stream that requests only the parts of a file that are read; None if the server refuses ranges.

        Raises:
            AnamnesisError: the server does not answer, or refuses.
        """
        part = self.part(url, "-1")
        return RangeFile(self, url, part[1], report) if part and part[1] <= LARGEST_DOWNLOAD else None

    def part(self, url: str, span: str) -> tuple[int, int, bytes] | None:
        """One part of a file: offset of its first byte, size of the whole file, bytes; None if that is refused.

        Args:
            url: the file's address.
            span: `FIRST-LAST`, or `-NUMBER` for the last bytes.
        """

        def read(response: requests.Response) -> tuple[int, int, bytes] | None:
            place = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if response.status_code != 206 or not place:
                return None
            first, last, size = map(int, place.groups())
            if not first <= last < size or last - first >= LARGEST_PART:
                return None
            data = b"".join(self._blocks(response, url, last - first + 1))
            if len(data) != last - first + 1:
                raise ConnectionError("the connection broke off")
            return first, size, data

        return self._request(url, {"Range": f"bytes={span}"}, read)

    def _blocks(self, response: requests.Response, url: str, largest: int) -> Iterator[bytes]:
        """The body as it arrives, of bounded length."""
        left = largest
        for block in response.raw.stream(BLOCK, decode_content=False):
            self.received += len(block)
            left -= len(block)
            if left < 0:
                raise AnamnesisError(f"{url}: more than {largest:,} bytes, which is refused")
            yield block

    def _request(self, url: str, headers: dict[str, str], read: Callable[[requests.Response], Result]) -> Result:
        """What `read` makes of the answer. A body that breaks off is requested again."""
        attempts = self.connection.retries + 1
        problem = ""
        for attempt in range(attempts):
            with _one_line_errors(url, attempts):
                response = self._session.get(
                    url,
                    headers=headers,
                    stream=True,
                    timeout=self.connection.timeout,
                    verify=self.connection.verify,
                )
            with response:
                _check_status(response, url, headers)
                try:
                    return read(response)
                except (urllib3.exceptions.HTTPError, ConnectionError) as error:
                    problem = _reason(error)
            time.sleep(min(0.5 * 2**attempt, LONGEST_WAIT) if attempt + 1 < attempts else 0)
        raise AnamnesisError(f"{url}: no answer after {attempts} attempts ({problem}); is there a network connection?")


class RangeFile(AbstractBufferedFile):
    """A file on a server as a seekable stream, of which one request's bytes are held in memory."""

    def __init__(self, client: Client, url: str, size: int, report: Report) -> None:
        super().__init__(None, url, block_size=AHEAD, size=size)
        self.client, self.report, self.received = client, report, 0

    def _fetch_range(self, start: int, end: int) -> bytes:
        part = self.client.part(self.path, f"{start}-{end - 1}")
        if part is None or part[:2] != (start, self.size) or len(part[2]) != end - start:
            raise AnamnesisError(f"{self.path}: the file changed while it was read")
        self.received += end - start
        self.report(self.received, None)
        return part[2]


def _check_status(response: requests.Response, url: str, headers: dict[str, str]) -> None:
    status = response.status_code
    if status in (404, 410):
        raise Missing(f"{url}: the server answers {status}: no such file")
    if status >= 400 and not (status == 416 and "Range" in headers):
        words = "".join(char for char in response.reason or "" if char.isprintable())
        raise AnamnesisError(f"{url}: the server answers {status} {words}".rstrip())


@contextmanager
def _one_line_errors(url: str, attempts: int) -> Iterator[None]:
    """Raise AnamnesisError for what requests raises."""
    exceptions = requests.exceptions
    try:
        yield
    except exceptions.SSLError as error:
        raise AnamnesisError(f"{url}: the certificate is not accepted: {_reason(error)}") from None
    except exceptions.TooManyRedirects:
        raise AnamnesisError(
            f"{url}: the server redirects more than {MOST_REDIRECTS} times, which is refused"
        ) from None
    except (exceptions.InvalidURL, exceptions.MissingSchema, exceptions.InvalidSchema):
        raise _invalid(url) from None
    except (exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        if isinstance(error, urllib3.exceptions.LocationValueError):
            raise _invalid(url) from None
        raise AnamnesisError(
            f"{url}: no answer after {attempts} attempts ({_reason(error)}); is there a network connection?"
        ) from None
    except OSError as error:  # such as the file of a certificate
        raise AnamnesisError(f"{url}: {' '.join(str(error).split())}") from None
    except ValueError:
        raise _invalid(url) from None


def _invalid(url: str) -> AnamnesisError:
    """The libraries' own message may show a part of the address's password."""
    hint = "; the special characters of a password are percent-encoded" if "@" in url else ""
    places = "this one, the proxy's, or one that the server redirects to"
    return AnamnesisError(f"{url}: an address is not valid: {places}{hint}")


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,15}", text) else None


def _reason(error: BaseException) -> str:
    """The innermost words of a chain of network errors, without the addresses of Python objects."""
    text = hide_passwords(" ".join(str(error).split()))
    inner = re.findall(r"(?:\[Errno -?\d+\] |\[SSL[^\[\]]*\] )?([A-Z][^()<>\[\]{}:'\"]{6,})", text)
    return (inner[-1].strip() if inner else text)[:200] or type(error).__name__
