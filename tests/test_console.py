"""How a stage or command ends, characters that may not control a terminal, and passwords that no error shows."""

import os
import signal
import unicodedata

import kills
import pytest

from anamnesis import console, files
from anamnesis.console import printable
from anamnesis.errors import AnamnesisError, hide_passwords


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANAMNESIS_TRACEBACK", raising=False)
    # `console.run` leaves its handlers in place.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)


def unexpected() -> None:
    raise ValueError("no answer from\nhttps://me:secret@host/x")


def test_an_unexpected_error_is_one_line_and_its_traceback_a_file(root, capsys):
    with pytest.raises(SystemExit) as ended:
        console.run(unexpected)
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    (log,) = (root / ".anamnesis" / "logs").iterdir()
    place = log.relative_to(root)
    assert line == f"error: ValueError: no answer from https://host/x; its traceback is in {place}"
    assert "in unexpected" in log.read_text()
    assert "secret" not in log.read_text()


def test_an_error_is_one_line_outside_of_a_project_and_on_a_full_disk(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.raises(SystemExit):
        console.run(unexpected)
    assert [path.suffix for path in tmp_path.iterdir()] == [".log"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(console, "write_text", full)
    with pytest.raises(SystemExit):
        console.run(unexpected)
    first, second = capsys.readouterr().err.splitlines()
    assert ".log" in first
    assert second.endswith(f"its traceback cannot be written to {tmp_path} (No space left on device)")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_half_written(root, number):
    def work() -> None:
        with files.new_folder(root / "models" / "lstm") as folder:
            files.write_text(folder / "weights", "half")
            os.kill(os.getpid(), number)
            files.write_text(folder / "card", "never")

    def stage() -> None:
        signal.signal(number, signal.SIG_DFL)
        console.run(work)

    assert kills.run(stage)[0] == 128 + number
    assert not list((root / "models").iterdir())
    assert not list((root / files.TEMPORARY).iterdir())


def test_signals_that_nohup_ignores_stay_ignored(root):
    def stage() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        console.run(lambda: os.kill(os.getpid(), signal.SIGHUP))

    assert kills.run(stage)[0] == 0


HOSTILE = "a\x1b[2J\x07\x9b31m\rb\u202ec\x7f"
SHOWN = r"a\x1b[2J\x07\x9b31m\rb\u202ec\x7f"


def test_no_control_character_and_no_mark_of_direction_is_printable():
    # Unicode's bidirectional classes of the marks that embed, override, isolate, and end these.
    steering = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    marks = {"\u200e", "\u200f", "\u061c"}
    for number in range(0x110000):
        character = chr(number)
        hidden = unicodedata.category(character) == "Cc" and character not in "\t\n"
        hidden |= unicodedata.bidirectional(character) in steering or character in marks
        shown = printable(character)
        assert (shown != character) == hidden
        assert not hidden or shown == character.encode("unicode_escape").decode()
    assert printable(HOSTILE) == SHOWN


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:p4ss@host/x", "http://host/x"),
        ("https://user:p4@ss@host/x", "https://host/x"),
        ("https://us%40er:p4%2Fss@[::1]:80/x@y", "https://[::1]:80/x@y"),
        ("https://user:it's-p4ss@host/", "https://host/"),
        ("git+ssh://user:p4ss@host/x", "git+ssh://host/x"),
        # No valid addresses, but people write them.
        ("http://user:p4/ss@host/x", "http://host/x"),
        ("http://user:p4#s?s@host/x", "http://host/x"),
        ("https://host/x?token=p4ss&page=2", "https://host/x?token=***&page=2"),
        ("https://host/x?page=2&private_token=p4ss#top", "https://host/x?page=2&private_token=***#top"),
        ("https://host/x?X-Amz-Signature=p4ss&X-Amz-Credential=p4ss", None),
        # Nothing to hide.
        ("http://host:8080/me@example", "http://host:8080/me@example"),
        ("http://host:80 and me@example", "http://host:80 and me@example"),
        ("http://host/x?page=2&tokens", "http://host/x?page=2&tokens"),
        ('{"a":"http://host","b":"me@example"}', '{"a":"http://host","b":"me@example"}'),
    ],
)
def test_addresses(address, shown):
    for text in (address, f"cannot read '{address}': no answer", f"{address} {address}"):
        hidden = hide_passwords(text)
        assert "p4" not in hidden
        assert shown is None or hidden == text.replace(address, shown)
        assert str(AnamnesisError(text)) == hidden
        assert hide_passwords(hidden) == hidden


@pytest.mark.parametrize("piece", ["//a:b", "?", "?token", "token", "/", "a", "@", "//a:@", ":"])
def test_repetition_does_not_slow_a_long_text(piece):
    # A pattern whose time grew with the square of the length would take minutes.
    assert len(hide_passwords("//?" + piece * (300_000 // len(piece)))) <= 300_010
