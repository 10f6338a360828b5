"""The evaluation: every number again from the model and the images; the served model captions files."""

import base64
import math

import numpy as np
import pytest
import torch
import toys as toy
from PIL import Image

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning import pictures, prediction
from anamnesis.tasks.captioning.evaluation import as_png
from anamnesis.tasks.captioning.evaluation.scores import character_error_rate, edits, exact_match
from anamnesis.tasks.captioning.model import letters
from anamnesis.tasks.captioning.model.images import open_captioned


def distance(one, other):
    """Levenshtein's distance by its recursive definition."""
    if not one or not other:
        return len(one) + len(other)
    if one[0] == other[0]:
        return distance(one[1:], other[1:])
    return 1 + min(distance(one[1:], other), distance(one, other[1:]), distance(one[1:], other[1:]))


def test_edits_are_levenshteins():
    random = np.random.default_rng(3)
    found, references = (
        ["".join(random.choice(list("ab "), size=random.integers(0, 5))) for _ in range(60)] for _ in range(2)
    )
    references = [each or "a" for each in references]
    expected = [distance(*pair) for pair in zip(found, references, strict=True)]
    assert edits(found, references) == expected
    assert character_error_rate(found, references) == pytest.approx(sum(expected) / sum(map(len, references)))
    assert exact_match(found, references) == pytest.approx(np.mean([each == 0 for each in expected]))


def perplexity(model, images):
    """exp of the mean of -log p of all letters, one image at a time."""
    nats, count = 0.0, 0
    for pixels, caption in zip(images.pixels, images.captions(), strict=True):
        ids = [*letters.encode(caption), letters.END]
        with torch.no_grad():
            logits = model.network(torch.from_numpy(pixels[None]), torch.tensor([ids]).T)[:, 0]
        nats -= float(logits.double().log_softmax(-1)[range(len(ids)), ids].sum())
        count += len(ids)
    return math.exp(nats / count)


@pytest.mark.parametrize("name", ["captioning-lstm", "captioning-nearest"])
def test_scores_of_a_model(toys, name):
    settings, network = toy.settings(name), name in toy.NETWORKS
    model, metrics, predictions = toys.results(name)
    for split in ("valid", "test"):
        images = open_captioned(toys.tokens(name), split, settings.images)
        assert metrics["data"][split] == images.sha256()
        best, greedy = ([each for [each] in model.caption(images.pixels, beam)] for beam in (2, 1))
        texts, references = [each.text for each in best], images.captions()
        expected = {
            "exact_match": pytest.approx(exact_match(texts, references), rel=1e-5),
            "character_error_rate": pytest.approx(character_error_rate(texts, references), rel=1e-5),
            "images": len(images),
        }
        if network:
            expected["exact_match_greedy"] = pytest.approx(exact_match([each.text for each in greedy], references))
            expected["perplexity"] = pytest.approx(perplexity(model, images), rel=1e-5)
        assert metrics[split] == expected
    rows = toy.rows(predictions / "captions.csv")
    for row, one, other, reference in zip(rows, best, greedy, references, strict=True):
        assert (row["reference"], row["caption"]) == (reference, one.text)
        assert int(row["edits"]) == edits([one.text], [reference])[0]
        assert row["greedy"] == (other.text if network else "")
        if network:
            scores = [float(row["score"]), float(row["greedy_score"])]
            assert scores == pytest.approx([one.score, other.score], rel=1e-4, abs=1e-5)
    lengths = toy.rows(predictions / "lengths.csv")
    assert sum(int(row["images"]) for row in lengths) == len(images)
    for row in lengths:
        chosen = [index for index, text in enumerate(references) if len(text.split()) == int(row["digits"])]
        assert int(row["images"]) == len(chosen) > 0
        both = [texts[index] for index in chosen], [references[index] for index in chosen]
        assert float(row["exact_match"]) == pytest.approx(exact_match(*both), rel=1e-5)
        assert float(row["character_error_rate"]) == pytest.approx(character_error_rate(*both), rel=1e-5)
    files = sorted((predictions / "images").iterdir())
    names = [f"{number:02d}-{text.replace(' ', '-')}.png" for number, text in enumerate(references[:12])]
    assert [path.name for path in files] == names
    for path, pixels in zip(files, images.pixels, strict=False):
        np.testing.assert_array_equal(np.asarray(Image.open(path))[4::8, 4::8], 255 - pixels)
        # The command reads the image that was scored.
        np.testing.assert_array_equal(pictures.open_image(path, path.name, 2), pixels)
    if network:
        history = toy.rows(toys.model(name) / "history.csv")
        best_epoch = min(float(row["valid_perplexity"]) for row in history)
        assert metrics["valid"]["perplexity"] == pytest.approx(best_epoch, rel=1e-4)


def test_the_server_gives_the_captions_of_files(toys):
    model = toys.loaded("captioning-gru")
    pixels = open_captioned(toys.tokens("captioning-gru"), "test", toy.settings("captioning-gru").images)[:5].pixels
    texts = [base64.encodebytes(as_png(each)).decode() for each in pixels]
    for options, beam in (({}, 2), ({"beam": 1}, 1)):
        expected = [best[0].text for best in model.caption(pixels, beam)]
        assert prediction.answer(model, [*texts, ""], options) == [*expected, ""]
    with pytest.raises(AnamnesisError, match=r"^text 2: not an image file in base64$"):
        prediction.answer(model, [texts[0], "three seven one"], {})
