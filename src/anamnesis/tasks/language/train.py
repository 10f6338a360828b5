"""The train stage of a language model: from token store and settings to a model folder."""

from pathlib import Path
from typing import Any

from anamnesis import models as folders
from anamnesis.tasks.language import baselines, objectives, saved, transfer
from anamnesis.tasks.language.bits import bits_per_character_of
from anamnesis.tasks.language.settings import Experiment, Reader, Streams, Windows
from anamnesis.training.watch import StartWatch, Watch, watched


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

    from anamnesis.data.stores.store import read_stats
    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.stages.train import train_network
    from anamnesis.tasks.language.module import LanguageModule
    from anamnesis.tasks.language.network import RecurrentNetwork
    from anamnesis.tasks.language.reencoded import read_split
    from anamnesis.tasks.language.streams import StreamBatches, WindowBatches, validation_batches
    from anamnesis.training.fit import seed

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
    module = LanguageModule(
        network,
        experiment.training,
        len(batches),
        bits_per_character_of(counts, stats["alphabet"]),
        getattr(experiment.batches, "truncate", None),
    )
    tokenizer_file = {saved.TOKENIZER: folders.read_bytes(tokenizer_path)}
    return train_network(
        name,
        experiment,
        root,
        stats,
        inputs,
        watch,
        module,
        batches,
        validation_batches(held_out, vocabulary.start_id),
        headline="valid_perplexity",
        epoch=("tokens", len(batches) * _tokens_per_step(experiment)),
        more=tokenizer_file,
        entries={"alphabet": stats["alphabet"]} | ({} if begun is None else transfer.card_entries(begun, stats)),
        sample=lambda: _sample(network, experiment, vocabulary, module.current_epoch + 1),
    )


def _sample(network: Any, experiment: Experiment, vocabulary: Any, epoch: int) -> str:
    """The prompt and what the network, in evaluation mode, writes after it, drawn anew each epoch."""
    from anamnesis.tasks.language.generation import generate
    from anamnesis.tasks.language.network import RecurrentPredictor

    predictor = RecurrentPredictor(network, {}, vocabulary)
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
    return sampling.prompt + "".join(pieces)


def _tokens_per_step(experiment: Experiment) -> int:
    """Tokens that the network reads in one optimiser step."""
    match experiment.batches:
        case Streams(batch=batch, steps=steps):
            return batch * steps
        case Windows(batch=batch, length=length):
            return batch * length
