"""The train stage of a captioning model: from token store and settings to a model folder."""

from pathlib import Path
from typing import Any

from anamnesis import console
from anamnesis import models as folders
from anamnesis.tasks.captioning import saved
from anamnesis.tasks.captioning.settings import Experiment, Network
from anamnesis.training.watch import StartWatch, Watch, watched

# Held-out images that are captioned after each epoch.
SAMPLES = 5


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the token store holds no images.
    """
    store = root / "data" / "tokens" / experiment.tokens
    inputs = folders.inputs_digest(experiment, store)

    def fitted(watch: Watch) -> dict[str, Any]:
        if isinstance(experiment.model, Network):
            return _train_network(name, experiment, experiment.model, root, store, inputs, watch)
        return _floor(name, experiment, root, store, inputs)

    watched(start, name, experiment, inputs, root, fitted)


def _floor(name: str, experiment: Experiment, root: Path, store: Path, inputs: str) -> dict[str, Any]:
    from anamnesis.data.stores.store import open_images, read_stats
    from anamnesis.tasks.captioning.rows import make

    known = make(open_images(store, "train"), experiment.rows, "train")
    card = folders.new_card(name, experiment, read_stats(store), 0, None, inputs)
    card = folders.store(root, name, saved.arrays(known), card, {})
    console.summary("train", name, f"nothing to train; it looks among {len(known):,} images")
    return card


def _train_network(
    name: str, experiment: Experiment, settings: Network, root: Path, store: Path, inputs: str, watch: Watch
) -> dict[str, Any]:
    import torch

    from anamnesis.data.stores.store import open_images, read_stats
    from anamnesis.stages.train import train_network
    from anamnesis.tasks.captioning.batches import batches
    from anamnesis.tasks.captioning.module import CaptioningModule
    from anamnesis.tasks.captioning.network import Captioner
    from anamnesis.tasks.captioning.reader import NetworkReader
    from anamnesis.tasks.captioning.rows import make, width
    from anamnesis.training.fit import seed

    torch.set_num_threads(1)
    assert experiment.training is not None
    known = make(open_images(store, "train"), experiment.rows, "train")
    held_out = make(open_images(store, "valid"), experiment.rows, "valid")
    loader = batches(known, experiment.batch, experiment.seed)
    seed(experiment.seed)
    network = Captioner(settings, width(experiment.rows.longest))
    module = CaptioningModule(network, experiment.training, len(loader))
    reader = NetworkReader({}, network, experiment.rows, experiment.search)
    shown = held_out[:SAMPLES]

    def sample() -> str:
        found = reader.caption(shown.pixels, 1)
        return "\n".join(f"= {true}\n< {best[0].text}" for true, best in zip(shown.captions(), found, strict=True))

    return train_network(
        name,
        experiment,
        root,
        read_stats(store),
        inputs,
        watch,
        module,
        loader,
        batches(held_out, 200, None),
        headline="valid_perplexity",
        epoch=("images", len(known)),
        sample=sample,
    )
