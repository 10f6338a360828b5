"""Files and folders change in one step even if the process is killed, and temporary files are hidden."""

import os
from pathlib import Path

import kills
import pytest

from anamnesis import files
from anamnesis.errors import AnamnesisError


@pytest.fixture
def root(tmp_path):
    """A project's folder with an output."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    write(tmp_path, "old")
    return tmp_path


def write(root: Path, text: str) -> None:
    with files.new_folder(root / "models" / "lstm") as folder:
        files.write_text(folder / "weights", text)
        (folder / "part").mkdir()
        (folder / "part" / "card").write_text(text)


def content(root: Path) -> dict[str, str]:
    """Every file and folder of the project, but the working state that is allowed."""
    paths = {str(path.relative_to(root)): path for path in sorted(root.rglob("*"))}
    return {name: path.read_text() if path.is_file() else "" for name, path in paths.items()}


def test_a_kill_before_any_change_leaves_the_old_folder_or_the_new_one(root):
    old = content(root)
    code, changes = kills.run(lambda: write(root, "new"))
    new = content(root)
    assert code == 0
    assert old != new
    assert old.keys() == new.keys()
    seen = []
    for moment in range(changes):
        write(root, "old")
        assert content(root) == old
        code, _ = kills.run(lambda: write(root, "new"), moment)
        assert code < 0
        assert {path.name for path in root.iterdir()} == {".anamnesis", "dvc.yaml", "models", "params.yaml"}
        assert {path.name for path in (root / "models").iterdir()} <= {"lstm"}
        # The next process that writes anything puts the project in order.
        files.write_text(root / ".anamnesis" / "note", "")
        (root / ".anamnesis" / "note").unlink()
        seen.append(content(root))
        assert seen[-1] in (old, new), moment
    assert old in seen
    assert new in seen


def test_a_kill_before_any_change_leaves_the_old_file_or_the_new_one(root):
    path = root / "metrics" / "lstm.json"
    _, changes = kills.run(lambda: files.write_text(path, "new"))
    for moment in range(changes):
        files.write_text(path, "old")
        kills.run(lambda: files.write_text(path, "new"), moment)
        assert path.read_text() in ("old", "new")
        assert [each.name for each in path.parent.iterdir()] == ["lstm.json"]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_of_either_rename_puts_the_old_folder_back(root, monkeypatch, failing):
    old, replace, count = content(root), os.replace, 0
    # The first rename is that of the file.
    target = root / "models" / "lstm"

    def fail(source: Path, destination: Path) -> None:
        nonlocal count
        if target in (source, destination):
            count += 1
            if count == failing + 1:
                raise OSError("no")
        replace(source, destination)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write(root, "new")
    assert content(root) == old


def test_files_of_a_running_process_are_not_deleted(root):
    with files.temporary_folder(root / files.TEMPORARY) as living:
        code, _ = kills.run(lambda: write(root, "new"))
        assert code == 0
        assert list(living.parent.iterdir()) == [living]
        child, _ = kills.run(lambda: write(root, "newer"), 3)
        assert child < 0
        assert len(list(living.parent.iterdir())) > 1
        write(root, "newest")
        assert list(living.parent.iterdir()) == [living]
    assert not list(living.parent.iterdir())


def test_without_a_project_or_across_file_systems_the_file_is_written_beside_its_target(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    files.write_text(outside / "a.csv", "a")
    assert [path.name for path in outside.iterdir()] == ["a.csv"]
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == root.stat().st_dev:
        pytest.skip("there is no second file system")
    other = memory / f"anamnesis-test-{os.getpid()}"
    (root / "data").symlink_to(other)
    other.mkdir()
    try:
        with files.new_folder(root / "data" / "raw") as folder:
            files.write_text(folder / "train.txt", "text")
        assert (other / "raw" / "train.txt").read_text() == "text"
        assert [path.name for path in other.iterdir()] == ["raw"]
    finally:
        (other / "raw" / "train.txt").unlink(missing_ok=True)
        (other / "raw").rmdir()
        other.rmdir()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}', "line 2 is a conflict mark of Git; run x"),
        ("{", "not valid JSON: .*; run x"),
        ("[" * 200_000, "not valid JSON: .*; run x"),
        (None, "cannot be read: No such file or directory; run x"),
    ],
)
def test_a_damaged_json_file_is_named_in_one_line(tmp_path, text, said):
    path = tmp_path / "m.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AnamnesisError, match=said) as raised:
        files.read_json(path, "run x")
    assert "\n" not in str(raised.value)
