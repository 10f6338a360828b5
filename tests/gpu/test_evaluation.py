"""Evaluation and generation on a device: the scores of the CPU, whatever the batch, and without waiting."""

import json
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys
from fake_gpu import DEVICE, FakeGPU, no_reading

from anamnesis import models
from anamnesis.data.stores.pairs import pair_texts
from anamnesis.nn import search
from anamnesis.stages import evaluate as stage
from anamnesis.tasks.captioning.model import captioner
from anamnesis.tasks.captioning.model.images import open_captioned
from anamnesis.tasks.classification.model.documents import join, open_split
from anamnesis.tasks.cloze import loading
from anamnesis.tasks.cloze.model import cloze_model
from anamnesis.tasks.cloze.model.blanks import split_sentences
from anamnesis.tasks.language.model.scores import surprisals
from anamnesis.tasks.language.model.text import read_split
from anamnesis.tasks.translation.model import translator
from anamnesis.tasks.video.model.videos import open_videos

# Scores from 0 to 100, of which half a tenth may be lost where two hypotheses are all but equal.
PERCENT = ("bleu", "bleu_greedy", "chrf")
SEARCHING = [name for name in toys.NETWORKS if toys.TASKS[name] in ("translation", "captioning")]


@pytest.fixture
def evaluated(toy_models: toys.Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    """evaluated(TOY, DEVICE): the metrics of a toy, trained on the CPU and evaluated on the device."""

    def run(name: str, device: str) -> Any:
        folder, root = toy_models.model(name), toy_models.project(name, tmp_path / device)
        (root / "models").mkdir(exist_ok=True)
        (root / "models" / name).symlink_to(folder)
        monkeypatch.setattr(stage, "device_of", lambda name, experiment: device)
        stage.evaluate(name, root)
        return json.loads((root / "metrics" / f"{name}.json").read_text())

    return run


@pytest.mark.parametrize("network", toys.NETWORKS, indirect=True)
def test_scores_are_those_of_the_cpu(
    toy_models: toys.Toys, evaluated: Callable[[str, str], Any], device: str, network: str
) -> None:
    metrics = evaluated(network, device)
    expected = json.loads((toy_models.model(network).parents[1] / "metrics" / f"{network}.json").read_text())
    assert (metrics.pop("evaluated_on"), expected.pop("evaluated_on")) == ("cpu" if device == "cpu" else "gpu", "cpu")
    for split in ("valid", "test"):
        found, wanted = metrics.pop(split), expected.pop(split)
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            tolerance = {"abs": 0.05} if key in PERCENT else {"rel": 1e-5, "abs": 1e-6}
            assert found[key] == pytest.approx(value, **tolerance), f"{split} {key}"
    assert metrics == expected


def test_single_precision_is_full_and_ends_with_the_evaluation() -> None:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    initial = matmul.allow_tf32, cudnn.allow_tf32
    try:
        for before in ((True, True), (False, True)):
            matmul.allow_tf32, cudnn.allow_tf32 = before
            with suppress(KeyError), stage.single_precision("cuda"):
                assert (matmul.allow_tf32, cudnn.allow_tf32) == (False, False)
                raise KeyError
            assert (matmul.allow_tf32, cudnn.allow_tf32) == before
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = initial


def items(name: str, model: Any, root: Path) -> tuple[Any, Callable[[Any], list[Any]]]:
    """Some inputs of a toy's network, and a function that gives the numbers for each of several inputs."""
    experiment = toys.settings(name)
    store, task = root / "data" / "tokens" / experiment.tokens, toys.TASKS[name]
    if task == "translation":
        texts = pair_texts(store, "valid")[0]
        return texts, lambda some: [[one.score for one in each] for each in model.translate(some, 3, 3)]
    if task == "captioning":
        pixels = open_captioned(store, "valid", experiment.images).pixels
        return pixels, lambda images: [[one.score for one in each] for each in model.caption(images, 3, 3)]
    if task == "video":
        return open_videos(store, "valid", experiment.videos).videos, model.probabilities
    if task == "classification":
        documents = open_split(store, "valid", experiment.model, model.tokenizer)
        ids = [documents[number] for number in range(len(documents))]
        return ids, lambda ids: model.probabilities(join(ids, np.zeros(len(ids), np.uint8)))
    if task == "forecasting":
        values = np.random.default_rng(1).normal(size=(20, model.window))
        return values if model.words is None else np.abs(values * 30).round() + 1, model.predict
    ids = read_split(store, "valid", model.tokenizer).ids
    if task == "language":
        return np.split(np.asarray(ids), [20, 50, 130, 133, 300]), lambda texts: surprisals(model, texts)
    sentences = [each for each in split_sentences(ids, model.tokenizer) if model.candidates[each].any()]
    return sentences, lambda texts: [cloze_model.scores(model, [each])["perplexity"] for each in texts]


@pytest.mark.parametrize("network", toys.NETWORKS, indirect=True)
def test_a_text_has_the_same_numbers_alone_and_beside_others(toy_models: toys.Toys, device: str, network: str) -> None:
    model = models.load(toy_models.model(network), device)
    inputs, numbers = items(network, model, toy_models.root)
    assert len(inputs) > 2
    together = numbers(inputs)
    for index, expected in enumerate(together):
        (alone,) = numbers(inputs[index : index + 1])
        np.testing.assert_allclose(np.array(alone, float), np.array(expected, float), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["cloze-lstm", "cloze-adaptive"])
def test_blanks_scored_in_batches_are_those_of_single_sentences(
    toy_models: toys.Toys, monkeypatch: pytest.MonkeyPatch, device: str, name: str
) -> None:
    networks: list[Any] = []
    monkeypatch.setattr(loading, "neural", lambda network: networks.append(network) or cloze_model.neural(network))
    model = models.load(toy_models.model(name), device)
    inputs, _ = items(name, model, toy_models.root)
    expected = cloze_model.scores(replace(model, score=None), inputs)
    batched = cloze_model.in_batches(networks[0])
    for sentences, room in ((2, 2**26), (512, 2**26), (512, 1)):
        monkeypatch.setattr(cloze_model, "GPU_BATCH", sentences)
        monkeypatch.setattr(cloze_model, "GPU_DISTRIBUTIONS", room)
        found = cloze_model.scores(replace(model, score=batched), inputs)
        assert found == pytest.approx(expected, rel=1e-5)


# --- without a GPU: a device without values stands for one


# One network for each way of computing; others differ in their layers only, which tests/nn runs on it.
WAYS = [
    "language-adaptive",
    "cloze-lstm",
    "classification-lstm",
    "classification-birnn",
    "classification-cnn-lstm",
    "classification-histogram",
    "classification-finetuned",
    "video-cnn-lstm",
    "captioning-lstm",
    "translation-seq2seq",
    "translation-attention",
    "translation-feeding",
    "forecasting-lstm",
    "numbers-fc",
]


@pytest.mark.parametrize("name", WAYS)
def test_evaluation_mixes_no_devices(
    evaluated: Callable[[str, str], Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whole evaluations in which an operation on tensors of two devices, or NumPy's view of one, is an error."""
    monkeypatch.setattr(torch, "autocast", lambda *others, **more: nullcontext())
    with FakeGPU():
        assert evaluated(name, DEVICE)["evaluated_on"] == "gpu"


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("name", SEARCHING)
def test_no_step_of_a_search_reads_from_the_device_or_copies_to_it(
    toy_models: toys.Toys, monkeypatch: pytest.MonkeyPatch, device: str, name: str, beam: int
) -> None:
    """Steps without a check of what is finished, from the end of the first, which may allocate memory; on the CPU,
    those of a device without values."""
    model = models.load(toy_models.model(name), DEVICE if device == "cpu" else device)
    inputs, _ = items(name, model, toy_models.root)
    calls = limit = 0
    watching: list[Any] = []

    def watched(step: Any, state: Any, start: int, end: int, limits: list[int], *others: Any) -> Any:
        nonlocal limit
        limit = max(limits)

        def inner(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            result = step(*arguments)
            if calls == 1:
                watching.append(no_reading() if device == "cpu" else NoWaiting())
                watching[0].__enter__()
            elif calls == limit:
                watching.pop().__exit__(None, None, None)
            return result

        return search.search(inner, state, start, end, limits, *others, interval=10**6)

    monkeypatch.setattr(translator if toys.TASKS[name] == "translation" else captioner, "search", watched)
    run = model.translate if toys.TASKS[name] == "translation" else model.caption
    try:
        with pytest.raises(NotImplementedError, match="no data") if device == "cpu" else nullcontext():
            run(inputs[:4], beam)
    finally:
        for each in watching:
            each.__exit__(None, None, None)
    assert calls == limit > 3


class NoWaiting:
    """A context in which PyTorch raises an error where the processor waits for the GPU."""

    def __enter__(self) -> None:
        torch.cuda.set_sync_debug_mode("error")

    def __exit__(self, *exception: object) -> None:
        torch.cuda.set_sync_debug_mode("default")


def test_what_a_gpu_refuses_is_refused() -> None:
    """The device without values: reading, copying, and two devices in one operation."""
    values, other = torch.zeros(3, device=DEVICE), torch.zeros(3)
    with FakeGPU():
        assert values.sum().item() == 0
        assert (values > 0).tolist() == [True] * 3
        with pytest.raises(AssertionError, match="both devices"):
            values + other
        with pytest.raises(AssertionError, match="reads values"):
            values.nonzero()
        with pytest.raises((TypeError, RuntimeError)):
            values.numpy()
    reads: list[Callable[[], object]] = [
        lambda: values.sum().item(),
        values.tolist,
        lambda: torch.tensor([1.0], device=DEVICE),
        lambda: values.cpu(),
        lambda: values[values > 0],
    ]
    for read in reads:
        with pytest.raises(AssertionError), no_reading():
            read()


def test_where_a_model_is_evaluated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {
        name: toys.settings(name, trainer={"accelerator": accelerator})
        for name, accelerator in (
            ("language-lstm", "gpu"),
            ("language-gru", "auto"),
            ("language-rnn", "cpu"),
            ("language-ngram", "gpu"),
            ("memory-gru", "auto"),
        )
    }
    for gpu, devices in ((True, ["cuda", "cuda", "cpu", "cpu", "cpu"]), (False, ["cpu"] * 5)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert [stage.device_of(name, experiment) for name, experiment in asked.items()] == devices
        said = capsys.readouterr().err
        expected = (
            "note: language-lstm: trainer.accelerator: found 'gpu', but PyTorch sees none; evaluated on the CPU\n"
        )
        assert said == ("" if gpu else expected)
