"""Where a released package's file lies, by the settings pip has on this machine.

The pages are those of the Simple Repository API (PEP 503, HTML, and PEP 691, JSON).
"""

import ast
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from anamnesis.corpora.download import Client, Connection
from anamnesis.errors import AnamnesisError

# The order in which pip lets a later section override an earlier one; what is done here is what `pip download` does.
SECTIONS = ("global.", "install.", "download.", ":env:.")


@dataclass(frozen=True)
class PipSettings:
    """What pip is configured for: addresses of indexes and of pages or folders with files, and how to connect."""

    indexes: tuple[str, ...]
    find_links: tuple[str, ...]
    connection: Connection


@dataclass(frozen=True)
class Located:
    """The address of a file (`https:`, `http:` or `file:`) and its sha256, if the index gives it."""

    url: str
    sha256: str | None


def pip_settings() -> PipSettings:
    """Ask pip for its configuration files and PIP_* variables; without pip, read the variables alone."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    raw = _raw()
    values = {name: value for section in SECTIONS for name, value in raw[section].items()}
    indexes = [] if _true(values.get("no-index")) else [values.get("index-url") or PYPI_SIMPLE_ENDPOINT]
    if indexes:
        indexes += values.get("extra-index-url", "").split()
    timeout = values.get("timeout") or values.get("default-timeout") or "15"
    connection = Connection(
        timeout=float(timeout),
        retries=int(values.get("retries") or 5),
        proxy=values.get("proxy") or None,
        verify=values.get("cert") or True,
        client_certificate=values.get("client-cert") or None,
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
    )
    return PipSettings(tuple(indexes), tuple(values.get("find-links", "").split()), connection)


def _true(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true", "yes", "on")


def _raw() -> dict[str, dict[str, str]]:
    """Section -> option -> value."""
    listed = _from_pip()
    result: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for key, value in (_from_environment() if listed is None else listed).items():
        for section in SECTIONS:
            if key.startswith(section):
                result[section][key.removeprefix(section)] = value
    return result


def _from_pip() -> dict[str, str] | None:
    """What `pip config list` prints, as SECTION.OPTION='VALUE'; None where there is no pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return None
    pairs = (line.partition("=") for line in listed.stdout.splitlines())
    return {key: str(ast.literal_eval(value)) for key, _, value in pairs if value}


def _from_environment() -> dict[str, str]:
    names = (name for name, value in os.environ.items() if name.startswith("PIP_") and value)
    return {f":env:.{name.removeprefix('PIP_').lower().replace('_', '-')}": os.environ[name] for name in names}


def locate(client: Client, settings: PipSettings, package: str, file: str) -> Located:
    """Find a package's file: in the find-links first, then in each index, as configured.

    Raises:
        AnamnesisError: no index has it, or none can be reached.
    """
    reasons = []
    for place in settings.find_links:
        if found := _in_links(client, place, package, file):
            return found
    for index in settings.indexes:
        try:
            found = _in_index(client, index, package, file)
        except AnamnesisError as error:
            reasons.append(str(error))
            continue
        if found:
            return found
    if reasons:
        raise AnamnesisError(f"{file}: {'; '.join(reasons)}")
    raise AnamnesisError(f"{file}: no package index or folder that pip is configured for has this file of {package!r}")


def _in_index(client: Client, index: str, package: str, file: str) -> Located | None:
    from packaging.utils import canonicalize_name
    from pypi_simple import ACCEPT_JSON_PREFERRED, ProjectPage

    url = f"{index.rstrip('/')}/{canonicalize_name(package)}/"
    if urlsplit(url).scheme == "file":
        folder = _local(url)
        page = folder / "index.html"
        if not page.is_file():
            return _in_folder(folder, file)
        parsed = ProjectPage.from_html(package, page.read_text(encoding="utf-8"), base_url=page.as_uri())
    else:
        response = client.get(url, {"Accept": ACCEPT_JSON_PREFERRED}, missing_ok=True)
        if response is None:
            return None
        parsed = ProjectPage.from_response(response, package)
    return _among(parsed.packages, file)


def _in_links(client: Client, place: str, package: str, file: str) -> Located | None:
    from pypi_simple import ProjectPage

    if urlsplit(place).scheme in ("http", "https"):
        response = client.get(place, {}, missing_ok=True)
        if response is None:
            return None
        return _among(ProjectPage.from_html(package, response.text, base_url=response.url).packages, file)
    path = _local(place) if place.startswith("file:") else Path(place).expanduser()
    if path.is_file():
        page = ProjectPage.from_html(package, path.read_text(encoding="utf-8"), base_url=path.resolve().as_uri())
        return _among(page.packages, file)
    return _in_folder(path, file)


def _in_folder(folder: Path, file: str) -> Located | None:
    return Located((folder / file).resolve().as_uri(), None) if (folder / file).is_file() else None


def _among(packages: list, file: str) -> Located | None:
    for package in packages:
        if package.filename == file:
            return Located(package.url.partition("#")[0], (package.digests or {}).get("sha256"))
    return None


def _local(url: str) -> Path:
    return Path(url2pathname(urlsplit(url).path))


def local_path(url: str) -> Path | None:
    """The path a `file:` address names; None for other addresses."""
    return _local(url) if urlsplit(url).scheme == "file" else None
