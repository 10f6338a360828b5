"""A captioning model as a folder of files: see `training.saved`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning.captions import Reader
from anamnesis.tasks.captioning.settings import Model, Nearest, Rows, Search

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anamnesis.tasks.captioning.rows import Captioned


def load(folder: Path) -> Reader:
    """Read a captioning model, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    card, weights = saved.read(folder)
    try:
        if card.get("task") != "captioning":
            raise ValueError
        settings: Model = TypeAdapter(Model).validate_python(card.get("model"))
        rows = Rows.model_validate(card.get("rows"))
        search = Search.model_validate(card.get("search"))
    except (ValidationError, ValueError):
        raise AnamnesisError(f"{folder}: not a model that captions") from None
    if isinstance(settings, Nearest):
        from anamnesis.tasks.captioning import nearest

        return nearest.Nearest(_known(folder, weights, rows), rows, card)
    from anamnesis.tasks.captioning.network import Captioner
    from anamnesis.tasks.captioning.reader import NetworkReader
    from anamnesis.tasks.captioning.rows import width

    columns = width(rows.longest)
    return NetworkReader(card, saved.network(folder, lambda: Captioner(settings, columns), weights), rows, search)


def arrays(known: "Captioned") -> "dict[str, NDArray[Any]]":
    """The arrays that the floor is stored as: images, their digits, and how many these are."""
    return {
        "pixels": known.pixels,
        "digits": known.digits.astype("uint8"),
        "counts": known.counts.astype("uint8"),
    }


def _known(folder: Path, weights: "dict[str, NDArray[Any]]", rows: Rows) -> "Captioned":
    import numpy as np

    from anamnesis.tasks.captioning.letters import WORDS
    from anamnesis.tasks.captioning.rows import HEIGHT, Captioned, width

    shapes = {
        "pixels": (rows.train, HEIGHT, width(rows.longest)),
        "digits": (rows.train, rows.longest),
        "counts": (rows.train,),
    }
    expected = {name: (shape, "uint8") for name, shape in shapes.items()}
    if {name: (value.shape, str(value.dtype)) for name, value in weights.items()} != expected or (
        weights["digits"].max() >= len(WORDS) or not _within(weights["counts"], 1, rows.longest)
    ):
        raise AnamnesisError(f"{folder}: the arrays are not the images that model.json describes")
    return Captioned(weights["pixels"], weights["digits"].astype(np.int64), weights["counts"].astype(np.int64))


def _within(values: "NDArray[np.uint8]", low: int, high: int) -> bool:
    return bool(values.min() >= low and values.max() <= high)
