"""The evaluation of a captioner: exact matches and wrong letters, on digits that training never showed."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.metrics.generation import number, search_columns, teacher_forcing_perplexity
from anamnesis.metrics.results import Evaluation, Progress, csv_text, question, round_score
from anamnesis.tasks.captioning.evaluation.scores import character_error_rate, edits, exact_match
from anamnesis.tasks.captioning.model.captions import Caption, Captioner
from anamnesis.tasks.captioning.model.images import BLACK, CaptionedImages, open_captioned
from anamnesis.tasks.captioning.settings import Network

# Test images that are written as PNG files.
SHOWN = 12
# Pixels of a PNG file for each pixel of an image, in both directions.
SCALE = 8
# Images in a batch of the perplexity.
BATCH = 100


def evaluate(model: Captioner, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """Exact match and character error rate on the validation and test images, and for a network its perplexity.

    `exact_match` and `character_error_rate` score the captions by beam search, `exact_match_greedy` those by greedy
    search. `perplexity` is that of a letter given the image and the letters before it, the end included. captions.csv
    has a row for each test image, lengths.csv the scores by number of digits, and images/ the first test images.
    """
    settings = experiment.images
    splits = {split: open_captioned(store, split, settings) for split in ("valid", "test")}
    network = isinstance(experiment.model, Network)
    # The digits alone do not say what was asked: other settings draw other images from them.
    digests = {split: images.sha256() for split, images in splits.items()}
    asked = question(
        f"captions of images of {settings.shortest} to {settings.longest} digits, noise {settings.noise:g}, seed "
        f"{settings.seed}",
        **{split: {"images": digest, "score": "exact match"} for split, digest in digests.items()},
    )
    progress.begin(sum(map(len, splits.values())) * (1 + network))
    metrics: dict[str, Any] = {"data": digests}
    for split, images in splits.items():
        references = images.captions()
        best = [each[0] for each in model.caption(images.pixels, experiment.search.beam, progress=progress.advance)]
        metrics[split] = _scores([each.text for each in best], references) | {"images": len(images)}
        greedy = None
        if network:
            greedy = [each[0] for each in model.caption(images.pixels, 1, progress=progress.advance)]
            metrics[split] |= {
                "exact_match_greedy": round_score(exact_match([each.text for each in greedy], references)),
                "perplexity": perplexity(model, images, split),
            }
    files: dict[str, str | bytes] = {
        "captions.csv": _captions_csv(references, best, greedy),
        "lengths.csv": _lengths_csv(images, best),
    }
    for place, (pixels, caption) in enumerate(zip(images.pixels[:SHOWN], references, strict=False)):
        files[f"images/{place:02d}-{caption.replace(' ', '-')}.png"] = as_png(pixels)
    test = metrics["test"]
    summary = f"test exact match {test['exact_match']:.1%}, character error rate {test['character_error_rate']:.2%}"
    if network:
        summary += f", perplexity {test['perplexity']:.4g}; greedy: {test['exact_match_greedy']:.1%}"
    return Evaluation(asked, metrics, files, summary)


def perplexity(model: Any, images: CaptionedImages, split: str) -> float:
    """The perplexity of a network on captioned images, by teacher forcing, to 6 significant digits.

    Raises:
        AnamnesisError: it is not finite.
    """
    from anamnesis.tasks.captioning.model.batches import new_batches

    name = f"{model.card['experiment']}: {split}"
    return teacher_forcing_perplexity(model.network, new_batches(images, BATCH, None), name)


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """An image (HEIGHT, width) as an enlarged PNG file, black on white; the same bytes every time."""
    from PIL import Image

    grey = BLACK - pixels.repeat(SCALE, 0).repeat(SCALE, 1)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG", optimize=False, compress_level=9)
    return file.getvalue()


def _scores(captions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    return {
        "exact_match": round_score(exact_match(captions, references)),
        "character_error_rate": round_score(character_error_rate(captions, references)),
    }


def _captions_csv(references: Sequence[str], best: Sequence[Caption], greedy: Sequence[Caption] | None) -> str:
    wrong = edits([each.text for each in best], references)
    rows = zip(references, search_columns(best, greedy), wrong, strict=True)
    return csv_text(
        [
            ("reference", "caption", "greedy", "score", "greedy_score", "edits"),
            *((reference, *columns, count) for reference, columns, count in rows),
        ]
    )


def _lengths_csv(images: CaptionedImages, best: Sequence[Caption]) -> str:
    references, captions = np.array(images.captions()), np.array([each.text for each in best])
    rows: list[tuple[object, ...]] = [("digits", "images", "exact_match", "character_error_rate")]
    for count in np.unique(images.counts).tolist():
        chosen = images.counts == count
        scores = _scores(captions[chosen].tolist(), references[chosen].tolist())
        rows.append((count, int(chosen.sum()), *map(number, scores.values())))
    return csv_text(rows)
