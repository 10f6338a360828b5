"""The contract of a task, tested on a toy of every task and architecture.

Training, killing, resuming, evaluation, damaged and forged model folders, and serving work in the same way everywhere.
"""

import copy
import json
import os
import pickle
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from listener import Recorder
from safetensors import numpy as safetensors
from toys import FITTED, NETWORKS, TASKS, TOYS, Toys, evaluate, plan, settings, train

from anamnesis import deadline, files, models, serving
from anamnesis.boards import BOARDS
from anamnesis.errors import AnamnesisError
from anamnesis.training.module import TrainingModule

SERVED = [name for name, task in TASKS.items() if task in serving.SERVED]
# Models whose answer is the first of a ranking, of which the option `top` shows more.
RANKED = [name for name in SERVED if TASKS[name] in ("cloze", "classification", "video")]
# Models that continue an empty text.
WRITERS = [name for name in SERVED if TASKS[name] == "language"]


def content(*folders: Path) -> dict[str, bytes]:
    """All files of the folders."""
    return {
        str(path.relative_to(folder.parent)): path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refusal(action: Callable[[], object]) -> str:
    """The message of the AnamnesisError that `action` raises; empty where it raises none."""
    try:
        action()
    except AnamnesisError as error:
        return str(error)
    return ""


# --- training and evaluation


@pytest.mark.parametrize("name", TOYS)
def test_training_repeats_without_the_test_split_and_resumes_after_kill_9(toys, tmp_path, monkeypatch, name):
    expected = content(toys.model(name))
    root = toys.project(name, tmp_path / "project")
    # The test split is another one: no byte of the model depends on it.
    (root / "data").unlink()
    shutil.copytree(toys.root / "data", root / "data")
    for path in (root / "data" / "tokens" / settings(name).tokens).glob("test.*"):
        shutil.copyfile(path.with_name(path.name.replace("test", "valid", 1)), path)
    change, steps = TrainingModule._change_rate, []

    def count(self: TrainingModule, taken: int) -> None:
        steps.append(taken)
        if len(steps) == death:
            os.kill(os.getpid(), signal.SIGKILL)
        change(self, taken)

    def die(epoch: int) -> None:
        if epoch == 2 and name in FITTED:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(TrainingModule, "_change_rate", count)
    death = whole = 0
    if name in NETWORKS:
        whole = len(plan(name, root).train)
        assert whole > 3
        # In the second epoch, between two checkpoints.
        death = whole + 3
    if name in NETWORKS or TASKS[name] == "memory":
        child = os.fork()
        if child == 0:
            try:
                train(name, root, Recorder(die))
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert not (root / "models" / name).exists()
    watch = Recorder()
    death = 0
    folder = train(name, root, watch)
    assert content(folder) == expected
    assert watch.ended == models.read_card(folder)["fingerprint"]
    assert not (root / ".anamnesis" / "checkpoints" / name).exists()
    if name in NETWORKS:
        # Only the steps after the last checkpoint are repeated, at most six steps before the kill.
        assert 0 < len(steps) <= whole + 3


# Scores of the board that a model does not have: of one toy, or of all toys of a block.
MISSING = {
    "language-uniform": {"context_tokens"},
    "language-ngram": {"context_tokens"},
    "forecasting": {"accuracy"},
    "numbers": {"rmse_free_running"},
    "translation-copy": {"perplexity"},
    "translation-nearest": {"perplexity"},
}


@pytest.mark.parametrize("name", TOYS)
def test_evaluation_repeats_and_scores_the_board(toys, tmp_path, name):
    folder = toys.model(name)
    root = toys.project(name, tmp_path / "project")
    shutil.copytree(folder, root / "models" / name, dirs_exist_ok=True)
    evaluate(name, root)
    outputs = [Path("metrics", f"{name}.json"), Path("predictions", name)]
    metrics = json.loads((toys.root / outputs[0]).read_text())
    assert (root / outputs[0]).read_bytes() == (toys.root / outputs[0]).read_bytes()
    assert content(root / outputs[1]) == content(toys.root / outputs[1])
    card = models.read_card(folder)
    assert {key: metrics[key] for key in ("task", "fingerprint", "parameters")} == {
        "task": TASKS[name],
        "fingerprint": card["fingerprint"],
        "parameters": card["parameters"],
    }
    for split in ("valid", "test"):
        assert metrics["question"][split]
        missing = MISSING.get(name, MISSING.get(TOYS[name][0], set()))
        assert {*BOARDS[TASKS[name]].metrics} - metrics[split].keys() == missing
    # The settings come from the model's card, and fit no other data.
    experiment = models.experiment_of(card)
    assert experiment == settings(name)
    tokens = root / "data" / "tokens" / experiment.tokens
    (root / "data").unlink()
    shutil.copytree(toys.root / "data", root / "data")
    stats = json.loads((tokens / "stats.json").read_text())
    (tokens / "stats.json").write_text(json.dumps(stats | {"corpus": "another"}))
    with pytest.raises(AnamnesisError, match="trained on other tokens"):
        evaluate(name, root)


# --- damaged and forged model folders


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def remove(path: Path) -> None:
    path.unlink()


def exchange(path: Path) -> None:
    """Leave a folder where the file was."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", TOYS)
def test_a_damaged_file_is_refused_by_name(toys, tmp_path, name):
    card = models.read_card(toys.model(name))
    for damaged in ("model.json", "weights.safetensors", *card["files"]):
        for damage in (flip, cut, remove, exchange):
            folder = shutil.copytree(toys.model(name), tmp_path / f"{damage.__name__}-{damaged}")
            damage(folder / damaged)
            with pytest.raises(AnamnesisError) as refused:
                models.load(folder)
            assert str(folder / damaged) in str(refused.value)
            assert "\n" not in str(refused.value)
    folder = shutil.copytree(toys.model(name), tmp_path / "altered")
    files.write_json(folder / "model.json", card | {"seed": 2})
    with pytest.raises(AnamnesisError, match=r"model\.json: altered or damaged"):
        models.load(folder)


class Trap:
    """An object whose pickle fails the test when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was loaded",)


HOSTILE = [10**9, 10**30, -1, 0, 1.5, 1e300, 65536, None, "x", "../x", [], {}, True]


def sign(folder: Path, card: dict[str, Any]) -> None:
    """Write a card with the right digests and fingerprint, as a forger can."""
    names = card.get("files")
    for name in ("weights.safetensors", *(names if isinstance(names, list) else [])):
        if isinstance(name, str) and (folder / name).is_file():
            card[f"{name.partition('.')[0]}_sha256"] = files.sha256_file(folder / name)
    files.write_json(folder / "model.json", card | {"fingerprint": models.fingerprint(card)})


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths to all values in JSON content."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = [found for key, each in entries for found in paths(each, (*path, key))]
    return [path, *inner] if path else inner


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    result = parent = copy.deepcopy(value)
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = new
    return result


def forge_card(folder: Path, card: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([each for each in paths(card) if each != ("fingerprint",)]))
    sign(folder, replaced(card, path, data.draw(st.sampled_from(HOSTILE))))


def forge_weights(folder: Path, card: dict[str, Any], data: st.DataObject) -> None:
    arrays = safetensors.load_file(folder / "weights.safetensors")
    name = data.draw(st.sampled_from([*sorted(arrays), "other"]))
    array = arrays.get(name, np.zeros(3, np.float32))
    forged = [np.zeros(0), np.full(3, np.nan), array.astype(np.float16), array.astype(np.int64) - 10**12]
    arrays[name] = data.draw(st.sampled_from(forged))
    safetensors.save_file(arrays, folder / "weights.safetensors")
    sign(folder, card)


def forge_file(folder: Path, card: dict[str, Any], data: st.DataObject) -> None:
    for name in card["files"]:
        text = (folder / name).read_bytes()
        if text.startswith(b"{"):
            value = json.loads(text)
            path = data.draw(st.sampled_from(paths(value)))
            (folder / name).write_text(json.dumps(replaced(value, path, data.draw(st.sampled_from(HOSTILE)))))
    if card["files"] and data.draw(st.booleans()):
        (folder / card["files"][0]).write_bytes(pickle.dumps(Trap()))
    sign(folder, card)


@given(st.sampled_from(sorted(TOYS)), st.sampled_from([forge_card, forge_weights, forge_file]), st.data())
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_forged_model_loads_or_is_refused_in_one_line(toys, tmp_path_factory, name, forge, data):
    folder = shutil.copytree(toys.model(name), tmp_path_factory.mktemp("forged") / name)
    forge(folder, models.read_card(folder), data)
    # A forged value that the model does not use changes nothing.
    assert "\n" not in refusal(lambda: models.load(folder))


FORGED_ARRAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "reversed": lambda array: array[::-1].copy(),
    "zeros": np.zeros_like,
    "larger": lambda array: array + array.dtype.type(100),
    "most": lambda array: np.full_like(array, np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max),
    "shorter": lambda array: array[:-1].copy() if array.ndim else array,
}


@pytest.mark.parametrize("forgery", FORGED_ARRAYS)
@pytest.mark.parametrize("name", FITTED)
def test_forged_counts_and_coefficients_are_refused_or_answer(toys, tmp_path, name, forgery):
    """No gradient descent checks these arrays: counts that contradict each other, or values that are not finite."""
    for key, array in safetensors.load_file(toys.model(name) / "weights.safetensors").items():
        folder = Path(shutil.copytree(toys.model(name), tmp_path / key))
        arrays = safetensors.load_file(folder / "weights.safetensors")
        safetensors.save_file(arrays | {key: FORGED_ARRAYS[forgery](array)}, folder / "weights.safetensors")
        sign(folder, models.read_card(folder))
        loaded: list[Any] = []
        message = refusal(lambda folder=folder, loaded=loaded: loaded.append(models.load(folder)))
        if loaded and name in SERVED:
            module = serving.module(TASKS[name])
            texts, options = module.example(loaded[0].card)
            message = refusal(partial(serving.answer, module, loaded[0], texts, options))
        assert "\n" not in message


@contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Limit this process to `more` further bytes of address space."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


SIZES = ("hidden", "embedding", "channels", "features", "window", "context", "vocabulary_size", "size", "alphabet")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_card_that_asks_for_a_huge_network_takes_no_memory(toys, tmp_path, name):
    card = models.read_card(toys.model(name))
    sizes = [path for path in paths(card) if path[-1] in SIZES and path[0] in ("model", "videos", "reader", "hidden")]
    assert sizes or name == "classification-histogram"
    for path in sizes:
        for size in (50_000, 10**9):
            folder = shutil.copytree(toys.model(name), tmp_path / f"{path[-1]}-{size}")
            sign(folder, replaced(card, path, size))
            with bounded_memory(1 << 30):
                refused = refusal(partial(models.load, folder))
            # The size of a recurrent network does not depend on the window.
            assert refused or (name, path[-1]) == ("forecasting-lstm", "window")


# --- serving


def served(toys: Toys, name: str) -> tuple[Any, Any, list[str], dict[str, Any]]:
    """The task's module `prediction`, a loaded model, and its example: texts and options."""
    module, model = serving.module(TASKS[name]), toys.loaded(name)
    return module, model, *module.example(model.card)


@pytest.mark.parametrize("name", SERVED)
def test_the_example_is_answered_and_an_empty_text_too(toys, name):
    module, model, texts, options = served(toys, name)
    assert module.example(model.card) == (texts, options)
    (answer,) = serving.answer(module, model, texts, {})
    assert serving.answer(module, model, texts, options) == [answer]
    assert serving.answer(module, model, [], {}) == []
    first, middle, last = serving.answer(module, model, [" ", texts[0], ""], {})
    assert middle == answer
    assert (first, last) == ("", "") or name in WRITERS


@pytest.mark.parametrize("name", RANKED)
def test_a_ranking_is_a_json_object(toys, name):
    module, model, texts, _ = served(toys, name)
    (best,), (several,) = (serving.answer(module, model, texts, {"top": top}) for top in (0, 2))
    ranking = json.loads(several)
    assert next(iter(ranking)) == best
    first, second = ranking.values()
    assert 1 >= first >= second >= 0


@pytest.mark.parametrize("name", SERVED)
def test_options_have_limits(toys, name):
    module, model, texts, options = served(toys, name)
    assert set(options) - {"greedy"} == set(serving.limits(options))
    for option in serving.limits(options):
        least, most = serving.LIMITS[option]
        for value in (least - 1, most + 1, 10**400, None, "x", True, float("nan")):
            with pytest.raises(AnamnesisError, match=rf"^{option}: found .*; allowed: .*from") as refused:
                serving.answer(module, model, texts, {option: value})
            assert "\n" not in str(refused.value)
    with pytest.raises(AnamnesisError, match=r"^found the option 'nonsense'; (allowed: |this model has no options)"):
        serving.answer(module, model, texts, {"nonsense": 1})


@pytest.mark.parametrize("name", SERVED)
def test_an_answer_ends_at_the_time_limit_and_with_the_server(toys, name):
    module, model, texts, _ = served(toys, name)
    calls: list[int] = []

    def is_stopping() -> bool:
        calls.append(1)
        return len(calls) > 1

    # The first call comes before the model starts, so the second comes from the model.
    with pytest.raises(deadline.StoppingError):
        serving.answer(module, model, texts, {}, is_stopping)
    with pytest.raises(deadline.TimeLimitError, match="found no answer in 0 seconds"), deadline.time_limit(0):
        module.answer(model, texts, {})


HOSTILE_TEXTS = ["\x00", "\ud800", "zyx qwv", "<b>" * 50, "1e999, nan", "\u202e\U0001f600", "____ ____", "aGVsbG8="]


@pytest.mark.parametrize("name", SERVED)
def test_a_hostile_text_is_answered_or_refused_by_its_number(toys, name):
    module, model, (text, *_), _ = served(toys, name)
    for hostile in HOSTILE_TEXTS:
        message = refusal(partial(serving.answer, module, model, [text, "", hostile], {}))
        assert re.fullmatch(r"|\w+ 3\b.*", message)


def test_a_request_has_limits(toys, monkeypatch):
    module, model, _, _ = served(toys, "language-uniform")
    with pytest.raises(AnamnesisError, match=r"^found 1,001 texts; allowed: at most 1,000 in one request$"):
        serving.answer(module, model, ["a"] * 1_001, {})
    with pytest.raises(AnamnesisError, match=r"^text 2: found 100,001 characters; allowed: at most 100,000$"):
        serving.answer(module, model, ["a", "a" * 100_001], {})
    for text in ("0", "nan", "soon"):
        monkeypatch.setenv("ANAMNESIS_TIME_LIMIT", text)
        with pytest.raises(AnamnesisError, match=f"^ANAMNESIS_TIME_LIMIT: found '{text}'; allowed: a number of"):
            serving.time_limit()


@given(st.floats(allow_nan=False), st.integers())
def test_default_options_are_within_their_limits(temperature, length):
    options = serving.allowed_options({"temperature": temperature, "length": length, "greedy": True})
    assert serving.complete(options, {"temperature": 1.0, "length": 1, "greedy": False}) == options
    if 1 <= length <= 10_000:
        assert options["length"] == length
