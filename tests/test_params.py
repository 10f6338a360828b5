"""Each mistake in the settings is one line with the file, the key, the value and the allowed values."""

import copy
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anamnesis import models, params, profiles
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.yaml_file import read_yaml

ROOT = Path(__file__).parent.parent
CORPORA = """
corpora:
  hello: {reader: text, source: {kind: literal, text: hello, same: true}}
  pairs: {reader: pairs, source: {kind: package, files: [
    {package: a, file: a.whl, members: [{path: b, sha256: %s}]}]}}
""" % ("ab" * 32)
PARAMS = """
profile: laptop
tokens:
  hello-characters: {corpus: hello, kind: characters}
  hello-words: {corpus: hello, kind: words}
  pair-words: {corpus: pairs, kind: word-pairs}
  pair-pieces: {corpus: pairs, kind: subword-pairs, size: 300, shared: false}
experiments:
  hello-rnn:
    task: language
    tokens: hello-characters
    model: {architecture: rnn, layers: 1, hidden: 8}
    batches: {kind: streams, batch: 1}
    training: {epochs: 3, learning_rate: 0.1, schedule: {kind: decay, factor: 0.5, after: 1}}
  hello-uniform:
    task: language
    tokens: hello-characters
    model: {architecture: uniform}
"""
# The content of both files.
VALID = PARAMS + CORPORA
ABSENT = object()
RNN = "experiments.hello-rnn"
TUNED = "dependent.hello-tuned"
LANGUAGE = {"task": "language", "tokens": "hello-characters", "training": {"epochs": 1, "learning_rate": 0.1}}
DEPENDENT = LANGUAGE | {"needs": "models/hello-rnn", "model": {"architecture": "rnn", "layers": 1, "hidden": 8}}
CELL = LANGUAGE | {"needs": "cells/mgu.py", "model": {"architecture": "cell", "cell": "mgu:MGU", "hidden": 8}}
SEQ2SEQ = {"task": "translation", "tokens": "pair-pieces", "training": {"epochs": 1, "learning_rate": 0.1}}
OWN_TEXT = {"reader": "text", "source": {"kind": "file", "path": "mybook.txt"}}

# The key that is changed, its value, and the line, which names that key unless it begins with another one.
FAULTS: list[tuple[str, Any, str]] = [
    # Keys.
    (f"{RNN}.model.hiden", 3, "unknown key; did you mean 'hidden'?"),
    ("tokens.hello-characters.limit", 9, "unknown key; allowed: corpus, kind"),
    (f"{RNN}.model.hidden", ABSENT, "missing, it must be given"),
    # Types and ranges.
    (f"{RNN}.model.hidden", "big", "found 'big'; allowed: a whole number"),
    (f"{RNN}.tokens", 3, "found 3; allowed: text, in quotes where it looks like a number or a date"),
    (
        f"{RNN}.training.learning_rate",
        "1e-3",
        "found the text '1e-3'; allowed: a number, which YAML reads only with a point, as in 1.0e-3",
    ),
    (f"{RNN}.training.learning_rate", float("nan"), "found nan; allowed: a number that is not infinite"),
    (f"{RNN}.model.hidden", 0, "found 0; allowed: at least 1"),
    (f"{RNN}.model", None, "found null; allowed: a mapping"),
    (f"{RNN}.training.optimizer", "adm", "found 'adm'; allowed: 'adam' or 'sgd'"),
    ("corpora.pairs.source.files.0.members.0.sha256", "c", "found 'c'; allowed: text like ^[0-9a-f]{64}$"),
    # Keys that select what else is allowed.
    ("corpora.hello.reader", ABSENT, "missing, it must be given; allowed: chapters, digits, documents, pairs, "),
    (f"{RNN}.model.architecture", "lstn", "found 'lstn', did you mean 'lstm'?; allowed: cell, gru, irnn, lstm, "),
    # Keys that must agree.
    (f"{RNN}.training", ABSENT, f"{RNN}: a model with architecture rnn needs a `training` block"),
    (f"{RNN}.model", {"architecture": "uniform"}, f"{RNN}: architecture uniform is not trained by gradients"),
    ("corpora.hello.source", {"kind": "file", "path": "a", "train": "b"}, "either `path`, or `train` with"),
    # Names.
    ("experiments.Hello", DEPENDENT, "experiments: the name 'Hello' may hold lower-case letters, digits and single"),
    (f"{RNN}.tokens", "hello-character", "found 'hello-character', which no token store is named; did you mean"),
    # Token stores that a task, or corpora that a tokenizer, cannot read.
    (f"{RNN}.tokens", "pair-words", "found 'pair-words', sentence pairs; allowed: running text"),
    (
        "experiments.mine",
        SEQ2SEQ | {"model": {"architecture": "seq2seq", "hidden": 8, "tied": "all"}},
        "experiments.mine.model.tied: found all; the languages of 'pair-pieces' share no vocabulary; allowed: none",
    ),
    (
        "experiments.mine",
        {"task": "cloze", "tokens": "hello-characters", "model": {"architecture": "unigram"}},
        "experiments.mine.tokens: found 'hello-characters', tokens of kind characters; allowed: words",
    ),
    (
        "experiments.mine",
        {"task": "classification", "tokens": "hello-words", "model": {"architecture": "tfidf"}},
        "experiments.mine.tokens: found 'hello-words', running text; allowed: labelled documents, labelled passages",
    ),
    ("tokens.hello-words.kind", "word-pairs", "found 'word-pairs' for running text; allowed: characters, bigrams,"),
    ("tokens.pair-words.languages", ["nl", "en"], "found nl, en; the corpus has en, nl"),
    # Sections.
    (f"{RNN}.needs", "models/hello-uniform", "found 'models/hello-uniform'; such an entry belongs under `dependent`"),
    (TUNED, LANGUAGE | {"model": {"architecture": "rnn", "hidden": 8}}, f"{TUNED}.needs: missing, it must be given"),
    ("dependent", {"hello-rnn": DEPENDENT}, "dependent.hello-rnn: the section experiments has an experiment of this"),
    ("corpora.mybook", OWN_TEXT, "corpora.mybook.source.kind: found 'file', files of your own; such an entry belongs"),
    # A needed model or cell.
    (TUNED, DEPENDENT | {"needs": "models/hello-tuned"}, f"{TUNED}.needs: found 'models/hello-tuned', which stands"),
    (TUNED, DEPENDENT | {"needs": "models/hello-uniform"}, f"{TUNED}.needs: found 'models/hello-uniform'; allowed: a"),
    (TUNED, DEPENDENT | {"tokens": "hello-words"}, f"{TUNED}.tokens: found 'hello-words', another tokenizer than that"),
    (
        TUNED,
        DEPENDENT | {"model": {"architecture": "rnn", "hidden": 9}},
        f"{TUNED}.model: found another network than that of models/hello-rnn; allowed: the same block",
    ),
    (
        TUNED,
        {"task": "memory", "tokens": "hello-characters", "needs": "models/hello-rnn", "model": {"architecture": "gru"}},
        f"{TUNED}.needs: found 'models/hello-rnn'; task memory begins with no other model; allowed: cells/FILE.py",
    ),
    (TUNED, CELL | {"needs": "cells/mgr.py"}, f"{TUNED}.needs: found 'cells/mgr.py'; allowed: cells/mgu.py, the file"),
    (TUNED, DEPENDENT | {"needs": "cells/mgu.py"}, f"{TUNED}.needs: found 'cells/mgu.py'; allowed: models/EXPERIMENT"),
]


def changed(key: str, value: object) -> dict[str, Any]:
    """The valid content with one key set, or removed."""
    content = yaml.safe_load(VALID) | {"dependent": {}}
    node = content
    *path, last = [int(part) if part.isdecimal() else part for part in key.split(".")]
    for part in path:
        node = node[part]
    if value is ABSENT:
        del node[last]
    else:
        node[last] = value
    return content


@pytest.mark.parametrize(("key", "value", "line"), FAULTS)
def test_one_line_names_key_found_and_allowed(key, value, line):
    with pytest.raises(ParamsError) as caught:
        params.check(changed(key, value))
    file = "corpora.yaml" if key.startswith(("corpora", "own_corpora")) else "params.yaml"
    named = re.match(r"[A-Za-z_]+(\.[\w-]+)*: ", line) and line.startswith(key.partition(".")[0])
    assert str(caught.value).startswith(f"{file}: {line if named else f'{key}: {line}'}")


def keys_of(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*path, key)
        yield from keys_of(inner, (*path, key))


@cache
def project_settings() -> dict[str, Any]:
    # Through JSON, so that no two keys share one value.
    return dict(json.loads(json.dumps(params.read(ROOT / "params.yaml"))))


def test_an_impossible_value_of_any_key_is_found_under_that_key():
    """For each key of each kind of entry in the project's settings, with only that entry in its section."""
    content, seen = project_settings(), set()
    for section in ("corpora", "tokens", "experiments"):
        for name, entry in content[section].items():
            for path in keys_of(entry):
                kind = (section, entry.get("task"), str(entry.get("model", {}).get("architecture")), path)
                if kind in seen:
                    continue
                seen.add(kind)
                changed_entry = copy.deepcopy(entry)
                node = changed_entry
                for key in path[:-1]:
                    node = node[key]
                node[path[-1]] = object()
                alone = {key: {} for key in ("corpora", "tokens", "experiments")} | {"profile": "laptop"}
                key = ".".join(map(str, (section, name, *path)))
                with pytest.raises(ParamsError, match=rf"yaml: {re.escape(key)}: found "):
                    params.check(alone | {section: {name: changed_entry}})
    assert len(seen) > 500


def test_the_sections_are_one_list_of_experiments_and_own_corpora_are_corpora():
    content = yaml.safe_load(VALID) | {"dependent": {"hello-tuned": DEPENDENT, "hello-mgu": CELL}}
    content["own_corpora"] = {"mybook": OWN_TEXT}
    content["tokens"]["mybook-words"] = {"corpus": "mybook", "kind": "words"}
    checked = params.check(content)
    assert list(checked.experiments) == ["hello-rnn", "hello-uniform", "hello-tuned", "hello-mgu"]
    assert list(checked.corpora) == ["hello", "pairs", "mybook"]
    texts = params.dump(content)
    assert list(yaml.safe_load(texts["corpora.yaml"])) == ["corpora", "own_corpora"]
    assert "own_corpora" not in yaml.safe_load(texts["params.yaml"])


UNREADABLE = {
    "absent": (None, "there is no such file; run this in the project's folder"),
    "not UTF-8": (b"# caf\xe9\n", "not valid YAML"),
    "an object": ("tokens: !!python/object/apply:os.system [true]\n", "not valid YAML"),
    "5,000 figures": (f"tokens: {'9' * 5000}\n", "not valid YAML: Exceeds the limit"),
    "3,000 brackets": (f"tokens: {'[' * 3000}{']' * 3000}", "not valid YAML: brackets or blocks are nested too deeply"),
    "an alias in itself": ("tokens: &a\n  b: [*a]\n", "the value that starts in line 1 holds an alias of itself"),
    "ever more aliases": (
        "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 10)}]\n" if i else "k0: &k0 [x]\n" for i in range(9)),
        "more than 1,000,000 values once aliases are followed",
    ),
    "empty": ("", "found nothing; allowed: a mapping with profile, tokens, experiments, dependent"),
    "a key twice": (PARAMS.replace("epochs: 3", "epochs: 3, epochs: 4"), "the key 'epochs' is given twice, in line 14"),
    "a name that is a number": (PARAMS + "  7: {}\n", "experiments.7: found the name 7; allowed: text, in quotes"),
    "a block of corpora.yaml": (VALID, "corpora: this block belongs in corpora.yaml, beside this file; move it there"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path, content, message):
    (tmp_path / "corpora.yaml").write_text(CORPORA)
    if content is not None:
        (tmp_path / "params.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ParamsError) as caught:
        params.load(tmp_path / "params.yaml")
    assert str(caught.value).startswith(f"{tmp_path / 'params.yaml'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_merged_keys_may_be_overridden_and_merged_again(tmp_path):
    (tmp_path / "a.yaml").write_text("y: &y {k: 0, l: 0}\na: {<<: &x {<<: *y, k: 1}, m: 2}\nb: *x\nc: {<<: *x, k: 3}\n")
    assert read_yaml(tmp_path / "a.yaml") == {
        "y": {"k": 0, "l": 0},
        "a": {"k": 1, "l": 0, "m": 2},
        "b": {"k": 1, "l": 0},
        "c": {"k": 3, "l": 0},
    }


ODD_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary(max_size=4)
    | st.text(max_size=12)
    | st.sampled_from(["lstm", "language", "../x", "sherlock-lstm", "a/{b", "(", "0" * 64, "*", "\x1b[2J", "a\nb"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3),
    max_leaves=4,
)


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_settings_with_an_odd_value_anywhere_are_valid_or_refused_in_one_line(data):
    content = copy.deepcopy(data.draw(st.sampled_from([project_settings(), yaml.safe_load(VALID)])))
    for _ in range(data.draw(st.integers(1, 3))):
        node, path = content, []
        while isinstance(node, dict | list) and node and (not path or data.draw(st.integers(0, 3))):
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            path.append((node, data.draw(st.sampled_from(keys))))
            node = node[path[-1][1]]
        parent, key = path[-1]
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                parent[key] = data.draw(ODD_VALUES)
            case "remove":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[data.draw(st.text(max_size=8) | st.integers())] = data.draw(ODD_VALUES)
    overlay = data.draw(st.dictionaries(st.sampled_from(["*", "repeat", "experiments", "tokens", "x"]), ODD_VALUES))
    for check in (params.check, lambda content: params.check(params.apply_profile(content, overlay))):
        assert len(refusal(lambda check=check: check(content)).splitlines()) <= 1


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_damaged_yaml_is_read_or_refused_in_one_line(tmp_path_factory, data):
    text = VALID.encode()
    place = data.draw(st.integers(0, len(text)))
    marks = [b"&a ", b"*a", b"<<: ", b"? ", b"!!", b"- ", b"[", b"{", b"|\n", b"2001-99-99"]
    piece = data.draw(st.binary(max_size=6) | st.sampled_from(marks))
    path = tmp_path_factory.mktemp("yaml") / "damaged.yaml"
    path.write_bytes(text[:place] + piece + text[place + data.draw(st.integers(0, 8)) :])
    assert len(refusal(lambda: read_yaml(path)).splitlines()) <= 1


def refusal(check: Callable[[], object]) -> str:
    """The line with which the settings are refused; empty where they are valid."""
    try:
        check()
    except ParamsError as error:
        return str(error)
    return ""


def test_the_entries_for_a_text_of_ones_own_are_valid_beside_the_projects_own():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Your own text\n")[2].partition("\n## ")[0]
    content = copy.deepcopy(project_settings())
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", section, re.S | re.M):
        for key, entries in yaml.safe_load(block).items():
            content.setdefault(key, {}).update(entries)
    assert params.check(content).experiments["mybook-lstm"].needed_model == "sherlock-lstm"


def test_the_commented_experiment_with_an_own_cell_is_valid_without_its_comment_marks(tmp_path):
    shutil.copy(ROOT / "corpora.yaml", tmp_path)
    head, mark, example = (ROOT / "params.yaml").read_text(encoding="utf-8").partition("  # sherlock-mgu:\n")
    lines = (mark + example).splitlines()
    assert all(line.startswith("  # ") for line in lines)
    (tmp_path / "params.yaml").write_text(head + "\n".join(f"  {line[4:]}" for line in lines), encoding="utf-8")
    assert "sherlock-mgu" in params.load(tmp_path / "params.yaml").dependent


def test_exit_code_is_2_and_nothing_else_is_said(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS.replace("hidden: 8", "hidden: -8"))
    (tmp_path / "corpora.yaml").write_text(CORPORA)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for command in (["-m", "anamnesis.cli", "list"], ["-P", str(ROOT / "pipelines" / "fetch.py"), "hello"]):
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith("params.yaml: experiments.hello-rnn.model.hidden: found -8; allowed: at least 1\n")
        assert len(done.stderr.splitlines()) == 1


def test_a_profile_merges_into_every_entry_that_fits():
    content = yaml.safe_load(VALID)
    content["experiments"]["hello-memory"] = {"task": "memory", "training": {"batch": 2}}
    before = copy.deepcopy(content)
    overlay = {
        "corpora": {"*": {"limit": 9}, "hello": {"limit": 5}},
        "experiments": {
            "*": {"training": {"epochs": 1}, "trainer": {"accelerator": "auto"}, "seed": 4},
            "hello-rnn": {"training": {"clip_norm": None}},
            "hello-uniform": {"sampling": {"length": 3}},
            "hello-gru": {"task": "language"},
        },
    }
    after = params.apply_profile(content, overlay)
    assert content == before
    assert after["corpora"]["hello"]["limit"] == 5
    rnn, uniform = after["experiments"]["hello-rnn"], after["experiments"]["hello-uniform"]
    assert rnn["training"] == before["experiments"]["hello-rnn"]["training"] | {"epochs": 1, "clip_norm": None}
    assert (rnn["seed"], uniform["seed"], rnn["trainer"]) == (4, 4, {"accelerator": "auto"})
    # A baseline stays one, and only what is named may add a block.
    assert {"training", "trainer"}.isdisjoint(uniform)
    assert uniform["sampling"] == {"length": 3}
    assert after["experiments"]["hello-gru"] == {"task": "language"}
    assert after["tokens"] == before["tokens"]


def test_a_profile_repeats_an_experiment_with_other_seeds():
    content = yaml.safe_load(VALID) | {"dependent": {"hello-mine": {"seed": 7}}}
    overlay = {"repeat": {"hello-rnn": 3, "hello-mine": 2}, "experiments": {"hello-rnn": {"training": {"epochs": 9}}}}
    after = params.apply_profile(content, overlay)
    assert "repeat" not in after
    assert list(after["experiments"]) == ["hello-rnn", "hello-rnn-seed2", "hello-rnn-seed3", "hello-uniform"]
    first = after["experiments"]["hello-rnn"]
    assert first["training"]["epochs"] == 9
    assert [after["experiments"][f"hello-rnn-seed{run}"] for run in (2, 3)] == [first | {"seed": run} for run in (2, 3)]
    assert after["dependent"] == {"hello-mine": {"seed": 7}, "hello-mine-seed2": {"seed": 8}}


@pytest.mark.parametrize(
    ("repeat", "line"),
    [
        ({"hello-rn": 3}, "repeat.hello-rn: no experiment is named 'hello-rn'; did you mean 'hello-rnn'?"),
        ({"hello-rnn": 1}, "repeat.hello-rnn: found 1; allowed: a whole number, at least 2"),
        ({"taken": 2}, "repeat.taken: there is already an experiment 'taken-seed2'"),
    ],
)
def test_a_wrong_repeat_is_one_line(repeat, line):
    content = yaml.safe_load(VALID) | {"dependent": {"taken-seed2": {}}}
    content["experiments"] |= {"taken": {}, "odd": {"seed": "x"}}
    with pytest.raises(ParamsError) as caught:
        params.apply_profile(content, {"repeat": repeat})
    assert str(caught.value) == line


def test_dumped_settings_are_read_back_without_anchors(tmp_path):
    content = yaml.safe_load("a: &x {p: 'It was ', q: [1.0e-05, null, true]}\nb: *x\ncorpora: {d: *x}\nc: '三國: {'\n")
    for before in (content, project_settings()):
        for name, text in params.dump(before).items():
            assert "*id" not in text
            (tmp_path / name).write_text(text, encoding="utf-8")
        assert params.read(tmp_path / "params.yaml") == before


@pytest.mark.parametrize("profile", ["laptop", "seed"])
def test_a_model_s_card_holds_all_settings_of_its_experiment(profile):
    content = project_settings() if profile == "laptop" else profiles.merge(ROOT, profile)
    for name, experiment in params.check(content).experiments.items():
        card = models.new_card(name, experiment, {"corpus": "hello"}, 1234, None, "inputs")
        if experiment.task == "memory":
            card["allowed_parameters"] = experiment.parameters
        checked = params.experiment_of(json.loads(json.dumps({"format": 1, **card, "labels": ["a"]})))
        assert type(checked) is type(experiment)
        assert checked.model_dump(mode="json") == experiment.model_dump(mode="json")


def test_a_card_without_valid_settings_is_one_line():
    experiment = params.check(yaml.safe_load(VALID)).experiments["hello-rnn"]
    card = models.new_card("hello-rnn", experiment, {"corpus": "hello"}, 1234, None, "inputs")
    with pytest.raises(AnamnesisError) as caught:
        params.experiment_of(card | {"model": {"architecture": "rnn", "hidden": "8"}})
    message = "models/hello-rnn/model.json: model.hidden: found '8'; allowed: a whole number"
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("; run `anamnesis repro` to make it again")


def test_the_reference_is_up_to_date():
    """docs/params.md is what the script writes from the schema."""
    script = runpy.run_path(str(ROOT / "scripts" / "params_reference.py"))
    written = (ROOT / "docs" / "params.md").read_text(encoding="utf-8")
    assert written == script["reference"](), "run: python scripts/params_reference.py > docs/params.md"
    assert "| `hidden` | whole number >= 1, <= 65536 |" in written
