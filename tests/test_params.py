"""Whatever is wrong with the settings is one line that names the file, the key, what was found and what is allowed."""

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anamnesis import models as saved
from anamnesis import params
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.yaml_file import read_yaml

CORPORA = """
corpora:
  hello: {reader: text, source: {kind: literal, text: hello, same: true}}
"""
PARAMS = """
profile: laptop
tokens:
  hello-characters: {corpus: hello, kind: characters}
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
ARCHITECTURES = "uniform, ngram, rnn, rnn-relu, irnn, gru, lstm, lstm-gates, scrn, cell"

FAULTS = {
    "unknown key": (f"{RNN}.model.hiden", 3, f"{RNN}.model.hiden: unknown key; did you mean 'hidden'?"),
    "unknown section": ("experiment", {}, "experiment: unknown key; did you mean 'experiments'?"),
    "unknown key, none near": (
        "tokens.hello-characters.limit",
        9,
        "tokens.hello-characters.limit: unknown key; allowed: corpus, kind",
    ),
    "key of another union member": (
        f"{RNN}.batches.length",
        3,
        f"{RNN}.batches.length: unknown key; allowed: batch, kind, steps, truncate",
    ),
    "missing": (f"{RNN}.model.hidden", ABSENT, f"{RNN}.model.hidden: missing, it must be given"),
    "missing section": ("corpora", ABSENT, "corpora: missing, it must be given"),
    "text for a number": (f"{RNN}.model.hidden", "big", f"{RNN}.model.hidden: found 'big'; allowed: a whole number"),
    "fraction for a count": (f"{RNN}.model.hidden", 1.5, f"{RNN}.model.hidden: found 1.5; allowed: a whole number"),
    "true for a count": (f"{RNN}.training.epochs", True, f"{RNN}.training.epochs: found true; allowed: a whole number"),
    "text for a boolean": (f"{RNN}.model.tied", "yes", f"{RNN}.model.tied: found 'yes'; allowed: true or false"),
    "number for a text": (
        f"{RNN}.tokens",
        3,
        f"{RNN}.tokens: found 3; allowed: text, in quotes where it looks like a number or a date",
    ),
    "exponent without a point": (
        f"{RNN}.training.learning_rate",
        "1e-3",
        f"{RNN}.training.learning_rate: found the text '1e-3'; "
        "allowed: a number, which YAML reads only with a point, as in 1.0e-3",
    ),
    "not a number": (
        f"{RNN}.training.learning_rate",
        float("nan"),
        f"{RNN}.training.learning_rate: found nan; allowed: a number that is not infinite",
    ),
    "too small": (f"{RNN}.model.hidden", 0, f"{RNN}.model.hidden: found 0; allowed: at least 1"),
    "at the open end": (f"{RNN}.model.dropout", 1.0, f"{RNN}.model.dropout: found 1.0; allowed: below 1.0"),
    "null for a mapping": (f"{RNN}.model", None, f"{RNN}.model: found null; allowed: a mapping"),
    "list for a mapping": ("corpora.hello", [], "corpora.hello: found a list; allowed: a mapping"),
    "wrong choice": (
        f"{RNN}.training.optimizer",
        "adm",
        f"{RNN}.training.optimizer: found 'adm'; allowed: 'adam' or 'sgd'",
    ),
    "wrong tag": (
        f"{RNN}.model.architecture",
        "lstn",
        f"{RNN}.model.architecture: found 'lstn', did you mean 'lstm'?; allowed: {ARCHITECTURES}",
    ),
    "missing tag": (
        f"{RNN}.model.architecture",
        ABSENT,
        f"{RNN}.model.architecture: missing, it must be given; allowed: {ARCHITECTURES}",
    ),
    "wrong tag of a default": (
        f"{RNN}.training.schedule.kind",
        "linear",
        f"{RNN}.training.schedule.kind: found 'linear'; allowed: constant, plateau, decay, cosine",
    ),
    "inside a union inside a union": (
        f"{RNN}.training.schedule.factor",
        2,
        f"{RNN}.training.schedule.factor: found 2; allowed: below 1.0",
    ),
    "two keys that do not agree": (
        f"{RNN}.training",
        ABSENT,
        f"{RNN}: a model with architecture rnn needs a `training` block",
    ),
    "keys of a union's member that do not agree": (
        "corpora.hello.source",
        {"kind": "file", "path": "a", "train": "b"},
        "corpora.hello.source: either `path`, or `train` with `valid` and `test`, not both",
    ),
    "inside a list": (
        "corpora.hello.source",
        {"kind": "package", "files": [{"package": "a", "file": "a.whl", "members": [{"path": "b", "sha256": "c"}]}]},
        "corpora.hello.source.files.0.members.0.sha256: found 'c'; allowed: text like ^[0-9a-f]{64}$",
    ),
    "dangling token store": (
        f"{RNN}.tokens",
        "hello-character",
        f"{RNN}.tokens: found 'hello-character', which no token store is named; did you mean 'hello-characters'?",
    ),
    "dangling corpus": (
        "tokens.hello-characters.corpus",
        "moby",
        "tokens.hello-characters.corpus: found 'moby', which no corpus is named; allowed: hello",
    ),
    "context that never fades": (
        f"{RNN}.model",
        {"architecture": "scrn", "hidden": 8, "context": 4, "alpha": 1.0},
        f"{RNN}.model.alpha: found 1.0; allowed: below 1.0",
    ),
    "context that grows from nothing": (
        f"{RNN}.model",
        {"architecture": "scrn", "hidden": 8, "context": 4, "alpha": -0.1},
        f"{RNN}.model.alpha: found -0.1; allowed: at least 0.0",
    ),
    "reading what is predicted": (
        f"{RNN}.model.bidirectional",
        True,
        f"{RNN}.model: bidirectional: a next-token model may not read what it predicts; both sides need "
        "objective: cloze",
    ),
    "a lag of nothing": (
        "experiments.hello-memory",
        {
            "task": "memory",
            "tokens": "hello-characters",
            "model": {"architecture": "gru"},
            "recall": {"lags": [0, 5]},
        },
        "experiments.hello-memory.recall: lags: found 0; allowed: at least 2 steps",
    ),
    "unknown task": (
        f"{RNN}.task",
        "languge",
        f"{RNN}.task: found 'languge', did you mean 'language'?; "
        "allowed: language, memory, translation, classification, captioning, forecasting",
    ),
    "unknown objective": (
        f"{RNN}.objective",
        "next",
        f"{RNN}.objective: found 'next'; allowed: next-token, cloze, word-number, passage",
    ),
    "no task": (
        f"{RNN}.task",
        ABSENT,
        f"{RNN}.task: missing, it must be given; "
        "allowed: language, memory, translation, classification, captioning, forecasting",
    ),
    "words that are characters": (
        "experiments.hello-numbers",
        {
            "task": "language",
            "objective": "word-number",
            "tokens": "hello-characters",
            "model": {"architecture": "mean", "window": 2},
        },
        "experiments.hello-numbers.tokens: found 'hello-characters', tokens of kind characters; allowed: words",
    ),
    "text without labels": (
        "experiments.hello-author",
        {
            "task": "language",
            "objective": "passage",
            "tokens": "hello-characters",
            "model": {"architecture": "histogram"},
            "training": {"epochs": 1, "learning_rate": 0.1},
        },
        "experiments.hello-author.tokens: found 'hello-characters', running text; "
        "allowed: labelled passages, labelled documents",
    ),
    "a start in the wrong section": (
        f"{RNN}.start",
        "hello-uniform",
        f"{RNN}.start: found 'hello-uniform'; an entry that starts from another belongs under `derived`",
    ),
    "a start without a network": (
        "experiments.hello-uniform.start",
        "hello-rnn",
        "experiments.hello-uniform: architecture uniform starts from nothing: remove `start`",
    ),
    "an own cell in the wrong section": (
        f"{RNN}.model",
        {"architecture": "cell", "cell": "mgu:MGU", "hidden": 8},
        f"{RNN}.model.architecture: found 'cell', a layer of your own; such an entry belongs under `own`",
    ),
    "an own cell without a class": (
        f"{RNN}.model",
        {"architecture": "cell", "cell": "mgu.py", "hidden": 8},
        f"{RNN}.model.cell: found 'mgu.py'; allowed: text like ^[a-z_][a-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*$",
    ),
    "noise without a state": (
        "experiments.hello-uniform.sampling",
        {"noise": 0.01},
        "experiments.hello-uniform: architecture uniform has no state: remove sampling.noise",
    ),
    "bad name": (
        "experiments.Hello",
        {"task": "language", "tokens": "hello-characters", "model": {"architecture": "uniform"}},
        "experiments: the name 'Hello' may hold lower-case letters, digits and single hyphens only",
    ),
}


DERIVED = {
    "task": "language",
    "tokens": "hello-characters",
    "start": "hello-rnn",
    "model": {"architecture": "rnn", "layers": 1, "hidden": 8},
    "training": {"epochs": 1, "learning_rate": 0.1},
}
MISPLACED = {
    "no start": ({"start": None}, "start: missing, it must be given; without it the entry belongs under `experiments`"),
    "no such start": ({"start": "hello-rn"}, "start: found 'hello-rn', which no entry of `experiments` is named"),
    "itself": ({"start": "hello-tuned"}, "start: found 'hello-tuned', the experiment itself"),
    "a chain": ({"start": "hello-again"}, "start: found 'hello-again', which starts from another experiment itself"),
    "nothing recurrent": ({"start": "hello-uniform"}, "start: found 'hello-uniform'; allowed: a recurrent"),
    "another tokenizer": (
        {"tokens": "hello-words"},
        "tokens: found 'hello-words', a fine-tune from an experiment with another tokenizer: hello-rnn reads "
        "characters, this store holds words",
    ),
    "another network": (
        {"model": {"architecture": "rnn", "hidden": 9}},
        "model: found another model than that of hello-rnn, whose weights it starts with",
    ),
}


@pytest.mark.parametrize(("change", "line"), MISPLACED.values(), ids=MISPLACED)
def test_what_cannot_be_started_from_is_one_line(change, line):
    content = yaml.safe_load(VALID)
    content["tokens"]["hello-words"] = {"corpus": "hello", "kind": "words"}
    content["derived"] = {"hello-tuned": DERIVED | change, "hello-again": DERIVED}
    with pytest.raises(ParamsError) as caught:
        params.check(content)
    assert str(caught.value).startswith(f"params.yaml: derived.hello-tuned.{line}")


OWN_TEXT = {"reader": "text", "source": {"kind": "file", "path": "mybook.txt"}}
OWN_CORPORA = {
    "a path from the project's folder on": (
        {"own_corpora": {"mybook": OWN_TEXT | {"source": {"kind": "file", "path": "data/own/mybook/mybook.txt"}}}},
        "own_corpora.mybook.source.path: found 'data/own/mybook/mybook.txt'; allowed: a path from the corpus's own "
        "folder on, data/own/CORPUS, such as mybook.txt",
    ),
    "a path outside the folder": (
        {"own_corpora": {"mybook": OWN_TEXT | {"source": {"kind": "file", "train": "../other/x.txt"}}}},
        "own_corpora.mybook.source.train: found '../other/x.txt'; allowed: a path from the corpus's own folder on, "
        "data/own/CORPUS, such as mybook.txt",
    ),
    "an absolute path": (
        {"own_corpora": {"mybook": OWN_TEXT | {"source": {"kind": "file", "path": "/x.txt"}}}},
        "own_corpora.mybook.source.path: found '/x.txt'; allowed: a path from the corpus's own folder on, "
        "data/own/CORPUS, such as mybook.txt",
    ),
    "own files among the others": (
        {"corpora": {"mybook": OWN_TEXT}},
        "corpora.mybook.source.kind: found 'file', files of your own; such an entry belongs under `own_corpora`",
    ),
    "others among own files": (
        {"own_corpora": {"mybook": {"reader": "text", "source": {"kind": "literal", "text": "hello"}}}},
        "own_corpora.mybook.source.kind: found 'literal'; under `own_corpora`, allowed: file",
    ),
    "the same name in both": (
        {"own_corpora": {"hello": OWN_TEXT}},
        "own_corpora.hello: the section corpora has a corpus of this name",
    ),
    "nothing below the heading": ({"own_corpora": None}, "own_corpora: found null; allowed: a mapping"),
    "a name with a dot": (
        {"own_corpora": {"my.book": OWN_TEXT}},
        "own_corpora: the name 'my.book' may hold lower-case letters, digits and single hyphens only",
    ),
}


@pytest.mark.parametrize(("more", "line"), OWN_CORPORA.values(), ids=OWN_CORPORA)
def test_an_own_corpus_in_the_wrong_place_is_one_line(more, line):
    content = yaml.safe_load(VALID)
    for section, entries in more.items():
        content[section] = {**content.get(section, {}), **entries} if entries else entries
    with pytest.raises(ParamsError) as caught:
        params.check(content)
    assert str(caught.value) == f"corpora.yaml: {line}"


def test_own_corpora_are_corpora_like_the_others():
    content = yaml.safe_load(VALID)
    content["own_corpora"] = {"mybook": OWN_TEXT}
    content["tokens"]["mybook-words"] = {"corpus": "mybook", "kind": "words"}
    settings = params.check(content)
    assert list(settings.corpora) == [*content["corpora"], "mybook"]
    assert settings.tokens["mybook-words"].corpus == "mybook"
    texts = params.dump(content)
    assert list(yaml.safe_load(texts["corpora.yaml"])) == ["corpora", "own_corpora"]
    assert "own_corpora" not in yaml.safe_load(texts["params.yaml"])


TRANSLATION = {
    "own_corpora": {"pairs": {"reader": "pairs", "source": {"kind": "file", "path": "pairs.txt"}}},
    "tokens": {
        "pair-words": {"corpus": "pairs", "kind": "word-pairs"},
        "pair-pieces": {"corpus": "pairs", "kind": "subword-pairs", "size": 300},
        "pair-apart": {"corpus": "pairs", "kind": "subword-pairs", "size": 300, "shared": False},
    },
}
FLOOR = {"task": "translation", "tokens": "pair-words", "model": {"architecture": "copy"}}
NETWORK = {
    "task": "translation",
    "tokens": "pair-pieces",
    "model": {"architecture": "seq2seq", "hidden": 8},
    "training": {"epochs": 1, "learning_rate": 0.1},
}
TIED = {"architecture": "seq2seq", "hidden": 8, "tied": "all"}
PAIRED = {
    "a translation of text": (
        "experiments.mine",
        FLOOR | {"tokens": "hello-characters"},
        "experiments.mine.tokens: found 'hello-characters', running text; allowed: sentence pairs",
    ),
    "a language model of pairs": (
        f"{RNN}.tokens",
        "pair-words",
        f"{RNN}.tokens: found 'pair-words', sentence pairs; allowed: running text",
    ),
    "a memory probe of pairs": (
        "experiments.mine",
        {"task": "memory", "tokens": "pair-pieces", "model": {"architecture": "gru"}},
        "experiments.mine.tokens: found 'pair-pieces', sentence pairs; allowed: running text",
    ),
    "passages of pairs": (
        "experiments.mine",
        {
            "task": "language",
            "objective": "passage",
            "tokens": "pair-words",
            "model": {"architecture": "histogram"},
            "training": {"epochs": 1, "learning_rate": 0.1},
        },
        "experiments.mine.tokens: found 'pair-words', sentence pairs; allowed: labelled passages, labelled documents",
    ),
    "one embedding of two vocabularies": (
        "experiments.mine",
        NETWORK | {"tokens": "pair-apart", "model": TIED},
        "experiments.mine.model.tied: found all; the languages of 'pair-apart' share no vocabulary; "
        "allowed: none, output",
    ),
    "one embedding of words": (
        "experiments.mine",
        NETWORK | {"tokens": "pair-words", "model": TIED},
        "experiments.mine.model.tied: found all; the languages of 'pair-words' share no vocabulary; "
        "allowed: none, output",
    ),
    "a network without training": (
        "experiments.mine",
        FLOOR | {"model": NETWORK["model"]},
        "experiments.mine: a model with architecture seq2seq needs a `training` block",
    ),
    "a floor with training": (
        "experiments.mine",
        NETWORK | {"model": FLOOR["model"]},
        "experiments.mine: architecture copy is not trained by gradients: remove `training`",
    ),
    "attention where there is none": (
        "experiments.mine",
        NETWORK | {"model": NETWORK["model"] | {"attention": "additive"}},
        "experiments.mine.model.attention: unknown key; allowed: architecture, cell, dropout, embedding, hidden, "
        "label_smoothing, layers, reverse, tied",
    ),
    "another attention": (
        "experiments.mine",
        NETWORK | {"model": {"architecture": "attention", "hidden": 8, "attention": "aditive"}},
        "experiments.mine.model.attention: found 'aditive'; allowed: 'additive' or 'multiplicative'",
    ),
    "another architecture": (
        "experiments.mine",
        NETWORK | {"model": {"architecture": "seqseq", "hidden": 8}},
        "experiments.mine.model.architecture: found 'seqseq', did you mean 'seq2seq'?; "
        "allowed: copy, nearest, seq2seq, attention",
    ),
    "pairs as text": (
        "tokens.pair-words",
        {"corpus": "pairs", "kind": "words"},
        "tokens.pair-words.kind: found 'words' for sentence pairs; allowed: word-pairs, subword-pairs",
    ),
    "text as pairs": (
        "tokens.hello-characters",
        {"corpus": "hello", "kind": "word-pairs"},
        "tokens.hello-characters.kind: found 'word-pairs' for running text; "
        "allowed: characters, bigrams, words, subwords",
    ),
    "other languages": (
        "tokens.pair-words.languages",
        ["nl", "en"],
        "tokens.pair-words.languages: found nl, en; the corpus has en, nl",
    ),
}


@pytest.mark.parametrize(("key", "value", "line"), PAIRED.values(), ids=PAIRED)
def test_pairs_and_text_are_not_mistaken_for_each_other(key, value, line):
    with pytest.raises(ParamsError) as caught:
        params.check(changed(key, value, paired()))
    assert str(caught.value) == f"params.yaml: {line}"


def test_a_translation_stands_among_the_experiments():
    content = changed("experiments.mine", FLOOR, paired())
    content["experiments"]["shared"] = NETWORK | {"model": TIED}
    found = params.check(content).experiments
    assert (found["mine"].model.architecture, found["shared"].model.tied) == ("copy", "all")
    assert (found["shared"].task, found["shared"].search.beam) == ("translation", 5)


def paired() -> dict:
    """The valid content with a corpus of pairs and its token stores."""
    content = yaml.safe_load(VALID)
    for section, entries in TRANSLATION.items():
        content[section] = content.get(section, {}) | copy.deepcopy(entries)
    return content


def test_the_sections_are_one_list_of_experiments():
    content = yaml.safe_load(VALID)
    cell = {"architecture": "cell", "cell": "mgu:MGU", "hidden": 8}
    own = {key: value for key, value in DERIVED.items() if key != "start"} | {"model": cell}
    content |= {"derived": {"hello-tuned": DERIVED}, "own": {"hello-mgu": own}}
    found = params.check(content)
    assert list(found.experiments) == ["hello-rnn", "hello-uniform", "hello-tuned", "hello-mgu"]
    assert found.experiments["hello-mgu"].objective == "next-token"
    content["own"]["hello-tuned"] = own
    with pytest.raises(ParamsError, match=r"own\.hello-tuned: another section has an experiment of this name"):
        params.check(content)
    content["own"] = {"hello-mgu": own | {"model": DERIVED["model"]}}
    with pytest.raises(
        ParamsError, match=r"own\.hello-mgu\.model\.architecture: found 'rnn'; under `own`, allowed: cell"
    ):
        params.check(content)


def changed(key: str, value: object, content: dict | None = None) -> dict:
    """The valid content, or another, with one key set, or taken out."""
    content = content or yaml.safe_load(VALID)
    node = content
    *path, last = key.split(".")
    for part in path:
        node = node[part]
    if value is ABSENT:
        del node[last]
    else:
        node[last] = value
    return content


@pytest.mark.parametrize(("key", "value", "line"), FAULTS.values(), ids=FAULTS)
def test_one_line_names_key_found_and_allowed(key, value, line):
    with pytest.raises(ParamsError) as caught:
        params.check(changed(key, value))
    file = "corpora.yaml" if line.startswith("corpora") else "params.yaml"
    assert str(caught.value) == f"{file}: {line}"


UNREADABLE = {
    "absent": (None, "there is no such file; run this in the project's folder"),
    "not YAML": ("tokens: [\n", "not valid YAML"),
    "a tab": ("tokens:\n\thello: 1\n", "not valid YAML"),
    "not UTF-8": (VALID.encode() + b"# caf\xe9\n", "not valid YAML"),
    "an object": ("tokens: !!python/object/apply:os.system [true]\n", "not valid YAML"),
    "an impossible date": ("tokens: 2001-99-99\n", "not valid YAML: month must be in 1..12"),
    "an impossible time": ("tokens: 2001-01-01T99:00:00Z\n", "not valid YAML: hour must be in 0..23"),
    "5,000 figures": (f"tokens: {'9' * 5000}\n", "not valid YAML: Exceeds the limit"),
    "3,000 brackets": (
        "tokens: " + "[" * 3000 + "]" * 3000,
        "not valid YAML: brackets or blocks are nested too deeply",
    ),
    "an alias in itself": ("tokens: &a\n  b: [*a]\n", "the value that starts in line 1 holds an alias of itself"),
    "ever more aliases": (
        "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 10)}]\n" if i else "k0: &k0 [x]\n" for i in range(9)),
        "more than 1,000,000 values once aliases are followed",
    ),
}
SECTIONS = "profile, tokens, experiments, derived, own"
FILES = {
    **{f"params.yaml: {case}": ("params.yaml", *rest) for case, rest in UNREADABLE.items()},
    **{f"corpora.yaml: {case}": ("corpora.yaml", *rest) for case, rest in UNREADABLE.items()},
    "empty": ("params.yaml", "", f"found nothing; allowed: a mapping with {SECTIONS}"),
    "a list": ("params.yaml", "- tokens\n", f"found a list; allowed: a mapping with {SECTIONS}"),
    "a key given twice": (
        "params.yaml",
        PARAMS.replace("epochs: 3", "epochs: 3, epochs: 4"),
        "the key 'epochs' is given twice, in line 11",
    ),
    "a section given twice": (
        "params.yaml",
        PARAMS + "tokens: {}\n",
        "the key 'tokens' is given twice, in lines 3 and 16",
    ),
    "a name that is a number": (
        "params.yaml",
        PARAMS + "  7: {}\n",
        "experiments.7: found the name 7; allowed: text, in quotes",
    ),
    "an unknown corpus": (
        "params.yaml",
        PARAMS.replace("corpus: hello", "corpus: helo"),
        "tokens.hello-characters.corpus: found 'helo', which no corpus is named; did you mean 'hello'?",
    ),
    "a corpus": (
        "params.yaml",
        VALID,
        "corpora: this block belongs in corpora.yaml, beside this file; move it there",
    ),
    "empty corpora": ("corpora.yaml", "", "found nothing; allowed: a mapping with corpora"),
    "a list of corpora": ("corpora.yaml", "- hello\n", "found a list; allowed: a mapping with corpora"),
    "a corpus without the block": (
        "corpora.yaml",
        CORPORA.replace("corpora:", "corpus:"),
        "corpus: unknown key; did you mean 'corpora'?",
    ),
    "tokens among the corpora": ("corpora.yaml", VALID, "profile: unknown key; allowed: corpora"),
    "corpora of another kind": ("corpora.yaml", "corpora: hello\n", "corpora: found 'hello'; allowed: a mapping"),
    "no corpora": ("corpora.yaml", "{}", "corpora: missing, it must be given"),
    "a corpus given twice": (
        "corpora.yaml",
        CORPORA + "  hello: {}\n",
        "the key 'hello' is given twice",
    ),
    "an unknown key of a corpus": (
        "corpora.yaml",
        CORPORA.replace("reader", "reder"),
        "corpora.hello.reader: missing",
    ),
    "another unknown key of a corpus": (
        "corpora.yaml",
        CORPORA.replace("{reader: text", "{limt: 3, reader: text"),
        "corpora.hello.limt: unknown key; did you mean 'limit'?",
    ),
}


@pytest.mark.parametrize(("file", "content", "said"), FILES.values(), ids=FILES)
def test_what_is_wrong_with_a_file_is_one_line_that_names_it(tmp_path, file, content, said):
    for name, text in {"params.yaml": PARAMS, "corpora.yaml": CORPORA, file: content}.items():
        if text is not None:
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ParamsError) as caught:
        params.load(tmp_path / "params.yaml")
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / file}: ")
    assert said in line
    assert "\n" not in line


def test_a_folder_in_the_place_of_a_file_is_one_line(tmp_path):
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read: Is a directory$"):
        params.load(tmp_path / "params.yaml")


def test_merged_keys_may_be_overridden_and_merged_again(tmp_path):
    (tmp_path / "a.yaml").write_text("y: &y {k: 0, l: 0}\na: {<<: &x {<<: *y, k: 1}, m: 2}\nb: *x\nc: {<<: *x, k: 3}\n")
    assert read_yaml(tmp_path / "a.yaml") == {
        "y": {"k": 0, "l": 0},
        "a": {"k": 1, "l": 0, "m": 2},
        "b": {"k": 1, "l": 0},
        "c": {"k": 3, "l": 0},
    }


ROOT = Path(__file__).parent.parent
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
    content = data.draw(st.sampled_from([project_settings(), yaml.safe_load(VALID)]))
    content = copy.deepcopy(content)
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


def refusal(check: Callable[[], object]) -> str:
    """The line with which the settings are refused; empty where they are valid."""
    try:
        check()
    except ParamsError as error:
        return str(error)
    return ""


@cache
def project_settings() -> dict:
    return params.read(ROOT / "params.yaml")


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


def test_the_entries_for_a_text_of_ones_own_are_valid_beside_the_projects_own():
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Your own text\n")[2].partition("\n## ")[0]
    )
    content = copy.deepcopy(project_settings())
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", section, re.S | re.M):
        for key, entries in yaml.safe_load(block).items():
            content.setdefault(key, {}).update(entries)
    assert params.check(content).experiments["mybook-lstm"].start == "sherlock-lstm"


def test_the_commented_experiment_with_an_own_cell_is_valid_once_the_marks_are_taken_away(tmp_path):
    shutil.copy(ROOT / "corpora.yaml", tmp_path)
    head, mark, example = (ROOT / "params.yaml").read_text(encoding="utf-8").partition("# own:\n")
    lines = (mark + example).splitlines()
    assert all(line.startswith("# ") for line in lines)
    (tmp_path / "params.yaml").write_text(head + "\n".join(line[2:] for line in lines), encoding="utf-8")
    assert "sherlock-mgu" in params.load(tmp_path / "params.yaml").own


@pytest.mark.parametrize("by", ["command", "stage"])
def test_exit_code_is_2_and_nothing_else_is_said(tmp_path, by):
    (tmp_path / "params.yaml").write_text(PARAMS.replace("hidden: 8", "hidden: -8"))
    (tmp_path / "corpora.yaml").write_text(CORPORA)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    # What the scripts in pipelines/ consist of.
    stage = "from anamnesis import console, params; console.run(lambda: params.load() and None)"
    command = {"command": ["-m", "anamnesis.cli", "list"], "stage": ["-c", stage]}[by]
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("params.yaml: experiments.hello-rnn.model.hidden: found -8; allowed: at least 1\n")


def test_lookup_suggests_the_nearest_or_lists_all():
    entries = {"sherlock-lstm": 1, "novel-gru": 2}
    assert params.lookup(entries, "novel-gru", "experiment") == 2
    with pytest.raises(ParamsError, match=r"^no experiment is named 'sherlock-lsmt'; did you mean 'sherlock-lstm'\?$"):
        params.lookup(entries, "sherlock-lsmt", "experiment")
    with pytest.raises(ParamsError, match=r"'zebra'; allowed: novel-gru, sherlock-lstm; `anamnesis list` shows them$"):
        params.lookup(entries, "zebra", "experiment")


def test_profile_merges_into_every_entry_that_fits():
    content = yaml.safe_load(VALID)
    before = copy.deepcopy(content)
    overlay = {
        "corpora": {"*": {"limit": 9}, "hello": {"limit": 5}},
        "experiments": {"*": {"training": {"epochs": 1}, "seed": 4}, "hello-rnn": {"training": {"clip_norm": None}}},
    }
    after = params.apply_profile(content, overlay)
    assert content == before
    assert after["corpora"]["hello"]["limit"] == 5
    rnn, uniform = after["experiments"]["hello-rnn"], after["experiments"]["hello-uniform"]
    assert rnn["training"] == before["experiments"]["hello-rnn"]["training"] | {"epochs": 1, "clip_norm": None}
    assert "training" not in uniform
    assert (rnn["seed"], uniform["seed"]) == (4, 4)
    assert set(after["experiments"]) == set(before["experiments"])
    assert after["tokens"] == before["tokens"]


def test_profile_says_where_to_run_wherever_there_are_epochs():
    content = yaml.safe_load(VALID)
    content["experiments"]["hello-memory"] = {"task": "memory", "training": {"batch": 2}}
    content["derived"] = {"hello-untouched": {"training": None}}
    overlay = {"*": {"trainer": {"accelerator": "auto"}}, "hello-rnn": {"trainer": {"precision": "auto"}}}
    after = params.apply_profile(content, {"experiments": overlay, "derived": {"*": overlay["*"]}})
    assert after["experiments"]["hello-rnn"]["trainer"] == {"accelerator": "auto", "precision": "auto"}
    assert "trainer" not in after["experiments"]["hello-uniform"]
    assert "trainer" not in after["experiments"]["hello-memory"]
    assert "trainer" not in after["derived"]["hello-untouched"]


def test_profile_repeats_an_experiment_with_other_seeds():
    content = yaml.safe_load(VALID)
    content["own"] = {"hello-mine": {"seed": 7}}
    before = copy.deepcopy(content)
    overlay = {"repeat": {"hello-rnn": 3, "hello-mine": 2}, "experiments": {"hello-rnn": {"training": {"epochs": 9}}}}
    after = params.apply_profile(content, overlay)
    assert content == before
    assert "repeat" not in after
    assert list(after["experiments"]) == ["hello-rnn", "hello-rnn-seed2", "hello-rnn-seed3", "hello-uniform"]
    first = after["experiments"]["hello-rnn"]
    assert first["training"]["epochs"] == 9
    assert "seed" not in first
    assert [after["experiments"][f"hello-rnn-seed{run}"] for run in (2, 3)] == [first | {"seed": run} for run in (2, 3)]
    assert after["own"] == {"hello-mine": {"seed": 7}, "hello-mine-seed2": {"seed": 8}}
    del after["own"]
    assert params.check(after).experiments["hello-rnn-seed3"].seed == 3


REPEATS = {
    "unknown": ({"hello-rn": 3}, "repeat.hello-rn: no experiment is named 'hello-rn'; did you mean 'hello-rnn'?"),
    "a corpus": ({"hello": 3}, "repeat.hello: no experiment is named 'hello'"),
    "one": ({"hello-rnn": 1}, "repeat.hello-rnn: found 1; allowed: a whole number, at least 2"),
    "true": ({"hello-rnn": True}, "repeat.hello-rnn: found true; allowed: a whole number, at least 2"),
    "text": ({"hello-rnn": "3"}, "repeat.hello-rnn: found '3'; allowed: a whole number, at least 2"),
    "a list": (["hello-rnn"], "repeat: found a list; allowed: a mapping of experiments to numbers of runs"),
    "a name that is taken": ({"taken": 2}, "repeat.taken: there is already an experiment 'taken-seed2'"),
    "a seed that is none": ({"odd": 2}, "experiments.odd.seed: found 'x'; allowed: a whole number"),
}


@pytest.mark.parametrize(("repeat", "line"), REPEATS.values(), ids=REPEATS)
def test_what_cannot_be_repeated_is_one_line(repeat, line):
    content = yaml.safe_load(VALID)
    content["experiments"] |= {"taken": {}, "odd": {"seed": "x"}}
    content["derived"] = {"taken-seed2": {}}
    with pytest.raises(ParamsError) as caught:
        params.apply_profile(content, {"repeat": repeat})
    assert str(caught.value).startswith(line)


def test_repeat_is_a_key_of_profiles_only():
    with pytest.raises(ParamsError, match=r"^params\.yaml: repeat: unknown key"):
        params.check(yaml.safe_load(VALID) | {"repeat": {"hello-rnn": 3}})


def test_profile_by_name_may_add_what_is_not_there():
    overlay = {"experiments": {"hello-gru": {"task": "language"}, "hello-uniform": {"sampling": {"length": 3}}}}
    after = params.apply_profile(yaml.safe_load(VALID), overlay)
    assert after["experiments"]["hello-gru"] == {"task": "language"}
    assert after["experiments"]["hello-uniform"]["sampling"] == {"length": 3}


def test_dump_is_read_back_and_spells_out_what_anchors_share(tmp_path):
    content = yaml.safe_load("a: &x {p: 'It was ', q: [1.0e-05, null, true]}\nb: *x\ncorpora: {d: *x}\nc: 三國\n")
    texts = params.dump(content)
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert params.read(tmp_path / "params.yaml") == content
    assert not any("&" in text for text in texts.values())
    assert list(yaml.safe_load(texts["params.yaml"])) == ["a", "b", "c"]
    assert list(yaml.safe_load(texts["corpora.yaml"])) == ["corpora"]


def test_projects_own_params_and_profiles_are_valid():
    root = Path(__file__).parent.parent
    assert params.load(root / "params.yaml").profile == "laptop"
    profiles = list((root / "profiles").glob("*.yaml"))
    assert profiles
    for profile in profiles:
        merged = params.apply_profile(params.read(root / "params.yaml"), params.read_yaml(profile))
        params.check(merged, str(profile))


@pytest.fixture(scope="module", params=["laptop", "seed"])
def experiments(request):
    """All experiments of a profile, by name."""
    root = Path(__file__).parent.parent
    return params.load((root if request.param == "laptop" else root / "profiles" / "seed") / "params.yaml").experiments


def card_of(name, experiment):
    """A card as training writes it, where the network of every experiment has 1234 parameters."""
    stats = {"corpus": "hello", "vocabulary_size": 9}
    card = saved.new_card(name, experiment, stats, 1234, None, "inputs")
    if experiment.task == "memory":
        card |= {"allowed_parameters": card["parameters"], "parameters": 1234}
    return card


def test_a_model_s_card_holds_all_settings_of_its_experiment(experiments):
    for name, experiment in experiments.items():
        card = json.loads(json.dumps({"format": 1, **card_of(name, experiment), "labels": ["a"], "fingerprint": "0"}))
        found = params.experiment_of(card)
        assert found == experiment
        assert type(found) is type(experiment)
        assert found.model_dump(mode="json") == experiment.model_dump(mode="json")


CARDS = {
    "unknown task": ({"task": "speech"}, "task: found 'speech'; allowed: language, memory, "),
    "no model": ({"model": ABSENT}, "model: missing, it must be given"),
    "no size": ({"model": {"architecture": "rnn"}}, "model.hidden: missing, it must be given"),
    "a size that is text": (
        {"model": {"architecture": "rnn", "hidden": "8"}},
        "model.hidden: found '8'; allowed: a whole number",
    ),
}


@pytest.mark.parametrize(("change", "said"), CARDS.values(), ids=CARDS)
def test_a_card_without_valid_settings_is_one_line(change, said):
    experiment = params.check(yaml.safe_load(VALID)).experiments["hello-rnn"]
    card = {key: value for key, value in (card_of("hello-rnn", experiment) | change).items() if value is not ABSENT}
    with pytest.raises(AnamnesisError) as caught:
        params.experiment_of(card)
    line = str(caught.value)
    assert line.startswith(f"models/hello-rnn/model.json: {said}")
    assert line.endswith("; run `anamnesis repro` to make it again")


def test_an_unknown_key_of_a_classifier_is_named_without_its_kind():
    content = yaml.safe_load(VALID)
    content["experiments"]["news"] = {"task": "classification", "tokens": "hello-characters"}
    content["experiments"]["news"]["model"] = {"architecture": "birnn", "hiden": 8}
    with pytest.raises(ParamsError, match=r"^params\.yaml: experiments\.news\.model\.hiden: unknown key"):
        params.check(content)
