"""`anamnesis translate`: line by line, with scores, with attention, and its errors."""

import pytest
from PIL import Image

from anamnesis.data.text.cleaning import clean
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.evaluation.attention import attention_map

NEAREST, COPY, ATTENTION = (f"translation-{name}" for name in ("nearest", "copy", "attention"))


@pytest.fixture
def translate(run):
    """translate(argument, ..., model=NAME): the lines that the command prints; its error is raised."""

    def lines(*arguments, model=ATTENTION, **options):
        done = run("translate", *arguments, model=model, **options)
        if done.exception is not None:
            assert done.stdout == ""
            raise done.exception
        return done.stdout.split("\n")[:-1]

    return lines


def found_by(toys, model, texts, *options):
    """The translations of the library."""
    return toys.loaded(model).translate(texts, *options)


@pytest.mark.parametrize("model", [NEAREST, ATTENTION])
def test_each_line_has_its_translation(translate, toys, model):
    lines = ["the cat sees", "", "a big bird calls", " \t", "the dog eats a small cat", "the cat sees"]
    # The width of the beam is that of the experiment.
    expected = [
        best[0].text if text.strip() else "" for text, best in zip(lines, found_by(toys, model, lines, 2), strict=True)
    ]
    assert model == ATTENTION or len(set(expected)) == 4
    assert translate(stdin="\n".join(lines).encode(), model=model) == expected
    assert translate(stdin="\r\n".join([*lines, ""]).encode(), model=model) == expected
    assert translate(*lines, model=model) == expected
    greedy = [best[0].text for best in found_by(toys, model, lines[:1], 1)]
    assert translate("--beam", "1", lines[0], model=model) == greedy


@pytest.mark.parametrize("model", [COPY, ATTENTION])
def test_only_a_line_feed_ends_a_line(translate, model):
    odd = ["a\x00b\x1b[31m", "\x0c", "x\u2028y", "\x85", "q\rw", "\ufeff", "\U0001f642 \u202e zxc"]
    lines = translate(stdin="\n".join([*odd, "the cat"]).encode(), model=model)
    assert len(lines) == len(odd) + 1
    assert [lines[index] for index in (1, 3, 5)] == ["", "", ""]
    assert not any(character < " " for line in lines for character in line)
    assert lines[-1] == translate("the cat", model=model)[0]
    if model == COPY:
        assert (lines[0], lines[-1]) == ("ab[31m", "the cat")


def test_the_n_best_have_scores(translate, toys):
    texts = ["the cat sees", "", "a dog"]
    expected = [
        [f"{each.score:.4f}\t{clean(each.text)}" for each in best] for best in found_by(toys, ATTENTION, texts, 2, 2)
    ]
    assert [len(best) for best in expected] == [2, 1, 2]
    assert translate("--n-best", "2", *texts) == [*expected[0], "", *expected[1], "", *expected[2]]
    # A baseline has one translation without a score.
    [line] = translate("--n-best", "2", "a dog", model=COPY)
    assert line == "\ta dog"


def test_attention_is_a_table_or_an_image(translate, toys, tmp_path):
    texts = ["the cat sees", "", "a dog"]
    blocks = "\n".join(translate("--attention", *texts)).split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == translate(*texts)
    for text, block in ((texts[0], blocks[0]), (texts[2], blocks[2])):
        header, *rows = [line.split("\t") for line in block.split("\n")[1:]]
        (best,) = found_by(toys, ATTENTION, [text], 2)[0]
        source, _, attention = attention_map(toys.loaded(ATTENTION), text, best)
        assert header == ["", *(token.strip() or "␣" for token in source)]
        for row, weights in zip(rows, attention, strict=True):
            assert [float(value) for value in row[1:]] == pytest.approx(weights.tolist(), abs=1e-4)
    # The name of the image is relative to the working directory.
    assert translate("--attention-file", "map.PNG", texts[0], folder=toys.root / "data") == translate(texts[0])
    assert Image.open(toys.root / "data" / "map.PNG").format == "PNG"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--n-best", "5", "a"], 2, "--n-best: found 5; allowed: from 1 to the beam's width, which is 2"),
        (["--attention-file", "a.pdf", "a"], 2, "--attention-file: found 'a.pdf'; allowed: a name that ends with .png"),
        (["--attention-file", "params.yaml/a.png", "a"], 1, "--attention-file: {root}/params.yaml/a.png cannot be"),
        (["--attention", "a", "b " * 150], 1, "attention: text 2 or its translation has "),
    ],
)
def test_invalid_options_are_refused_in_one_line(translate, toys, arguments, code, message):
    with pytest.raises(AnamnesisError) as error:
        translate(*arguments)
    assert error.value.exit_code == code
    assert str(error.value).startswith(message.format(root=toys.root))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NEAREST, f"{NEAREST} has no attention to show"),
        ("language-uniform", "language-uniform is a language model; `translate` needs a"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(translate, model, message):
    with pytest.raises(AnamnesisError, match=f"^{message}"):
        translate("--attention", "a", model=model)


def test_without_a_model_the_only_registered_champion_translates(run, toys, monkeypatch):
    from anamnesis.tracking import registry

    monkeypatch.setattr(registry, "only_model", lambda task: f"{task}-toy")
    monkeypatch.setattr(registry, "resolve", {"translation-toy@champion": toys.model(COPY)}.__getitem__)
    assert run("translate", "a dog").stdout == "a dog\n"


def test_a_note_names_the_placeholders_that_a_translation_lost(run):
    done = run("translate", "the cat %s sees {home} <b>%s</b>.", model=NEAREST)
    assert done.stderr == "note: the translation lost %s, {home}, <b>, </b>\n"
    done = run("translate", "the cat sees", "", "a %d dog: https://a.example/b.", model=NEAREST)
    assert done.stderr == "note: the translation of text 3 lost %d, https://a.example/b\n"
    done = run("translate", "Save %s in {x}.", model=COPY)
    assert (done.stdout, done.stderr) == ("Save %s in {x}.\n", "")
