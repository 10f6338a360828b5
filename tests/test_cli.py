"""The `anamnesis` command as a person types it: in any folder of the project, with names misspelt, into a pipe."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import toy_pairs
from typer.testing import CliRunner

from anamnesis import cli, files
from anamnesis.corpora.cleaning import clean
from anamnesis.errors import AnamnesisError

HEAVY = {"torch", "pytorch_lightning", "mlflow", "dvc", "pandas", "numpy", "altair", "tokenizers", "jieba", "aiohttp"}
HEAVY |= {"matplotlib", "sklearn", "sacrebleu"}
COMMANDS = [
    "list",
    "show",
    "generate",
    "score",
    "fill",
    "translate",
    "classify",
    "caption",
    "forecast",
    "promote",
    "sync",
    "repro",
    "leaderboard",
    "ui",
    "profile",
]

PARAMS = """
profile: laptop
corpora:
  hello: {reader: text, source: {kind: literal, text: hello, same: true}, minimum: 2}
tokens:
  hello-characters: {corpus: hello, kind: characters}
experiments:
  hello-uniform:
    task: language
    tokens: hello-characters
    model: {architecture: uniform}
    sampling: {prompt: he, length: 5, temperature: 0.7}
  hello-ngram3:
    task: language
    tokens: hello-characters
    model: {architecture: ngram, order: 3}
    sampling: {prompt: he, length: 5, temperature: 0.7}
"""
TEXT = "hello hello jello\n" * 30


def anamnesis(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "anamnesis.cli", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", **environment},
        timeout=120,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one experiment that is trained and evaluated, and one that is not."""
    from anamnesis import params
    from anamnesis.language import baselines, evaluation
    from anamnesis.tokens import store

    root = tmp_path_factory.mktemp("project") / "hello"
    (root / "data" / "raw").mkdir(parents=True)
    (root / "params.yaml").write_text(PARAMS)
    (root / "dvc.yaml").write_text("stages: {}\n")
    settings = params.load(root / "params.yaml")
    sources = {split: root / "data" / "raw" / f"{split}.txt" for split in ("train", "valid", "test")}
    for path in sources.values():
        path.write_text(TEXT)
    store.write(root / "data" / "tokens" / "hello-characters", settings.tokens["hello-characters"], sources)
    experiment = settings.experiments["hello-uniform"]
    baselines.fit("hello-uniform", experiment, root, "digest")
    evaluation.evaluate("hello-uniform", experiment, root)
    return root


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv = ['anamnesis', '--help']\ntry: import anamnesis.cli; anamnesis.cli.main()\n"
    code += "except SystemExit: pass\nprint(sorted(m for m in sys.modules if '.' not in m), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert all(command in done.stdout for command in COMMANDS)
    loaded = done.stderr.strip().splitlines()[-1]
    assert "typer" in loaded
    assert not [name for name in HEAVY if f"'{name}'" in loaded]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_shows_an_example(tmp_path, command):
    done = anamnesis(tmp_path, command, "--help")
    assert done.returncode == 0
    assert f"anamnesis {command}" in done.stdout.split("Example")[1]


def test_unknown_command_is_refused(tmp_path):
    done = anamnesis(tmp_path, "generat")
    assert done.returncode == 2
    assert "generate" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["show", "a"],
        ["generate", "a"],
        ["score", "a", "b"],
        ["fill", "a", "b"],
        ["translate", "a"],
        ["classify", "a"],
        ["repro"],
        ["sync"],
    ],
)
def test_outside_of_a_project_is_one_line(tmp_path, command):
    done = anamnesis(tmp_path, *command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {tmp_path} is not inside a project: no folder from there upward holds params.yaml and dvc.yaml\n"
    )


@pytest.mark.parametrize("folder", [".", "data/raw"])
def test_list_is_a_plain_table_when_piped(root, folder):
    done = anamnesis(root / folder, "list")
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert header == ["experiment", "board", "tokens", "architecture", "status", "ranked by", "test score"]
    ranked = "bits per character"
    assert rows[0][:6] == ["hello-uniform", "language", "hello-characters", "uniform", "evaluated", ranked]
    # h, e, l, o, j, space, line end and <unk>: a uniform model's perplexity is the size of the vocabulary. Of the
    # text's characters all but the first are predicted.
    assert float(rows[0][6]) == pytest.approx(math.log2(8) * (len(TEXT) - 1) / len(TEXT), rel=1e-4)
    assert rows[1] == ["hello-ngram3", "language", "hello-characters", "ngram", "-", ranked, ""]


def test_show_has_settings_model_scores_and_samples(root):
    done = anamnesis(root, "show", "hello-uniform")
    assert done.returncode == 0, done.stderr
    card = json.loads((root / "models" / "hello-uniform" / "model.json").read_text())
    samples = json.loads((root / "predictions" / "hello-uniform" / "samples.json").read_text())
    assert "architecture: uniform" in done.stdout
    assert f"fingerprint: {card['fingerprint']}" in done.stdout
    assert "perplexity\t8\t8\n" in done.stdout
    assert samples[-1]["strategy"] in done.stdout
    assert samples[-1]["text"] in done.stdout


def test_show_of_what_is_not_trained_says_how_to_train_it(root):
    done = anamnesis(root, "show", "hello-ngram3")
    assert done.returncode == 0
    assert done.stdout.endswith("not trained yet: anamnesis repro hello-ngram3\n")


@pytest.mark.parametrize(
    "command", [["show", "hello-unifrm"], ["generate", "hello-unifrm"], ["score", "hello-unifrm", "a"]]
)
def test_misspelt_experiment_suggests_the_nearest(root, command):
    done = anamnesis(root, *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no experiment is named 'hello-unifrm'; did you mean 'hello-uniform'?\n"


def test_generate_before_training_says_what_to_do(root):
    done = anamnesis(root, "generate", "hello-ngram3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: hello-ngram3 is not trained yet: anamnesis repro hello-ngram3\n"


def test_generate_writes_what_the_library_does(root):
    from anamnesis.language import generation, saved

    model = saved.load(root / "models" / "hello-uniform")
    done = anamnesis(root / "data", "generate", "hello-uniform", "--length", "25", "--seed", "3", "--top-k", "4")
    assert done.returncode == 0, done.stderr
    # The prompt and the temperature are those of params.yaml.
    assert done.stdout == "he" + "".join(generation.generate(model, "he", 25, temperature=0.7, top_k=4, seed=3)) + "\n"
    greedy = anamnesis(root, "generate", "hello-uniform", "--greedy", "--prompt", "jell", "--length", "4")
    assert greedy.stdout == "jell" + "".join(generation.generate(model, "jell", 4, greedy=True)) + "\n"


def test_generate_refuses_what_contradicts_itself(root):
    both = anamnesis(root, "generate", "hello-uniform", "--greedy", "--top-k", "3")
    assert (both.returncode, both.stderr) == (
        2,
        "error: --greedy draws nothing: it goes without --temperature and --top-k\n",
    )
    cold = anamnesis(root, "generate", "hello-uniform", "--temperature", "0")
    assert cold.returncode == 2
    assert cold.stderr == "error: --temperature: found 0; allowed: above 0; --greedy is the limit at 0\n"


def test_generate_into_a_closed_pipe_ends_quietly(root):
    command = [sys.executable, "-m", "anamnesis.cli", "generate", "hello-uniform", "--length", "100000"]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.read(2) == "he"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) != 0


@pytest.mark.parametrize("by", ["arguments", "standard input"])
def test_score_is_the_closed_form_of_a_uniform_model(root, by):
    sentences = ["hello", "jello hello"]
    given = sentences if by == "arguments" else []
    done = anamnesis(root, "score", "hello-uniform", *given, stdin="" if given else "\n".join(["", *sentences, ""]))
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in done.stdout.split("\n\n")[0].splitlines()]
    assert header == ["log-probability", "perplexity", "tokens", "unknown", "sentence"]
    assert [row[4] for row in rows] == sentences
    for row in rows:
        assert float(row[1]) == pytest.approx(8, rel=1e-3)
        assert float(row[0]) == pytest.approx(-int(row[2]) * math.log(8), abs=2e-3)


def test_score_tells_the_surprise_of_each_word(root):
    done = anamnesis(root, "score", "hello-uniform", "hello", "jello hello")
    assert done.returncode == 0, done.stderr
    title, *lines = done.stdout.split("\n\n")[1].splitlines()
    assert title == "surprise of each word, in nats"
    # The uniform model is as surprised by each of eight characters. After a line end the first one counts as well, and
    # the space that ends a word belongs to it.
    letter = math.log(8)
    assert lines == [f"hello {5 * letter:.2f}", f"jello {6 * letter:.2f}\thello {5 * letter:.2f}"]


def test_score_by_token_spells_each_out(root):
    done = anamnesis(root, "score", "hello-uniform", "--tokens", "hel o")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()[-4:]]
    assert [row[0] for row in rows] == ['"e"', '"l"', '" "', '"o"']
    assert all(float(row[1]) == pytest.approx(math.log(8), abs=1e-3) for row in rows)


def test_score_of_nothing_is_one_line(root):
    done = anamnesis(root, "score", "hello-uniform", stdin="\n \n")
    assert (done.returncode, done.stderr) == (2, "error: no sentence: standard input holds no line with text\n")


def test_a_reference_is_looked_up_in_the_registry(root, monkeypatch, capsys):
    from anamnesis import numerics
    from anamnesis.tracking import registry

    asked = []
    monkeypatch.chdir(root / "data")
    monkeypatch.setattr(numerics, "pin", lambda: None)
    monkeypatch.setattr(registry, "resolve", lambda name: asked.append(name) or root / "models" / "hello-uniform")
    cli.score("language-hello@champion", ["hello"])
    cli.score("language-hello/3", ["hello"])
    assert asked == ["language-hello@champion", "language-hello/3"]
    assert capsys.readouterr().out.count("\thello\n") == 2


def test_promote_hands_force_and_reason_on(root, monkeypatch, capsys):
    from anamnesis.tracking import promotion

    monkeypatch.chdir(root)
    monkeypatch.setattr(promotion, "promote", lambda *arguments: arguments)
    cli.promote("language-hello")
    cli.promote("language-hello", True, " smaller ")
    assert capsys.readouterr().out == "('language-hello', False, None)\n('language-hello', True, 'smaller')\n"
    forced = anamnesis(root, "promote", "language-hello", "--force")
    assert (forced.returncode, forced.stderr) == (2, "error: --force needs --reason 'why'\n")


def test_sync_twice_adds_nothing(root, tmp_path):
    database = f"sqlite:///{tmp_path}/mlflow.db"
    first = anamnesis(root, "sync", MLFLOW_TRACKING_URI=database)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("runs in MLflow: 1 created")
    second = anamnesis(root, "sync", MLFLOW_TRACKING_URI=database)
    assert second.stdout.startswith("runs in MLflow: 0 created, 0 completed, 1 unchanged")


def test_repro_syncs_only_what_is_not_yet(root, monkeypatch, capsys):
    from anamnesis import repro
    from anamnesis.report import terminal
    from anamnesis.tracking import sync

    changed, calls = [True, False, False, False], []
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(repro, "run", lambda root, targets, jobs, console: changed.pop(0))
    monkeypatch.setattr(sync, "sync", lambda root: calls.append("sync"))
    monkeypatch.setattr(terminal, "print_leaderboard", lambda root: print("the leaderboard"))
    (root / "mlflow.db").touch()
    cli.repro(None, 1)
    cli.repro(None, 1)
    assert calls == ["sync"]
    (root / "mlflow.db").unlink()
    cli.repro(None, 1)
    (root / "mlflow.db").touch()
    files.write_text(root / "dvc.lock", "schema: '2.0'\n")
    cli.repro(None, 1)
    assert calls == ["sync"] * 3
    said = capsys.readouterr().out
    assert said.count("the leaderboard") == 4
    assert said.count("reports/index.html") == 4


def test_profile_makes_a_folder_for_which_every_command_works(root, tmp_path):
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "smoke.yaml").write_text("experiments: {hello-ngram3: {model: {order: 2}}}\n")
    (tmp_path / "profiles" / "wrong.yaml").write_text("corpora: {'*': {limt: 4}}\n")
    assert anamnesis(tmp_path, "--profile", "smoke", "list").stderr == (
        "error: profile smoke: its folder is not made yet: anamnesis profile smoke\n"
    )
    wrong = anamnesis(tmp_path, "profile", "wrong")
    assert wrong.returncode == 2
    assert "profiles/wrong.yaml over params.yaml: corpora.hello.limt" in wrong.stderr
    assert "did you mean 'smoke'?" in anamnesis(tmp_path, "profile", "smok").stderr
    # Even where the profile that is to be made is the one that is asked for.
    made = anamnesis(tmp_path, "profile", "smoke", ANAMNESIS_PROFILE="smoke").stdout
    assert made.splitlines()[0] == "profiles/smoke: wrote dvc.yaml, params.yaml"
    assert "make repro PROFILE=smoke" in made
    assert "up to date" in anamnesis(tmp_path, "profile", "smoke").stdout
    folder = tmp_path / "profiles" / "smoke"
    assert (tmp_path / "params.yaml").read_text() == PARAMS
    assert "project's own folder" in anamnesis(folder, "profile", "laptop").stdout
    listed = anamnesis(tmp_path, "profile").stdout.splitlines()[1:]
    assert [line.split("\t")[:2] for line in listed] == [
        ["laptop", "."],
        ["smoke", "profiles/smoke"],
        ["wrong", "profiles/wrong"],
    ]
    assert listed[1].endswith("ready: 2 experiments")

    asked = [
        anamnesis(tmp_path, "--profile", "smoke", "show", "hello-ngram3"),
        anamnesis(tmp_path / "data", "show", "hello-ngram3", ANAMNESIS_PROFILE="smoke"),
        anamnesis(folder, "show", "hello-ngram3"),
    ]
    assert all("order: 2" in done.stdout for done in asked)
    assert "\n\nnot trained yet: anamnesis --profile smoke repro hello-ngram3\n" in asked[0].stdout
    ours = anamnesis(folder, "--profile", "laptop", "show", "hello-ngram3")
    assert "order: 3" in ours.stdout
    # Its results are its own.
    assert "evaluated" in anamnesis(tmp_path, "list").stdout
    assert "evaluated" not in anamnesis(tmp_path, "--profile", "smoke", "list").stdout


# --- translate


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_pairs.make(tmp_path_factory.mktemp("pairs") / "toy")


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
    from anamnesis.translation import saved

    return {name: saved.load(pairs / "models" / name) for name in ("toy-nearest", "toy-seq2seq", "toy-attention")}


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


def test_translate_of_nothing_is_nothing(translate):
    assert translate(stdin=b"") == []
    assert translate("") == [""]


def test_translate_shows_the_n_best_with_scores(translate, library):
    texts = ["The cat sleeps.", "", "A dog"]
    found = library["toy-attention"].translate(texts, 4, 3)
    expected = [[f"{each.score:.4f}\t{clean(each.text)}" for each in best] for best in found]
    assert [len(best) for best in expected] == [3, 1, 3]
    assert translate("--n-best", "3", *texts) == [*expected[0], "", *expected[1], "", *expected[2]]
    # A floor has one translation, and no score.
    assert translate("--n-best", "3", "A dog sleeps.", model="toy-nearest") == ["\tEen hond slaapt."]


def test_translate_shows_attention_as_rows_of_weights(translate, library):
    texts = ["The cat sleeps.", "", "A dog"]
    blocks = "\n".join(translate("--attention", *texts)).split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == translate(*texts)
    for text, block in ((texts[0], blocks[0]), (texts[2], blocks[2])):
        header, *rows = [line.split("\t") for line in block.split("\n")[1:]]
        (best,) = library["toy-attention"].translate([text], 4)[0]
        source, attended = library["toy-attention"].attended(text, best)
        assert header == ["", *(token.strip() or "␣" for token in source)]
        assert len(rows) == len(best.tokens)
        for row, weights in zip(rows, attended.attention, strict=True):
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
        (["--beam", "101", "a"], 1, "beam: found 101; allowed: from 1 to 100"),
        (["--attention-file", "a.pdf", "a"], 2, "--attention-file: found 'a.pdf'; allowed: a name that ends with .png"),
        (["--attention-file", "a.png", "a", "b"], 2, "--attention-file: found 2 texts; allowed: one text, for one"),
        (["--attention-file", "a.png", "\x00"], 2, "--attention-file: found a text with nothing in it; allowed: one"),
        (["--attention-file", "params.yaml/a.png", "a"], 1, "--attention-file: {root}/params.yaml/a.png cannot be"),
        (["--attention", "a", "b" * 150], 1, "attention: text 2 or its translation has "),
        (["a", "word " * 10_000], 1, "text 2 has "),
        (["a", "b\udcff"], 1, "text 2: character 2 is not UTF-8"),
        (["--model", "toy-nearest", "--attention", "a"], 1, "toy-nearest has no attention to show"),
        (["--model", "toy-seq2seq", "--attention-file", "a.png", "a"], 1, "toy-seq2seq has no attention to show"),
        (["--model", "toy-attentive", "a"], 2, "no experiment is named 'toy-attentive'; did you mean 'toy-attention'?"),
    ],
)
def test_translate_refuses_in_one_line(translate, pairs, arguments, code, said):
    with pytest.raises(AnamnesisError) as error:
        translate(*arguments)
    found, line = refused(error)
    assert (found, line[: len(said.format(root=pairs))]) == (code, said.format(root=pairs))
    assert "\n" not in line
    assert not list(pairs.glob("*.png"))


def test_words_that_no_training_sentence_had_are_no_error(translate):
    assert len(translate("zxcv qwer", model="toy-seq2seq")) == 1


@pytest.mark.parametrize("command", ["translate", "score", "fill"])
def test_input_that_is_not_utf8_is_one_line(pairs, command):
    model = ["--model", "toy-attention"] if command == "translate" else ["toy-attention"]
    done = subprocess.run(
        [sys.executable, "-m", "anamnesis.cli", command, *model],
        cwd=pairs,
        input=b"The cat\n\nThe \xffdog\n",
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"error: standard input, line 3: found the byte 0xff; allowed: text in UTF-8\n"


def test_without_a_model_the_only_registered_champion_translates(translate, pairs, monkeypatch):
    from anamnesis.tracking import registry

    monkeypatch.setattr(registry, "only", lambda board: f"{board}-toy")
    resolved = {"translation-toy@champion": pairs / "models" / "toy-nearest"}
    monkeypatch.setattr(registry, "resolve", resolved.__getitem__)
    monkeypatch.chdir(pairs)
    done = CliRunner().invoke(cli.app, ["translate", "A dog sleeps."])
    assert done.stdout == "Een hond slaapt.\n"


def test_a_model_of_another_task_is_one_line(root, pairs, translate, monkeypatch):
    about = "`anamnesis list` shows what each experiment is about"
    with pytest.raises(AnamnesisError) as error:
        translate("a", model="hello-uniform", folder=root)
    assert refused(error) == (1, f"hello-uniform did not learn to translate; {about}")
    monkeypatch.chdir(pairs)
    for arguments, learned in (
        (["generate", "toy-attention"], "the next token"),
        (["score", "toy-attention", "a"], "the next token"),
        (["fill", "toy-nearest", "a ____ b"], "to fill blanks"),
    ):
        done = CliRunner().invoke(cli.app, arguments)
        assert str(done.exception) == f"{arguments[1]} did not learn {learned}; {about}"


def test_list_and_show_know_translations(pairs):
    _, *rows = [line.split("\t") for line in anamnesis(pairs, "list").stdout.splitlines()]
    metrics = json.loads((pairs / "metrics" / "toy-nearest.json").read_text())
    assert rows[1] == ["toy-nearest", "translation", "toy-words", "nearest", "evaluated", "bleu", "100"]
    assert metrics["test"]["bleu"] == pytest.approx(100)
    shown = anamnesis(pairs, "show", "toy-nearest").stdout
    assert "\n> A dog sleeps.\n= Een hond slaapt.\n< Een hond slaapt.\n" in shown
    assert "\nbleu\t100\t100\n" in shown
