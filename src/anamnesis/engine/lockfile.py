"""dvc.lock as one block of text for each stage, so that recording a stage costs the same in a large file.

DVC parses and rewrites the whole file for each stage. Here DVC's serializer writes the block of the stage that ran, and
all other blocks stay as they are. The file has the bytes that DVC would write.
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
        content: the content as DVC parses it.
        state: the folder for the file's order before an interrupted run, and for its parsed content.
    """

    def __init__(self, path: Path, content: dict[str, Any], state: Path) -> None:
        self.path = path
        self._stages: dict[str, Any] = dict(content.get("stages") or {})
        self._blocks = _split(path, content)
        self._order, self._parsed = state / "order.json", state / "parsed.json"
        order = files.read_state(self._order)
        self._before = list(self._blocks) if order is None else order
        self._changed = False

    def set_entry(self, name: str, entry: dict[str, Any]) -> None:
        """Replace the entry of a stage; `write` stores it."""
        block = _block(name, entry)
        if self._blocks.get(name) != block:
            self._blocks[name], self._stages[name], self._changed = block, entry, True

    def write(self, plan: list[str]) -> None:
        """Write the file atomically if anything has changed, in the order in which one plain `dvc repro` would.

        DVC keeps the place of a stage and appends new stages as they finish. So the order is that before the first
        incomplete run, then the new stages in the order of the plan.
        """
        ordered = [name for name in dict.fromkeys([*self._before, *plan, *self._blocks]) if name in self._blocks]
        if self._changed or ordered != list(self._blocks):
            if not self._order.exists():
                files.write_json(self._order, self._before)
            self._blocks = {name: self._blocks[name] for name in ordered}
            files.write_text(self.path, _HEADER + "".join(self._blocks.values()))
            self._changed = False

    def close(self, *, complete: bool) -> None:
        """Save the parsed content; after a complete run, remove the saved order."""
        if complete:
            self._order.unlink(missing_ok=True)
        if self.path.exists():
            # `_stages` has new stages in the order in which they finished, `_blocks` in the order of the file.
            stages = {name: self._stages[name] for name in self._blocks}
            save_parsed(self.path, {"schema": "2.0", "stages": stages}, self._parsed)


def save_parsed(path: Path, content: dict[str, Any], parsed: Path) -> None:
    """Save the content of a lock file as JSON if JSON can represent it; Python reads it 100 times as fast as YAML."""
    digest = files.sha256_file(path)
    if (saved := files.read_state(parsed)) and saved["sha256"] == digest:
        return
    try:
        text = json.dumps({"sha256": digest, "content": content})
        if json.loads(text)["content"] == content:
            files.write_text(parsed, text)
    except (TypeError, ValueError):
        parsed.unlink(missing_ok=True)


@contextmanager
def fast_loading(state: Path, contents: dict[str, dict[str, Any]]) -> Iterator[None]:
    """In the block, DVC loads an unchanged lock file from the JSON of `save_parsed`.

    Args:
        state: the folder that contains the `state_folder` of each lock file.
        contents: receives the content of each loaded lock file, by path.
    """
    from dvc.dvcfile import Lockfile

    original = Lockfile.load

    def load(self: "Lockfile", **arguments: Any) -> Any:
        path, saved = Path(self.path), files.read_state(state_folder(state, Path(self.path)) / "parsed.json")
        if saved and path.exists() and saved["sha256"] == files.sha256_file(path):
            contents[self.path] = saved["content"]
        else:
            contents[self.path] = original(self, **arguments)
        return contents[self.path]

    Lockfile.load = load
    try:
        yield
    finally:
        Lockfile.load = original


def state_folder(state: Path, path: Path) -> Path:
    """The folder for the state of a lock file."""
    return state / files.digest(str(path.absolute()))[:16]


def _split(path: Path, content: dict[str, Any]) -> dict[str, str]:
    """The block of each stage, by name; if DVC did not write the file, its serializer writes new blocks."""
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
    """The lines that DVC's serializer writes, without aliases, because anchors are numbered within a file."""
    from dvc.utils.serialize._yaml import _get_yaml

    yaml, stream = _get_yaml(), io.StringIO()
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump({"stages": {name: entry}}, stream)
    return stream.getvalue().partition("\n")[2]
