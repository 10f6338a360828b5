"""What a registered captioning model answers, and what `anamnesis caption` prints."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from listener import Recorder
from settings_files import write_settings
from typer.testing import CliRunner, Result

from anamnesis import cli, numerics
from anamnesis.data.stores.store import open_images
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.tasks.captioning import pictures, rows, serving
from anamnesis.tasks.captioning.rows import Captioned
from anamnesis.tasks.captioning.settings import Experiment, Rows
from anamnesis.tasks.captioning.train import train

Make = Callable[..., Experiment]
ONCE = {"training": {"epochs": 1, "learning_rate": 0.01}}


@pytest.fixture(scope="module")
def test_images(stores: Path) -> Captioned:
    return rows.make(open_images(stores / "data" / "tokens" / "digits", "test"), Rows(test=5), "test")


@pytest.mark.parametrize("architecture", ["cnn-gru", "nearest"])
def test_files_in_base64_captions_out(
    project: Path, experiment: Make, test_images: Captioned, architecture: str
) -> None:
    train("mine", experiment(architecture, **(ONCE if architecture != "nearest" else {})), project, Recorder())
    model = serving.load(project / "models" / "mine")
    texts, options = serving.example(model.card)
    assert (texts, options) == serving.example(model.card)
    assert options == {"beam": 3}
    assert len(serving.answer(model, texts, options)) == 1
    asked = [base64.encodebytes(pictures.as_png(pixels)).decode() for pixels in test_images.pixels]
    expected = [best[0].text for best in model.caption(test_images.pixels, 3)]
    assert serving.answer(model, asked, {}) == expected
    assert serving.answer(model, [], {}) == []
    greedy = [best[0].text for best in model.caption(test_images.pixels, 1)]
    assert serving.answer(model, asked, {"beam": 1}) == greedy
    with pytest.raises(AnamnesisError, match=r"^text 2: not an image file as base64$"):
        serving.answer(model, [asked[0], "three seven one"], {})
    with pytest.raises(AnamnesisError, match=r"^image 1: not an image that can be read"):
        serving.answer(model, [base64.b64encode(b"three").decode()], {})


@pytest.fixture
def asked(
    project: Path, experiment: Make, test_images: Captioned, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """asked(argument, ...): `anamnesis caption --model mine argument ...` in a folder pictures of the project."""
    settings = experiment(**ONCE)
    train("mine", settings, project, Recorder())
    content = {
        "profile": "laptop",
        "corpora": {},
        "own_corpora": {"small": {"reader": "digits", "source": {"kind": "file", "path": "digits.csv"}}},
        "tokens": {"digits": {"kind": "images", "corpus": "small"}},
        "experiments": {"mine": settings.model_dump(mode="json")},
    }
    write_settings(project, content)
    (project / "dvc.yaml").write_text("stages: {}\n")
    (project / "pictures").mkdir()
    for number, pixels in enumerate(test_images.pixels):
        (project / "pictures" / f"{number}.png").write_bytes(pictures.as_png(pixels))
    (project / "pictures" / "broken.png").write_text("three")

    # Pinned before the first import of NumPy or not at all.
    monkeypatch.setattr(numerics, "pin", lambda: None)

    def ask(*arguments: str) -> Result:
        monkeypatch.chdir(project / "pictures")
        return CliRunner().invoke(cli.app, ["caption", "--model", "mine", *arguments])

    return ask


def test_the_command_reads_files(project: Path, asked: Callable[..., Result], test_images: Captioned) -> None:
    model = serving.load(project / "models" / "mine")
    names = [f"{number}.png" for number in range(5)]
    expected = [best[0].text for best in model.caption(test_images.pixels, 3)]
    found = asked(*names)
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines() == expected
    greedy = [best[0].text for best in model.caption(test_images.pixels, 1)]
    assert asked("--beam", "1", *names).stdout.splitlines() == greedy
    several = asked("--n-best", "2", *names[:2])
    blocks = [block.splitlines() for block in several.stdout.rstrip("\n").split("\n\n")]
    for block, captions in zip(blocks, model.caption(test_images.pixels[:2], 3, 2), strict=True):
        assert block == [f"{each.score:.4f}\t{each.text}" for each in captions]


def test_a_file_that_cannot_be_read_costs_its_own_line(asked: Callable[..., Result]) -> None:
    good = asked("0.png", "1.png").stdout.splitlines()
    found = asked("0.png", "broken.png", "1.png", "none.png")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [good[0], "", good[1], ""]
    first, second = found.stderr.splitlines()
    assert first.startswith("error: broken.png: not an image that can be read; allowed: ")
    assert second == "error: none.png: cannot be read: No such file or directory"
    assert asked("broken.png", "none.png").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["0.png", "--n-best", "4"], ParamsError, "--n-best: found 4; allowed: from 1 to the beam's width, which is 3"),
        (["0.png", "--beam", "101"], AnamnesisError, "beam: found 101; allowed: from 1 to 100"),
    ],
)
def test_the_command_refuses_in_one_line(
    asked: Callable[..., Result], arguments: list[str], kind: type[AnamnesisError], said: str
) -> None:
    found = asked(*arguments)
    assert isinstance(found.exception, kind)
    assert str(found.exception).startswith(said)
    assert found.stdout == ""
