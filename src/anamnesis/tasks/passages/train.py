"""The train stage of telling a passage's label: on states read once, or through the language model in every epoch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console
from anamnesis.tasks.language import transfer
from anamnesis.tasks.passages.settings import Experiment, States
from anamnesis.training.watch import StartWatch, Watch, watched

if TYPE_CHECKING:
    from anamnesis.tasks.language.network import RecurrentPredictor

# This slice and what it takes from the language slice: an edit there starts the training anew.


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the settings do not fit the data or the model to start from.
    """
    inputs = transfer.inputs_digest(experiment, root)
    watched(start, name, experiment, inputs, root, lambda watch: _train(name, experiment, root, inputs, watch))


def reader_of(experiment: Experiment, root: Path) -> "RecurrentPredictor | None":
    """The language model whose states are read, its weights drawn anew where the settings say so; None: there is none.

    Raises:
        AnamnesisError: as `transfer.start_model`.
    """
    from anamnesis.tasks.language.network import RecurrentNetwork, RecurrentPredictor
    from anamnesis.training.fit import seed

    if not isinstance(experiment.model, States):
        return None
    assert experiment.start is not None
    reader = transfer.start_model(experiment.start, root)
    if not experiment.model.untrained:
        return reader
    seed(experiment.seed)
    drawn = RecurrentNetwork(transfer.settings_of(reader), reader.tokenizer.vocabulary_size)
    return RecurrentPredictor(drawn.eval(), reader.card, reader.tokenizer)


def _train(name: str, experiment: Experiment, root: Path, inputs: str, watch: Watch) -> dict[str, Any]:
    import torch

    from anamnesis.data.stores.store import read_stats
    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.models import read_bytes
    from anamnesis.stages.train import train_network
    from anamnesis.tasks.passages import saved
    from anamnesis.tasks.passages.classifier import features, new_head
    from anamnesis.tasks.passages.features import passages, standard
    from anamnesis.tasks.passages.finetuning import FineTuned, padded, untrained
    from anamnesis.tasks.passages.module import Batch, PassageModule
    from anamnesis.training.batches import Batches
    from anamnesis.training.fit import seed

    torch.set_num_threads(1)
    model, store = experiment.model, root / "data" / "tokens" / experiment.tokens
    finetuned = model if isinstance(model, States) and model.finetune else None
    texts, wanted = {}, {}
    for split in ("train", "valid"):
        texts[split], wanted[split] = passages(store, split)
    stats, reader = read_stats(store), reader_of(experiment, root)
    source = store if reader is None else root / "models" / str(experiment.start)
    vocabulary = tokenizer.load(source / saved.TOKENIZER)
    read: dict[str, NDArray[np.float32]] = {}
    # Where the language model learns, too, what it makes of the passages now gives only the scale of the features.
    reading = {"train": texts["train"]} if finetuned else texts
    with console.progress() as bar:
        task = bar.add_task(f"train {name}, reading", total=sum(map(len, reading.values())))
        for split, each in reading.items():
            read[split] = features(model, vocabulary, reader, each, lambda count: bar.advance(task, count))
    mean, scale = standard(read["train"])
    labels = stats["labels"]
    # Once more, so that the network on top starts alike whatever was drawn before.
    seed(experiment.seed)
    head = new_head(model, len(mean), len(labels))
    network: torch.nn.Module = head

    def batches(split: str, size: int, order: int | None) -> Batches[Batch]:
        targets = torch.from_numpy(wanted[split])
        if finetuned:
            ids = [vocabulary.encode(text[: finetuned.longest]) for text in texts[split]]
            return Batches(lambda rows: (*padded([ids[row] for row in rows]), targets[rows]), len(ids), size, order)
        standardised = torch.from_numpy((read[split] - mean) / scale)
        return Batches(lambda rows: (standardised[rows], targets[rows]), len(standardised), size, order)

    arrays, entries = {"mean": mean, "scale": scale}, {"labels": labels}
    entries["train_text_sha256"] = stats["splits"]["train"]["text_sha256"]
    if reader is not None:
        kept: dict[str, torch.Tensor] = dict(reader.network.named_parameters())
        entries |= {"reader": reader.card["model"], **transfer.card_entries(reader, stats)}
        if finetuned:
            kept = untrained(reader.network)
            # The language model was read in evaluation mode, and Lightning would leave it there.
            network = FineTuned(finetuned, reader.network, head, mean, scale).train()
        arrays |= saved.named("reader", kept)
    train = batches("train", experiment.batch, experiment.seed)
    module = PassageModule(network, experiment.training, len(train), len(labels))
    return train_network(
        name,
        experiment,
        root,
        stats,
        inputs,
        watch,
        module,
        train,
        batches("valid", experiment.batch if finetuned else 1024, None),
        headline="valid_accuracy",
        epoch=("passages", len(texts["train"])),
        more={saved.TOKENIZER: read_bytes(source / saved.TOKENIZER)},
        entries=entries,
        arrays=arrays,
        prefix="" if finetuned else "head/",
    )
