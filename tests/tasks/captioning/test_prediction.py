"""The served captioner and the command answer with the captions of files."""

import base64
from pathlib import Path

import pytest
import toys
from listener import Recorder
from settings_files import write_settings
from typer.testing import CliRunner

from anamnesis import cli, models, numerics
from anamnesis.errors import AnamnesisError
from anamnesis.stages.train import train
from anamnesis.tasks.captioning import prediction
from anamnesis.tasks.captioning.evaluation import as_png
from anamnesis.tasks.captioning.model.images import open_captioned
from anamnesis.tasks.captioning.settings import DigitImages


def test_the_server_and_the_command_give_the_captions_of_files(
    project: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"images": {"longest": 4}, "search": {"beam": 3}, "training": {"epochs": 1}}
    settings = toys.settings("captioning-gru", tokens="digits", **changes)
    train("mine", settings, project, Recorder())
    model = models.load(project / "models" / "mine")
    pixels = open_captioned(digits, "test", DigitImages(test=5)).pixels
    expected = {beam: [best[0].text for best in model.caption(pixels, beam)] for beam in (1, 3)}

    files = [as_png(each) for each in pixels]
    texts = [base64.encodebytes(file).decode() for file in files]
    assert prediction.answer(model, [*texts, ""], {}) == [*expected[3], ""]
    assert prediction.answer(model, texts, {"beam": 1}) == expected[1]
    with pytest.raises(AnamnesisError, match=r"^text 2: not an image file in base64$"):
        prediction.answer(model, [texts[0], "three seven one"], {})

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
    for number, file in enumerate([*files, b"three"]):
        (project / "pictures" / f"{number}.png").write_bytes(file)
    # The test process has loaded NumPy already.
    monkeypatch.setattr(numerics, "pin", lambda: None)

    def caption(*arguments: str) -> tuple[int, list[str], list[str]]:
        monkeypatch.chdir(project / "pictures")
        result = CliRunner().invoke(cli.app, ["caption", "--model", "mine", *arguments])
        return result.exit_code, result.stdout.splitlines(), result.stderr.splitlines()

    assert caption(*(f"{number}.png" for number in range(5))) == (0, expected[3], [])
    assert caption("--beam", "1", "4.png", "0.png")[1] == [expected[1][4], expected[1][0]]
    several = model.caption(pixels[:2], 3, 2)
    blocks = [[f"{each.score:.4f}\t{each.text}" for each in captions] for captions in several]
    assert caption("--n-best", "2", "0.png", "1.png")[1] == [*blocks[0], "", *blocks[1]]
    code, lines, errors = caption("0.png", "5.png", "1.png", "none.png")
    assert (code, lines) == (1, [expected[3][0], "", expected[3][1], ""])
    assert errors[0].startswith("error: 5.png: not an image that can be read; allowed: ")
    assert errors[1] == "error: none.png: cannot be read: No such file or directory"
