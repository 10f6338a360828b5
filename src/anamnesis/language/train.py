"""The train stage of a language model: from token store and settings to a model folder."""

import shutil
from pathlib import Path
from typing import Any

from anamnesis import console, files
from anamnesis.language import baselines, saved
from anamnesis.language.bits import bits_per_character_of
from anamnesis.language.settings import Experiment, Recurrent, Streams, Windows
from anamnesis.training.watch import StartWatch, Watch

CODE = ("nn", "training", "language")


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME.

    An interrupted training leaves no model; run again, it goes on from its last checkpoint and ends with the bytes of
    a training that was never interrupted.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the settings do not fit the data.
    """
    store = root / "data" / "tokens" / experiment.tokens
    watch = start(name, experiment, saved.inputs_digest(experiment, store), root)
    try:
        if isinstance(experiment.model, Recurrent):
            card = _train_network(name, experiment, experiment.model, root, store, watch)
        else:
            card = baselines.fit(name, experiment, root)
    except BaseException:
        watch.fail()
        raise
    watch.finish(card["fingerprint"])


def _train_network(
    name: str, experiment: Experiment, model: Recurrent, root: Path, store: Path, watch: Watch
) -> dict[str, Any]:
    import torch

    from anamnesis.language.module import LanguageModule
    from anamnesis.language.network import RecurrentNetwork
    from anamnesis.language.streams import StreamBatches, WindowBatches
    from anamnesis.tokens import tokenizer
    from anamnesis.tokens.store import open_split, read_stats
    from anamnesis.training.best import Row
    from anamnesis.training.fit import fit, seed
    from anamnesis.training.state import checkpoint_path

    torch.set_num_threads(1)
    assert experiment.training is not None
    stats, vocabulary = read_stats(store), tokenizer.load(store / saved.TOKENIZER)
    seed(experiment.seed)
    network = RecurrentNetwork(model, vocabulary.vocabulary_size)
    ids, held_out = open_split(store, "train"), open_split(store, "valid")
    batches: StreamBatches | WindowBatches
    match experiment.batches:
        case Streams() as streams:
            batches = StreamBatches(ids, streams, vocabulary.start_id)
        case Windows() as windows:
            batches = WindowBatches(ids, windows, vocabulary.start_id, experiment.seed)
    lanes = Streams(batch=max(1, min(experiment.batches.batch, (len(held_out) - 1) // 50)))
    valid = StreamBatches(held_out, lanes, vocabulary.start_id)
    module = LanguageModule(
        network, experiment.training, len(batches), bits_per_character_of(stats["splits"]["valid"], stats["alphabet"])
    )
    inputs = saved.inputs_digest(experiment, store)
    checkpoint = checkpoint_path(root, name, inputs, CODE)

    def on_epoch(row: Row) -> str:
        epoch = int(row["epoch"])
        watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, epoch)
        text = _sample(network, experiment, vocabulary, epoch)
        watch.sample(text, epoch)
        return text

    fitted = fit(name, module, batches, valid, experiment.training, checkpoint, on_epoch)
    parameters = sum(value.numel() for value in fitted.weights.values())
    card = saved.new_card(name, experiment, stats, parameters, fitted.best_epoch, inputs)
    with files.new_folder(root / "models" / name) as folder:
        weights = {key: value.float().numpy() for key, value in fitted.weights.items()}
        card = saved.save(folder, weights, card, store / saved.TOKENIZER)
        files.write_text(folder / "history.csv", saved.history_csv(fitted.history))
        headed = (f"== after epoch {epoch} ==\n{text}\n" for epoch, text in enumerate(fitted.samples, start=1))
        files.write_text(folder / "samples.txt", "\n".join(headed))
    speed = fitted.steps * _tokens_per_step(experiment) / fitted.seconds
    files.write_json(
        root / ".anamnesis" / "timings" / f"{name}.json",
        {
            "fingerprint": card["fingerprint"],
            "seconds": fitted.seconds,
            "cpu_seconds": fitted.cpu_seconds,
            "tokens_per_second": speed,
        },
    )
    shutil.rmtree(checkpoint.parent, ignore_errors=True)
    best = fitted.history[fitted.best_epoch - 1]
    console.summary(
        "train",
        name,
        f"{parameters:,} parameters, valid perplexity {best['valid_perplexity']:.4g} "
        f"after epoch {fitted.best_epoch} of {len(fitted.history)}, {fitted.seconds:.0f} s, {speed:,.0f} tokens/s",
    )
    return card


def _sample(network: Any, experiment: Experiment, vocabulary: Any, epoch: int) -> str:
    """The prompt and what the network, as it is after this epoch, writes after it."""
    from anamnesis.language.generation import generate
    from anamnesis.language.network import RecurrentPredictor

    training = network.training
    predictor = RecurrentPredictor(network.eval(), {}, vocabulary)
    sampling = experiment.sampling
    pieces = generate(
        predictor,
        sampling.prompt,
        sampling.length,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        seed=experiment.seed + epoch,
    )
    text = sampling.prompt + "".join(pieces)
    network.train(training)
    return text


def _tokens_per_step(experiment: Experiment) -> int:
    """Tokens that the network reads in one optimiser step."""
    match experiment.batches:
        case Streams(batch=batch, steps=steps):
            return batch * steps
        case Windows(batch=batch, length=length):
            return batch * length
