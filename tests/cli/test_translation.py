"""`anamnesis translate`: line by line, with scores, with attention, and what it refuses."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from anamnesis import cli
from anamnesis.data.text.cleaning import clean
from anamnesis.errors import AnamnesisError


@pytest.fixture
def translate(pairs, monkeypatch):
    """A function: the command's lines, run in a folder of the project in this process, or the error that it raises."""
    from anamnesis import numerics

    monkeypatch.setattr(numerics, "pin", lambda: None)

    def run(*arguments: str, stdin: bytes | None = None, model: str = "toy-attention", folder: Path = pairs):
        monkeypatch.chdir(folder)
        done = CliRunner().invoke(cli.app, ["translate", "--model", model, *arguments], input=stdin)
        if done.exception is not None:
            assert done.stdout == ""
            raise done.exception
        return done.stdout.split("\n")[:-1]

    return run


def refused(error) -> tuple[int, str]:
    return error.value.exit_code, str(error.value)


@pytest.fixture(scope="module")
def library(pairs):
    from anamnesis import models

    return {name: models.load(pairs / "models" / name) for name in ("toy-nearest", "toy-seq2seq", "toy-attention")}


@pytest.mark.parametrize("model", ["toy-nearest", "toy-seq2seq", "toy-attention"])
def test_translate_answers_line_by_line(translate, library, model):
    lines = ["The cat sleeps.", "", "The house is old.", " \t", "A dog runs to the house.", "The cat sleeps."]
    # The beam is the experiment's, where no other is asked for.
    beam = {"toy-nearest": 5, "toy-seq2seq": 3, "toy-attention": 4}[model]
    expected = [found[0].text for found in library[model].translate(lines, beam)]
    assert expected[1].strip() == expected[3].strip() == ""
    assert len(set(expected)) > 2
    expected = ["" if not text.strip() else text for text in expected]
    assert translate(stdin="\n".join(lines).encode(), model=model) == expected
    assert translate(stdin="\r\n".join([*lines, ""]).encode(), model=model) == expected
    assert translate(*lines, model=model) == expected
    greedy = [found[0].text for found in library[model].translate(lines[:1], 1)]
    assert translate("--beam", "1", lines[0], model=model) == greedy


@pytest.mark.parametrize("model", ["toy-copy", "toy-seq2seq", "toy-attention"])
def test_translate_keeps_every_line_in_its_place_whatever_is_in_it(translate, model):
    # Only a line feed ends a line: not a form feed, a line separator or a lone carriage return.
    odd = ["a\x00b\x1b[31m", "\x0c", "x\u2028y", "\x85", "q\rw", "\ufeff", "\U0001f642 \u202e zxc"]
    lines = translate(stdin="\n".join([*odd, "The cat"]).encode(), model=model)
    assert len(lines) == len(odd) + 1
    assert [lines[index] for index in (1, 3, 5)] == ["", "", ""]
    assert not any(character < " " for line in lines for character in line)
    assert lines[-1] == translate("The cat", model=model)[0] != ""
    if model == "toy-copy":
        assert lines[0] == "ab[31m"


def test_translate_shows_the_n_best_with_scores(translate, library):
    texts = ["The cat sleeps.", "", "A dog"]
    found = library["toy-attention"].translate(texts, 4, 3)
    expected = [[f"{each.score:.4f}\t{clean(each.text)}" for each in best] for best in found]
    assert [len(best) for best in expected] == [3, 1, 3]
    assert translate("--n-best", "3", *texts) == [*expected[0], "", *expected[1], "", *expected[2]]
    # A baseline has one translation, and no score.
    assert translate("--n-best", "3", "A dog sleeps.", model="toy-nearest") == ["\tEen hond slaapt."]


def test_translate_shows_attention_as_rows_of_weights(translate, library):
    from anamnesis.tasks.translation.evaluation.attention import attention_map

    texts = ["The cat sleeps.", "", "A dog"]
    blocks = "\n".join(translate("--attention", *texts)).split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == translate(*texts)
    for text, block in ((texts[0], blocks[0]), (texts[2], blocks[2])):
        header, *rows = [line.split("\t") for line in block.split("\n")[1:]]
        (best,) = library["toy-attention"].translate([text], 4)[0]
        source, _, attention = attention_map(library["toy-attention"], text, best)
        assert header == ["", *(token.strip() or "␣" for token in source)]
        assert len(rows) == len(best.tokens)
        for row, weights in zip(rows, attention, strict=True):
            assert [float(value) for value in row[1:]] == pytest.approx(weights.tolist(), abs=1e-4)


def test_translate_draws_attention_into_a_file_here(translate, pairs, tmp_path):
    from PIL import Image

    lines = translate("--attention-file", "map.PNG", "The cat", folder=pairs / "data")
    assert lines == translate("The cat")
    assert Image.open(pairs / "data" / "map.PNG").format == "PNG"
    assert [path.name for path in (pairs / "data").iterdir() if path.is_file()] == ["map.PNG"]
    translate("--attention-file", str(tmp_path / "other.png"), "The cat")
    assert (tmp_path / "other.png").read_bytes() == (pairs / "data" / "map.PNG").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--n-best", "5", "a"], 2, "--n-best: found 5; allowed: from 1 to the beam's width, which is 4"),
        (["--attention-file", "a.pdf", "a"], 2, "--attention-file: found 'a.pdf'; allowed: a name that ends with .png"),
        (["--attention-file", "params.yaml/a.png", "a"], 1, "--attention-file: {root}/params.yaml/a.png cannot be"),
        (["--attention", "a", "b" * 150], 1, "attention: text 2 or its translation has "),
        (["--model", "toy-nearest", "--attention", "a"], 1, "toy-nearest has no attention to show"),
    ],
)
def test_translate_refuses_in_one_line(translate, pairs, arguments, code, said):
    with pytest.raises(AnamnesisError) as error:
        translate(*arguments)
    found, line = refused(error)
    assert (found, line[: len(said.format(root=pairs))]) == (code, said.format(root=pairs))
    assert "\n" not in line
    assert not list(pairs.glob("*.png"))


def test_without_a_model_the_only_registered_champion_translates(translate, pairs, monkeypatch):
    from anamnesis.tracking import registry

    monkeypatch.setattr(registry, "only_model", lambda task: f"{task}-toy")
    resolved = {"translation-toy@champion": pairs / "models" / "toy-nearest"}
    monkeypatch.setattr(registry, "resolve", resolved.__getitem__)
    monkeypatch.chdir(pairs)
    done = CliRunner().invoke(cli.app, ["translate", "A dog sleeps."])
    assert done.stdout == "Een hond slaapt.\n"


def test_a_note_names_the_placeholders_that_a_translation_lost(pairs, monkeypatch):
    from anamnesis import numerics

    monkeypatch.setattr(numerics, "pin", lambda: None)
    monkeypatch.chdir(pairs)

    def run(*texts: str, model: str = "toy-nearest"):
        done = CliRunner().invoke(cli.app, ["translate", "--model", model, *texts])
        assert done.exit_code == 0
        return done.stdout.splitlines(), done.stderr.splitlines()

    lines, notes = run("The cat %s sleeps at {home} <b>%s</b>.")
    assert (lines, notes) == (["De kat slaapt."], ["note: the translation lost %s, {home}, <b>, </b>"])
    lines, notes = run("The cat sleeps.", "", "A %d dog runs: https://a.example/b.")
    assert notes == ["note: the translation of text 3 lost %d, https://a.example/b"]
    assert len(lines) == 3
    assert run("Save %s in {x}.", model="toy-copy") == (["Save %s in {x}."], [])
