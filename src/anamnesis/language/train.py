"""The train stage of a language model: from token store and settings to a model folder."""

import shutil
from pathlib import Path
from typing import Any

from anamnesis import console, files
from anamnesis.language import baselines, objectives, saved, transfer
from anamnesis.language.bits import bits_per_character_of
from anamnesis.language.settings import Experiment, Reader, Streams, Windows
from anamnesis.training import saved as folders
from anamnesis.training.watch import StartWatch, Watch, watched

CODE = ("nn", "training", "language")


def train(name: str, experiment: Any, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME.

    An interrupted training leaves no model; run again, it goes on from its last checkpoint and ends with the bytes of
    a training that was never interrupted.

    Args:
        name: the experiment.
        experiment: its settings; those of another objective than the next token go to the slice that has it.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the settings do not fit the data.
    """
    store = root / "data" / "tokens" / experiment.tokens
    if not isinstance(experiment, Experiment):
        objectives.module(experiment.objective, "train").train(name, experiment, root, start)
        return
    inputs = transfer.inputs_digest(experiment, root)

    def fitted(watch: Watch) -> dict[str, Any]:
        if experiment.start is not None and experiment.training is None:
            return transfer.untouched(name, experiment, root, inputs)
        if isinstance(experiment.model, Reader):
            return _train_network(name, experiment, experiment.model, root, store, inputs, watch)
        return baselines.fit(name, experiment, root, inputs)

    watched(start, name, experiment, inputs, root, fitted)


def _train_network(
    name: str, experiment: Experiment, model: Reader, root: Path, store: Path, inputs: str, watch: Watch
) -> dict[str, Any]:
    import torch

    from anamnesis.language.module import LanguageModule
    from anamnesis.language.network import RecurrentNetwork
    from anamnesis.language.reencoded import read_split
    from anamnesis.language.streams import StreamBatches, WindowBatches
    from anamnesis.tokens import tokenizer
    from anamnesis.tokens.store import read_stats
    from anamnesis.training.best import Row
    from anamnesis.training.fit import fit, seed
    from anamnesis.training.state import checkpoint_path

    torch.set_num_threads(1)
    assert experiment.training is not None
    stats, begun = read_stats(store), transfer.begun(experiment, root)
    tokenizer_path = (store if experiment.start is None else root / "models" / experiment.start) / saved.TOKENIZER
    vocabulary = tokenizer.load(tokenizer_path)
    seed(experiment.seed)
    network = RecurrentNetwork(model, vocabulary.vocabulary_size)
    if begun is not None:
        network.load_state_dict(begun.network.state_dict())
    ids, _ = read_split(store, "train", vocabulary)
    held_out, counts = read_split(store, "valid", vocabulary)
    batches: StreamBatches | WindowBatches
    match experiment.batches:
        case Streams() as streams:
            batches = StreamBatches(ids, streams, vocabulary.start_id)
        case Windows() as windows:
            batches = WindowBatches(ids, windows, vocabulary.start_id, experiment.seed)
    lanes = Streams(batch=max(1, min(experiment.batches.batch, (len(held_out) - 1) // 50)))
    valid = StreamBatches(held_out, lanes, vocabulary.start_id)
    module = LanguageModule(
        network,
        experiment.training,
        len(batches),
        bits_per_character_of(counts, stats["alphabet"]),
        getattr(experiment.batches, "truncate", None),
    )
    checkpoint = checkpoint_path(root, name, inputs, CODE)

    def on_epoch(row: Row) -> str:
        epoch = int(row["epoch"])
        watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, epoch)
        text = _sample(network, experiment, vocabulary, epoch)
        watch.sample(text, epoch)
        return text

    fitted = fit(name, module, batches, valid, experiment.training, checkpoint, on_epoch)
    parameters = sum(value.numel() for value in fitted.weights.values())
    card = folders.new_card(name, experiment, stats, parameters, fitted.best_epoch, inputs)
    if begun is not None:
        card |= transfer.card_entries(begun, stats)
    with files.new_folder(root / "models" / name) as folder:
        weights = {key: value.float().numpy() for key, value in fitted.weights.items()}
        card = saved.save(folder, weights, card, tokenizer_path)
        files.write_text(folder / "history.csv", folders.history_csv(saved.HISTORY, fitted.history))
        headed = (f"== after epoch {epoch} ==\n{text}\n" for epoch, text in enumerate(fitted.samples, start=1))
        files.write_text(folder / "samples.txt", "\n".join(headed))
    speed = fitted.steps * _tokens_per_step(experiment) / fitted.seconds
    folders.keep_timings(
        root, name, card, seconds=fitted.seconds, cpu_seconds=fitted.cpu_seconds, tokens_per_second=speed
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
        noise=sampling.noise,
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
