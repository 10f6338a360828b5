"""dvc.lock as text, one block for each stage, so that recording a stage costs the same however many there are.

DVC parses and rewrites the whole file for each stage. Here DVC's own serializer writes the block of the stage that ran,
and all other blocks stay as they are: the file has the bytes that DVC would have written.
"""

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anamnesis import files

if TYPE_CHECKING:
    from dvc.dvcfile import Lockfile

STATE = Path(".anamnesis/lock")
_HEADER = "schema: '2.0'\nstages:\n"
_BLOCK = re.compile(r"^  (?=[^ ])", re.MULTILINE)


class LockFile:
    """One dvc.lock.

    Args:
        path: the file, which need not exist.
        content: what DVC parsed from it.
        state: the folder that keeps the file's order before an interrupted run, and its parsed content.
    """

    def __init__(self, path: Path, content: dict[str, Any], state: Path) -> None:
        self.path = path
        self._stages: dict[str, Any] = dict(content.get("stages") or {})
        self._blocks = _split(path, content)
        self._order, self._parsed = state / "order.json", state / "parsed.json"
        order = files.read_state(self._order)
        self._before = list(self._blocks) if order is None else order
        self._changed = False

    def set(self, name: str, entry: dict[str, Any]) -> None:
        """Replace the entry of a stage; `write` stores it."""
        block = _block(name, entry)
        if self._blocks.get(name) != block:
            self._blocks[name], self._stages[name], self._changed = block, entry, True

    def write(self, plan: list[str]) -> None:
        """Write the file in one step if anything has changed, in the order in which one plain `dvc repro` would.

        DVC keeps a stage where it stands and appends a new one when it has run, so that the order is that before the
        first run that has not ended well since, then the new stages in the order of the plan.
        """
        wanted = [name for name in dict.fromkeys([*self._before, *plan, *self._blocks]) if name in self._blocks]
        if self._changed or wanted != list(self._blocks):
            if not self._order.exists():
                files.write_json(self._order, self._before)
            self._blocks = {name: self._blocks[name] for name in wanted}
            files.write_text(self.path, _HEADER + "".join(self._blocks.values()))
            self._changed = False

    def close(self, *, well: bool) -> None:
        """Keep what the file holds, parsed; after a run that has ended well, forget its order before that run."""
        if well:
            self._order.unlink(missing_ok=True)
        if self.path.exists():
            # In the order of the file: `_stages` has new ones in the order in which they ended.
            stages = {name: self._stages[name] for name in self._blocks}
            keep_parsed(self.path, {"schema": "2.0", "stages": stages}, self._parsed)


def keep_parsed(path: Path, content: dict[str, Any], parsed: Path) -> None:
    """Keep the content of a lock file as JSON, which is read a hundred times as fast as YAML, if JSON can hold it."""
    digest = files.sha256_file(path)
    if (kept := files.read_state(parsed)) and kept["sha256"] == digest:
        return
    try:
        text = json.dumps({"sha256": digest, "content": content})
        if json.loads(text)["content"] == content:
            files.write_text(parsed, text)
    except (TypeError, ValueError):
        parsed.unlink(missing_ok=True)


@contextmanager
def loading(state: Path, loaded: dict[str, dict[str, Any]]) -> Iterator[None]:
    """In the block, DVC takes the content of an unchanged lock file from `keep_parsed`, and `loaded` collects contents.

    Args:
        state: as for `LockFile`, of a folder of its own for each lock file.
        loaded: by path.
    """
    from dvc.dvcfile import Lockfile

    original = Lockfile.load

    def load(self: "Lockfile", **arguments: Any) -> Any:
        path, kept = Path(self.path), files.read_state(state_folder(state, Path(self.path)) / "parsed.json")
        if kept and path.exists() and kept["sha256"] == files.sha256_file(path):
            loaded[self.path] = kept["content"]
        else:
            loaded[self.path] = original(self, **arguments)
        return loaded[self.path]

    Lockfile.load = load
    try:
        yield
    finally:
        Lockfile.load = original


def state_folder(state: Path, path: Path) -> Path:
    """The folder that keeps the state of a lock file."""
    return state / files.digest(str(path.absolute()))[:16]


def _split(path: Path, content: dict[str, Any]) -> dict[str, str]:
    """The text of each stage's block; where the file is not as DVC writes it, DVC's serializer writes them anew."""
    stages = content.get("stages") or {}
    if not stages:
        return {}
    header, _, text = path.read_text(encoding="utf-8").partition("\nstages:\n")
    blocks = [f"  {block}" for block in _BLOCK.split(text)[1:]]
    named = len(blocks) == len(stages) and all(map(str.startswith, blocks, (f"  {name}:\n" for name in stages)))
    if f"{header}\nstages:\n" != _HEADER or not named or "&" in text:
        blocks = [_block(name, entry) for name, entry in stages.items()]
    return dict(zip(stages, blocks, strict=True))


def _block(name: str, entry: dict[str, Any]) -> str:
    """The lines that DVC's serializer writes, without aliases: an anchor's name counts in a file, not in a block."""
    from dvc.utils.serialize._yaml import _get_yaml

    yaml, stream = _get_yaml(), io.StringIO()
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump({"stages": {name: entry}}, stream)
    return stream.getvalue().partition("\n")[2]
