"""`anamnesis classify`: documents and videos, line by line."""

import base64

import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.video import prediction

TFIDF = "classification-tfidf"


def test_each_text_has_a_line_and_a_blank_text_a_blank_line(run):
    assert run("classify", "wheat corn", "oil barrel", model=TFIDF).stdout == "grain\ncrude\n"
    for stdin in (b"oil\n\nwheat\n  \noil", b"oil\r\n\r\nwheat\r\n  \r\noil\r\n"):
        assert run("classify", stdin=stdin, model=TFIDF).stdout == "crude\n\ngrain\n\ncrude\n"
    assert run("classify", stdin=b"", model=TFIDF).stdout == ""


def test_the_option_top_shows_labels_with_their_probabilities(run, toys):
    [ranking] = toys.loaded(TFIDF).classify(["oil"])
    rows = "".join(f"{label}\t{probability:.4f}\n" for label, probability in ranking[:2])
    assert run("classify", "--top", "2", "oil", " ", model=TFIDF).stdout == f"\noil\nlabel\tprobability\n{rows}"


def test_videos_are_files_of_the_working_directory(run, toys, tmp_path):
    model = toys.loaded("video-cnn")
    [video], _ = prediction.example(model.card)
    folder = toys.root / "data"
    (folder / "a.gif").write_bytes(base64.b64decode(video))
    (folder / "bad.gif").write_bytes(b"GIF")
    [label] = prediction.answer(model, [video], {})
    done = run("classify", "a.gif", "bad.gif", "a.gif", model="video-cnn", folder=folder)
    assert (done.exit_code, done.stdout) == (1, f"{label}\n\n{label}\n")
    [line] = done.stderr.splitlines()
    assert "bad.gif: " in line


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("language-uniform", ["a"], "language-uniform is a language model; `classify` needs a classifier"),
        (TFIDF, ["--top", "4", "a"], "--top: found 4; allowed: from 1 to 3, the number of labels"),
        (TFIDF, ["a", "b\udcff"], "text 2: character 2 is not UTF-8"),
    ],
)
def test_invalid_input_is_refused(run, model, arguments, message):
    error = run("classify", *arguments, model=model).exception
    assert isinstance(error, AnamnesisError)
    assert str(error).startswith(message)


def test_a_file_name_as_a_text_gets_a_note(run):
    done = run("classify", "params.yaml", "oil", model=TFIDF)
    assert done.stdout.endswith("\ncrude\n")
    assert (
        done.stderr == "note: params.yaml is a file, but only its name was used as text; did you mean < params.yaml?\n"
    )
