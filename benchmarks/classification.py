"""Training speed of document classifiers: an LSTM written as equations, and PyTorch's fused LSTM."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import Result, alternate, train_epoch

if TYPE_CHECKING:
    from anamnesis.data.stores.documents import Documents

ROOT = Path(__file__).resolve().parent.parent
VOCABULARY, LABELS, DOCUMENTS = 11_600, 8, 1280


def classification() -> Result:
    """Documents per second with the settings of news-lstm-gates and of news-lstm, on random documents."""
    import torch

    torch.set_num_threads(1)
    scratch = Path(tempfile.mkdtemp())
    try:
        gates, fused = alternate(*(_training(name, scratch) for name in ("news-lstm-gates", "news-lstm")), rounds=3)
    finally:
        shutil.rmtree(scratch)
    speeds = [DOCUMENTS / seconds for seconds in (gates, fused)]
    return Result(
        "training news-lstm-gates against news-lstm, whose layer is fused",
        f"{speeds[0]:,.0f} documents/s",
        f"{speeds[1]:,.0f} documents/s",
        speeds[0] / speeds[1],
        0.3,
        True,
    )


def _documents() -> "Documents":
    """Random documents with a median of 66 words, like the news corpus."""
    import numpy as np

    from anamnesis.data.stores.documents import Documents

    random = np.random.default_rng(1)
    lengths = np.exp(random.normal(np.log(66), 1.0, DOCUMENTS)).astype(np.int64) + 1
    offsets = np.cumsum([0, *lengths.tolist()], dtype=np.int64)
    ids = random.integers(3, VOCABULARY, size=offsets[-1])
    return Documents(ids, offsets, np.arange(DOCUMENTS) % LABELS)


def _training(name: str, scratch: Path) -> Callable[[], None]:
    """A function that trains the network of an experiment for one epoch."""
    import torch

    from anamnesis import params
    from anamnesis.tasks.classification.model.batches import word_batch
    from anamnesis.tasks.classification.model.network import DocumentNetwork
    from anamnesis.training.batches import Batches
    from anamnesis.training.classification import classification_loss, epoch_metrics, new_sums
    from anamnesis.training.plan import NetworkPlan

    experiment = params.load(ROOT / "params.yaml").experiments[name]
    documents = _documents()
    labels = torch.from_numpy(documents.labels)

    def batches(count: int) -> Batches[Any]:
        return Batches(
            lambda rows: (word_batch(documents, rows.numpy(), experiment.model, VOCABULARY), labels[rows]),
            count,
            experiment.batch,
            None,
        )

    def run() -> None:
        torch.manual_seed(1)
        network = DocumentNetwork(experiment.model, VOCABULARY + 1, LABELS)
        plan = NetworkPlan(
            network,
            lambda batch, state: classification_loss(network, batch),
            batches(DOCUMENTS),
            batches(32),
            epoch_metrics,
            headline="valid_accuracy",
            unit="documents",
            units=DOCUMENTS,
            sums=new_sums(LABELS),
        )
        train_epoch(name, plan, experiment.training, experiment.trainer, scratch)

    return run
