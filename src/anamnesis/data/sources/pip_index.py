"""The address of a released package's file, by pip's settings on this machine.

The pages of an index follow the Simple Repository API: HTML (PEP 503) or JSON (PEP 691).
"""

import ast
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.utils import canonicalize_name
from pypi_simple import ACCEPT_JSON_PREFERRED, PYPI_SIMPLE_ENDPOINT, DistributionPackage, ProjectPage
from requests.utils import requote_uri

from anamnesis.data.sources.cache import is_sha256
from anamnesis.data.sources.http import Client, Connection
from anamnesis.errors import AnamnesisError

# A later section overrides an earlier one, as for `pip download`.
SECTIONS = ("global.", "install.", "download.", ":env:.")


@dataclass(frozen=True)
class PipSettings:
    """pip's configuration: addresses of indexes, pages or folders with links to files, and how to connect."""

    indexes: tuple[str, ...]
    find_links: tuple[str, ...]
    connection: Connection


@dataclass(frozen=True)
class Located:
    """The address of a file (`https:`, `http:` or `file:`), and its sha256 if the index states it.

    Raises:
        AnamnesisError: the index states another kind of address, or an invalid sha256.
    """

    url: str
    sha256: str | None

    def __post_init__(self) -> None:
        if self.sha256 is not None and not is_sha256(self.sha256):
            raise AnamnesisError(f"the index states {self.sha256[:100]!r} as the file's sha256, which is invalid")
        if not re.fullmatch("(https?|file)://[!-~]+", self.url):
            raise AnamnesisError(
                f"the index states {self.url[:200]!r} as the file's address; allowed: http, https, file"
            )


def pip_settings() -> PipSettings:
    """The settings of pip's configuration files and PIP_* variables; without pip, of the variables alone.

    Raises:
        AnamnesisError: a setting is not valid.
    """
    listed = _from_pip()
    listed = _from_environment() if listed is None else listed
    values = {
        key.removeprefix(section): value
        for section in SECTIONS
        for key, value in listed.items()
        if key.startswith(section)
    }
    indexes = [] if _true(values.get("no-index")) else [values.get("index-url") or PYPI_SIMPLE_ENDPOINT]
    if indexes:
        indexes += values.get("extra-index-url", "").split()
    connection = Connection(
        timeout=_seconds(values.get("timeout") or values.get("default-timeout") or "15"),
        retries=_count(values.get("retries") or "5"),
        proxy=values.get("proxy") or None,
        verify=_existing("cert", values.get("cert")) or True,
        client_certificate=_existing("client-cert", values.get("client-cert")),
        trusted_hosts=tuple(values.get("trusted-host", "").lower().split()),
    )
    return PipSettings(tuple(indexes), tuple(values.get("find-links", "").split()), connection)


def _true(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true", "yes", "on")


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86_400:
        raise AnamnesisError(
            f"pip's setting timeout (PIP_TIMEOUT): found {value!r}; allowed: a number of seconds up to 86400"
        )
    return seconds


def _count(value: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", value):
        raise AnamnesisError(f"pip's setting retries (PIP_RETRIES): found {value!r}; allowed: 0 to 999")
    return int(value)


def _existing(setting: str, value: str | None) -> str | None:
    """The path of a certificate. Raises AnamnesisError, which names the setting, where no such file exists."""
    if not value:
        return None
    path = os.path.expanduser(value)
    if not os.path.exists(path):
        variable = f"PIP_{setting.upper().replace('-', '_')}"
        raise AnamnesisError(f"pip's setting {setting} ({variable}): {value}: no such file or folder")
    return path


def _from_pip() -> dict[str, str] | None:
    """The settings that `pip config list` prints as SECTION.OPTION='VALUE'; None without pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return None
    result = {}
    for line in listed.stdout.split("\n"):
        key, _, value = line.partition("=")
        try:
            result[key] = str(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            continue  # a warning of pip's
    return result


def _from_environment() -> dict[str, str]:
    names = (name for name, value in os.environ.items() if name.startswith("PIP_") and value)
    return {f":env:.{name.removeprefix('PIP_').lower().replace('_', '-')}": os.environ[name] for name in names}


def locate(client: Client, settings: PipSettings, package: str, file: str, problems: list[str]) -> Iterator[Located]:
    """The places of a package's file: in the links first, then in each index, as configured.

    Args:
        client: sends the requests.
        settings: names the links and the indexes.
        package: the project's name.
        file: the file's name.
        problems: gets a line for each place that does not answer or whose answer is damaged; the next place is asked
            all the same.
    """
    for place in (*settings.find_links, *settings.indexes):
        find = _find_in_links if place in settings.find_links else _find_in_index
        try:
            located = find(client, place, package, file)
        except AnamnesisError as error:
            problems.append(f"{file}: {error}")
        except Exception as error:
            # pypi-simple, Beautiful Soup and pydantic raise many kinds of exceptions for a damaged page. urllib's
            # message about an invalid address may show a part of its password.
            words = "" if "@" in place else " ".join(str(error).split())[:200]
            problems.append(f"{file}: {place}: the index's answer cannot be read: {words or type(error).__name__}")
        else:
            if located:
                yield located


def _find_in_index(client: Client, index: str, package: str, file: str) -> Located | None:
    url = requote_uri(f"{index.rstrip('/')}/{canonicalize_name(package)}/")
    if urlsplit(url).scheme == "file":
        folder = _local(url)
        page = folder / "index.html"
        if not page.is_file():
            return _in_folder(folder, file)
        address = page.as_uri()
        parsed = ProjectPage.from_html(package, page.read_text(encoding="utf-8"), base_url=address)
    else:
        response = client.get(url, {"Accept": ACCEPT_JSON_PREFERRED})
        if response is None:
            return None
        address = response.url
        parsed = ProjectPage.from_response(response, package)
    return _select(parsed.packages, file, address, client.connection)


def _find_in_links(client: Client, place: str, package: str, file: str) -> Located | None:
    if urlsplit(place).scheme in ("http", "https"):
        response = client.get(place, {})
        if response is None:
            return None
        address = response.url
        packages = ProjectPage.from_html(package, response.text, base_url=address).packages
        return _select(packages, file, address, client.connection)
    path = _local(place) if place.startswith("file:") else Path(place).expanduser()
    if path.is_file():
        address = path.resolve().as_uri()
        packages = ProjectPage.from_html(package, path.read_text(encoding="utf-8"), base_url=address).packages
        return _select(packages, file, address, client.connection)
    return _in_folder(path, file)


def _in_folder(folder: Path, file: str) -> Located | None:
    return Located((folder / file).resolve().as_uri(), None) if (folder / file).is_file() else None


def _select(packages: list[DistributionPackage], file: str, page: str, connection: Connection) -> Located | None:
    """The file among those that the page at the address `page` lists.

    Raises:
        AnamnesisError: the page states an address or digest that it must not state.
    """
    for package in packages:
        if package.filename == file:
            sha256 = (package.digests or {}).get("sha256")
            try:
                located = Located(
                    requote_uri(package.url.partition("#")[0]), None if sha256 is None else sha256.lower()
                )
            except AnamnesisError as error:
                raise AnamnesisError(f"{page}: {error}") from None
            here, there = urlsplit(page).scheme, urlsplit(located.url).scheme
            if there == "file" and here != "file":
                raise AnamnesisError(f"{page}: the index names a file of this machine, {located.url}, which is refused")
            if here == "https" and there == "http" and not connection.trusts(located.url):
                raise AnamnesisError(
                    f"{page}: the index names an address without https, {located.url}, which is refused"
                )
            return located
    return None


def _local(url: str) -> Path:
    return Path(url2pathname(urlsplit(url).path))


def local_path(url: str) -> Path | None:
    """The path of a `file:` address; None for other addresses."""
    return _local(url) if urlsplit(url).scheme == "file" else None
