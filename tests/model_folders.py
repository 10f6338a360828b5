"""A small model folder of each kind, with random weights: made without a training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from anamnesis import files, serving
from anamnesis import models as saved
from anamnesis.data.tokenizers import characters, tokenizer, words

TEXT = "The cat sees a dog. A dog sees the cat. The old dog sleeps here.\n"
LABELS = ["crude", "ship"]


def arrays(network: torch.nn.Module, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": value.detach().numpy() for name, value in network.named_parameters()}


def _tokenizer(folder: Path, made: tokenizer.Tokenizer, *names: str) -> dict[str, bytes]:
    tokenizer.save(made, folder / "tokenizer.json")
    return dict.fromkeys(names or ("tokenizer.json",), (folder / "tokenizer.json").read_bytes())


def _card(task: str, model: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"task": task, "experiment": "toy", "architecture": model["architecture"], "model": model, "seed": 1, **more}


def sampling() -> dict[str, Any]:
    from anamnesis.tasks.language.settings import Sampling

    return Sampling(length=3).model_dump(mode="json")


def next_token(folder: Path) -> None:
    from anamnesis.tasks.language.network import RecurrentNetwork
    from anamnesis.tasks.language.settings import Recurrent

    model = {"architecture": "lstm", "hidden": 4, "embedding": 3}
    made = characters.learn([TEXT])
    network = RecurrentNetwork(Recurrent.model_validate(model), made.vocabulary_size)
    card = _card("language", model, objective="next-token", alphabet=20, sampling=sampling())
    saved.save(folder, arrays(network), card, _tokenizer(folder, made))


def ngram(folder: Path) -> None:
    from anamnesis.tasks.language import ngram

    made = characters.learn([TEXT])
    weights = ngram.count(made.encode(TEXT), 3, made.vocabulary_size, None)
    card = _card("language", {"architecture": "ngram", "order": 3}, objective="next-token", sampling=sampling())
    saved.save(folder, weights, card, _tokenizer(folder, made))


def cloze(folder: Path) -> None:
    from anamnesis.tasks.cloze.blanks import candidates
    from anamnesis.tasks.cloze.network import ClozeNetwork
    from anamnesis.tasks.cloze.settings import Recurrent

    model = {"architecture": "gru", "hidden": 4, "direction": "both"}
    made = words.learn([TEXT])
    network = ClozeNetwork(Recurrent.model_validate(model), candidates(made))
    saved.save(folder, arrays(network), _card("language", model, objective="cloze"), _tokenizer(folder, made))


def word_number(folder: Path) -> None:
    from anamnesis.tasks.language.serving import EXAMPLES
    from anamnesis.tasks.numbers.network import new_network
    from anamnesis.tasks.numbers.settings import Connected

    model = {"architecture": "fc", "window": 2, "hidden": 3}
    made = words.learn([EXAMPLES["word-number"]])
    numbered = np.arange(3, made.vocabulary_size)
    weights = arrays(new_network(Connected.model_validate(model))) | {"words": numbered}
    card = _card("language", model, objective="word-number", length=5)
    saved.save(folder, weights, card, _tokenizer(folder, made))


def passage(folder: Path) -> None:
    from anamnesis.tasks.language.network import RecurrentNetwork
    from anamnesis.tasks.language.settings import Recurrent
    from anamnesis.tasks.passages.classifier import new_head
    from anamnesis.tasks.passages.settings import States

    model = {"architecture": "states", "hidden": 3, "summary": "mean", "longest": 50}
    reader = {"architecture": "gru", "hidden": 4}
    made = characters.learn([TEXT])
    network = RecurrentNetwork(Recurrent.model_validate(reader), made.vocabulary_size)
    weights = arrays(network, "reader/") | arrays(new_head(States.model_validate(model), 4, 2), "head/")
    weights |= {"mean": np.zeros(4, np.float32), "scale": np.ones(4, np.float32)}
    card = _card("language", model, objective="passage", labels=LABELS, reader=reader)
    saved.save(folder, weights, card, _tokenizer(folder, made))


def translation(folder: Path) -> None:
    from anamnesis.tasks.translation.model.network import EncoderDecoder
    from anamnesis.tasks.translation.settings import Attentive

    model = {"architecture": "attention", "cell": "gru", "hidden": 4, "embedding": 3}
    made = words.learn([TEXT])
    network = EncoderDecoder(Attentive.model_validate(model), made.vocabulary_size, made.vocabulary_size)
    more = _tokenizer(folder, made, "source_tokenizer.json", "target_tokenizer.json")
    saved.save(folder, arrays(network), _card("translation", model, search={"beam": 2}), more)


def documents(folder: Path) -> None:
    from anamnesis.tasks.classification.network import DocumentNetwork
    from anamnesis.tasks.classification.reading import vocabulary
    from anamnesis.tasks.classification.settings import Experiment

    content = _card("classification", {"architecture": "gru", "hidden": 4, "embedding": 3}, reads="documents")
    content |= {"tokens": "toy", "length": 9, "training": {"epochs": 1, "learning_rate": 0.1}}
    names = {*Experiment.model_fields}
    experiment = Experiment.model_validate({name: value for name, value in content.items() if name in names})
    made = words.learn([TEXT])
    network = DocumentNetwork(experiment.model, vocabulary(made, experiment), 2)
    card = content | experiment.model_dump(mode="json") | {"labels": LABELS}
    saved.save(folder, arrays(network), card, _tokenizer(folder, made))


def videos(folder: Path) -> None:
    from anamnesis.tasks.video.network import VideoNetwork
    from anamnesis.tasks.video.videos import CLASSES, PARTS

    from anamnesis.tasks.video.settings import Experiment

    model = {"architecture": "cnn-lstm", "hidden": 4, "channels": 2, "features": 3}
    content = {"task": "classification", "reads": "videos", "tokens": "toy", "model": model, "videos": {"size": 16}}
    experiment = Experiment.model_validate(content | {"training": {"epochs": 1, "learning_rate": 0.1}})
    network = VideoNetwork(experiment.model, experiment.videos.size, PARTS)
    card = _card("classification", model) | experiment.model_dump(mode="json") | {"labels": CLASSES}
    saved.save(folder, arrays(network), card, {})


def captions(folder: Path) -> None:
    from anamnesis.tasks.captioning.model.images import width
    from anamnesis.tasks.captioning.model.network import CaptionNetwork
    from anamnesis.tasks.captioning.settings import Network

    model = {"architecture": "cnn-gru", "hidden": 4, "channels": 2, "embedding": 3}
    network = CaptionNetwork(Network.model_validate(model), width(2))
    card = _card("captioning", model, images={"longest": 2, "shortest": 1}, search={"beam": 2})
    saved.save(folder, arrays(network), card, {})


def forecast(folder: Path) -> None:
    from anamnesis.tasks.forecasting.network import new_network
    from anamnesis.tasks.forecasting.settings import Model

    model = {"architecture": "lstm", "window": 4, "hidden": 3}
    network = new_network(TypeAdapter(Model).validate_python(model))
    weights = arrays(network) | {"mean": np.zeros(1), "scale": np.ones(1)}
    saved.save(folder, weights, _card("forecasting", model), {})


def memory(folder: Path) -> None:
    from anamnesis.tasks.memory import saved as memory_saved
    from anamnesis.tasks.memory.network import recall_network, text_network
    from anamnesis.tasks.memory.settings import Experiment

    content = {"task": "memory", "tokens": "toy", "model": {"architecture": "gru"}, "parameters": 1000, "features": 3}
    experiment = Experiment.model_validate(content)
    cell = experiment.model.sized(4)
    networks = {f"text.{when}": text_network(cell, 3, 10) for when in ("initial", "trained")}
    networks[memory_saved.key("copy", 1, 2)] = recall_network("copy", cell, experiment)
    weights = {name: value for key, each in networks.items() for name, value in arrays(each, f"{key}/").items()}
    card = _card("memory", {"architecture": "gru"}) | experiment.model_dump(mode="json")
    card |= {"allowed_parameters": 1000, "hidden": 4, "vocabulary_size": 10}
    card["trained"] = [{"probe": "copy", "seed": 1, "lag": 2, "steps": 10}]
    saved.save(folder, weights, card, {"tokenizer.json": b"{}", "clipping.csv": b""})


MAKERS: dict[str, Callable[[Path], None]] = {
    made.__name__: made
    for made in (
        next_token,
        ngram,
        cloze,
        word_number,
        passage,
        translation,
        documents,
        videos,
        captions,
        forecast,
        memory,
    )
}


def load(folder: Path) -> Any:
    """The model of a folder, by the loader of the task that its card names."""
    from anamnesis.tasks.memory.saved import load

    task = saved.read_card(folder).get("task")
    return load(folder) if task == "memory" else serving.module(task).load(folder)


def sign(folder: Path, card: dict[str, Any]) -> None:
    """Write a card whose digests and fingerprint are right, as whoever forges a model can."""
    names = card.get("files")
    for name in ("weights.safetensors", *(names if isinstance(names, list) else [])):
        if isinstance(name, str) and (folder / name).is_file():
            card[f"{name.partition('.')[0]}_sha256"] = files.sha256_file(folder / name)
    files.write_json(folder / "model.json", card | {"fingerprint": saved.fingerprint(card)})
