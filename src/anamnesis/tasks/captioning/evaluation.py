"""The evaluate stage of a captioning model: exact matches and letters wrong on digits never seen in training."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import common_metrics, csv_text, curve_csv, question, rounded
from anamnesis.tasks.captioning import saved
from anamnesis.tasks.captioning.captions import Caption, Reader
from anamnesis.tasks.captioning.scores import character_error_rate, edits, exact_match
from anamnesis.tasks.captioning.settings import Experiment, Network

if TYPE_CHECKING:
    from anamnesis.tasks.captioning.rows import Captioned

# Test images that are written as files.
SHOWN = 12


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    `exact_match` and `character_error_rate` are of the captions that beam search finds, `exact_match_greedy` of those
    of greedy search; `perplexity` is that of a letter given the image and the true letters before it, the end as one of
    them. `data` holds the digests of the images themselves, which depend on the settings, too.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other data or settings.
    """
    from anamnesis.data.stores.store import open_images, read_stats
    from anamnesis.models import inputs_digest
    from anamnesis.tasks.captioning.rows import make

    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model = saved.load(folder)
    if model.card["inputs"] != inputs_digest(experiment, store):
        raise AnamnesisError(f"{folder}: trained on other images than there are now; run `anamnesis repro {name}`")
    held_out = {split: make(open_images(store, split), experiment.rows, split) for split in ("valid", "test")}
    network = isinstance(experiment.model, Network)
    digests = {split: images.sha256() for split, images in held_out.items()}
    rows = experiment.rows
    asked = question(
        f"captions of images of {rows.shortest} to {rows.longest} digits, noise {rows.noise:g}, seed {rows.seed}",
        **{split: {"images": each, "score": "exact match"} for split, each in digests.items()},
    )
    metrics = common_metrics(model.card, read_stats(store), asked)
    metrics["data"] = digests
    scores: dict[str, dict[str, float]] = {}
    with console.progress() as bar:
        task = bar.add_task(f"evaluate {name}", total=sum(map(len, held_out.values())) * (1 + network))
        for split, images in held_out.items():
            scores[split], found, plain = _scores(model, experiment, images, lambda count: bar.advance(task, count))
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_text(predictions / "captions.csv", _captions_csv(images, found, plain))
        files.write_text(predictions / "lengths.csv", _lengths_csv(images, found))
        _write_images(predictions / "images", images[:SHOWN])
        if network:
            files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
    files.write_json(root / "metrics" / f"{name}.json", metrics | scores)
    test = scores["test"]
    console.summary(
        "evaluate",
        name,
        f"test exact match {test['exact_match']:.1%}, character error rate {test['character_error_rate']:.2%}"
        + (f", perplexity {test['perplexity']:.4g}; greedy: {test['exact_match_greedy']:.1%}" if network else ""),
    )


def _scores(
    model: Reader, experiment: Experiment, images: "Captioned", progress: Callable[[int], object]
) -> tuple[dict[str, float], list[Caption], list[Caption] | None]:
    """The scores of one split, the captions, and those of greedy search: of a floor, none."""
    from anamnesis.tasks.captioning.reader import NetworkReader

    references = images.captions()
    found = [best[0] for best in model.caption(images.pixels, experiment.search.beam, progress=progress)]
    texts = [each.text for each in found]
    scores: dict[str, float] = {
        "exact_match": rounded(exact_match(texts, references)),
        "character_error_rate": rounded(character_error_rate(texts, references)),
        "images": len(images),
    }
    if not isinstance(model, NetworkReader):
        return scores, found, None
    plain = [best[0] for best in model.caption(images.pixels, 1, progress=progress)]
    perplexity = model.perplexity(images)
    if not math.isfinite(perplexity):
        raise AnamnesisError(f"{model.card['experiment']}: its weights are not finite; run `anamnesis repro` anew")
    scores["exact_match_greedy"] = rounded(exact_match([each.text for each in plain], references))
    scores["perplexity"] = rounded(perplexity)
    return scores, found, plain


def _captions_csv(images: "Captioned", found: list[Caption], plain: list[Caption] | None) -> str:
    """captions.csv: one row a test image; greedy search's columns and scores are empty where nothing was searched."""
    references = images.captions()
    wrong = edits([each.text for each in found], references)
    rows: list[tuple[object, ...]] = [("reference", "caption", "greedy", "score", "greedy_score", "edits")]
    for index, (reference, each) in enumerate(zip(references, found, strict=True)):
        other = plain[index] if plain is not None else Caption("", None)
        rows.append((reference, each.text, other.text, _number(each.score), _number(other.score), wrong[index]))
    return csv_text(rows)


def _lengths_csv(images: "Captioned", found: list[Caption]) -> str:
    """lengths.csv: the scores of the test images by how many digits they show."""
    references = np.array(images.captions())
    texts = np.array([each.text for each in found])
    rows: list[tuple[object, ...]] = [("digits", "images", "exact_match", "character_error_rate")]
    for count in np.unique(images.counts).tolist():
        chosen = images.counts == count
        both = texts[chosen].tolist(), references[chosen].tolist()
        rows.append((count, int(chosen.sum()), f"{exact_match(*both):.6g}", f"{character_error_rate(*both):.6g}"))
    return csv_text(rows)


def _write_images(folder: Path, images: "Captioned") -> None:
    """NN-three-seven-one.png of each image."""
    from anamnesis.tasks.captioning.pictures import as_png

    for number, (pixels, caption) in enumerate(zip(images.pixels, images.captions(), strict=True)):
        files.write_bytes(folder / f"{number:02d}-{caption.replace(' ', '-')}.png", as_png(pixels))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
