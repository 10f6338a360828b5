"""Speed of the classifiers of documents: the LSTM written from its gates against the fused one, in a whole training."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Result, alternate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
VOCABULARY, LABELS, DOCUMENTS = 11_600, 8, 1280


def classification() -> Result:
    """Documents a second of our training: the settings of news-lstm-gates and news-lstm, on documents made up."""
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


def _documents(seed: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Ids of documents one after the other, half of them longer than 66 words as news are, and where each starts."""
    import numpy as np

    random = np.random.default_rng(seed)
    lengths = np.exp(random.normal(np.log(66), 1.0, DOCUMENTS)).astype(np.int64) + 1
    offsets = np.cumsum([0, *lengths.tolist()], dtype=np.int64)
    return random.integers(3, VOCABULARY, size=offsets[-1]), offsets


def _training(name: str, scratch: Path) -> Callable[[], None]:
    """An epoch of an experiment's network."""
    import torch

    from anamnesis import params
    from anamnesis.tasks.classification.network import DocumentNetwork
    from anamnesis.tasks.classification.reading import Reading
    from anamnesis.tasks.classification.settings import Experiment, TfIdf
    from anamnesis.tasks.labels.module import Batch, ClassificationModule
    from anamnesis.training.batches import Batches
    from anamnesis.training.fit import fit

    experiment = params.load(ROOT / "params.yaml").experiments[name]
    assert isinstance(experiment, Experiment)
    assert experiment.training
    assert not isinstance(experiment.model, TfIdf)
    model, settings = experiment.model, experiment.training.model_copy(update={"epochs": 1})
    reading = Reading(*_documents(1), experiment, VOCABULARY)
    labels = torch.arange(DOCUMENTS) % LABELS

    def batches(documents: int) -> Batches[Batch]:
        return Batches(lambda rows: (reading.pick(rows), labels[rows]), documents, experiment.batch, None)

    def run() -> None:
        # Or the training would resume from the checkpoint of the last turn.
        (scratch / f"{name}.ckpt").unlink(missing_ok=True)
        torch.manual_seed(1)
        train = batches(DOCUMENTS)
        module = ClassificationModule(DocumentNetwork(model, VOCABULARY + 1, LABELS), settings, len(train))
        fit(name, module, train, batches(32), settings, experiment.trainer, scratch / f"{name}.ckpt", lambda row: "")

    return run
