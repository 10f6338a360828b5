"""A model folder that is damaged, or forged by someone who signs it: one line says so, and no code in it runs."""

import copy
import json
import pickle
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_folders import MAKERS, load, sign
from safetensors import numpy as safetensors

from anamnesis.errors import AnamnesisError

HOSTILE = [10**9, 10**30, -1, 0, 1.5, 1e300, 65536, None, "x", "../x", [], {}, True]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sound model folder of each kind."""
    root = tmp_path_factory.mktemp("models")
    for name, make in MAKERS.items():
        (root / name).mkdir()
        make(root / name)
        load(root / name)
    return {name: root / name for name in MAKERS}


@contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Let this process take so many more bytes of address space and no more."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


class Trap:
    """What a pickle of it would do to whoever loads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was loaded",)


def values(content: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths to all values in JSON, those that hold others among them."""
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    inner = [found for key, value in entries for found in values(value, (*path, key))]
    return [path, *inner] if path else inner


def replaced(content: Any, path: tuple[str | int, ...], value: Any) -> Any:
    result = place = copy.deepcopy(content)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


def damage_bytes(folder: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(path.read_bytes())
    match data.draw(st.sampled_from(["change", "cut", "remove", "folder", "pickle"])):
        case "change" if content:
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
            path.write_bytes(content)
        case "cut":
            path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        case "remove":
            path.unlink()
        case "folder":
            path.unlink()
            path.mkdir()
        case "pickle":
            path.write_bytes(pickle.dumps(Trap()))


def forge_card(folder: Path, data: st.DataObject) -> None:
    card = json.loads((folder / "model.json").read_text())
    paths = [path for path in values(card) if path != ("fingerprint",)]
    sign(folder, replaced(card, data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(HOSTILE))))


def forge_weights(folder: Path, data: st.DataObject) -> None:
    arrays = safetensors.load_file(folder / "weights.safetensors")
    name = data.draw(st.sampled_from(sorted(arrays)))
    forged = [np.zeros(0), np.full(3, np.nan), arrays[name].astype(np.float16), arrays[name].astype(np.int64) - 10**12]
    arrays[data.draw(st.sampled_from([name, "other"]))] = data.draw(st.sampled_from(forged))
    safetensors.save_file(arrays, folder / "weights.safetensors")
    sign(folder, json.loads((folder / "model.json").read_text()))


def forge_file(folder: Path, data: st.DataObject) -> None:
    card = json.loads((folder / "model.json").read_text())
    for name in card["files"]:
        content = (folder / name).read_text()
        if content.startswith("{"):
            path = data.draw(st.sampled_from(values(json.loads(content)) or [("x",)]))
            forged = replaced(json.loads(content), path, data.draw(st.sampled_from(HOSTILE)))
            (folder / name).write_text(json.dumps(forged))
    if card["files"] and data.draw(st.booleans()):
        (folder / card["files"][0]).write_bytes(pickle.dumps(Trap()))
    sign(folder, card)


def refusal(folder: Path) -> str:
    """Why the model is refused; empty where it is not."""
    try:
        load(folder)
    except AnamnesisError as error:
        return str(error)
    return ""


@given(
    st.sampled_from(sorted(MAKERS)),
    st.sampled_from([damage_bytes, forge_card, forge_weights, forge_file]),
    st.data(),
)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_damaged_or_forged_model_is_refused_in_one_line(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, name: str, spoil: Any, data: st.DataObject
) -> None:
    folder = shutil.copytree(folders[name], tmp_path_factory.mktemp("spoilt") / name)
    spoil(folder, data)
    # Where there is no error, the damage changed nothing that the model uses.
    assert "\n" not in refusal(folder)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("next_token", ("model", "hidden")),
        ("cloze", ("model", "hidden")),
        ("word_number", ("model", "window")),
        ("passage", ("reader", "hidden")),
        ("translation", ("model", "embedding")),
        ("documents", ("model", "hidden")),
        ("videos", ("videos", "size")),
        ("captions", ("model", "channels")),
        ("forecast", ("model", "hidden")),
        ("memory", ("hidden",)),
        ("memory", ("vocabulary_size",)),
        ("memory", ("recall", "alphabet")),
    ],
)
@pytest.mark.parametrize("size", [50_000, 10**9])
def test_a_card_that_asks_for_a_huge_network_fills_no_memory(
    folders: dict[str, Path], tmp_path: Path, name: str, path: tuple[str, ...], size: int
) -> None:
    folder = shutil.copytree(folders[name], tmp_path / name)
    sign(folder, replaced(json.loads((folder / "model.json").read_text()), path, size))
    with pytest.raises(AnamnesisError), bounded_memory(1 << 30):
        load(folder)
