"""Placeholders, unknown symbols and capitals on their way through a network, and what a translation may hold."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anamnesis.data.stores.store import open_pairs, pair_texts
from anamnesis.data.text.placeholders import MARKERS, copied
from anamnesis.data.tokenizers import subwords, tokenizer
from anamnesis.nn.search import Hypothesis
from anamnesis.tasks.translation import translator
from anamnesis.tasks.translation.settings import Search
from anamnesis.tasks.translation.sides import Side
from anamnesis.tasks.translation.translator import NetworkTranslator

from .conftest import ATTENTIVE, SEQ2SEQ, write_store

PAIRS = [
    ("Open the file %s now?", "Open nu het bestand %s?"),
    ("{name} is in <b>%s</b>.", "In <b>%s</b> is {name}."),
    ("Not in %s", "Niet in {x}"),
    ("No file.", "Geen bestand."),
] * 4
TEXTS = ["Open %s", "{a}, {b} and {a}", "<b>file</b> %1$s", "the file", "x \U0001f642 %s \U0001f642", "NOT THE %s", "é"]


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with markers, of a vocabulary that both languages share."""
    splits = {"train": PAIRS, "valid": PAIRS[:2], "test": PAIRS[:4]}
    root = tmp_path_factory.mktemp("marked")
    return write_store(root, "marked", splits, kind="subword-pairs", size=290, placeholders=True)


@pytest.fixture
def model(marked: Path, network: Callable[..., Any]) -> Callable[..., NetworkTranslator]:
    """A network without training that likes markers, and with `ends`, to end."""

    def make(settings: dict[str, Any], ends: float = 6.0) -> NetworkTranslator:
        source, target = (Side(tokenizer.load(marked / f"{side}_tokenizer.json")) for side in ("source", "target"))
        made = network(settings, source.size, target.size, 1.0)
        made.output.bias.data[list(target.markers)] += 8.0
        made.output.bias.data[target.end] += ends
        return NetworkTranslator({"experiment": "mine"}, source, target, made, Search(extra=3))

    return make


def test_a_store_has_markers_and_its_tables_the_texts(marked: Path) -> None:
    pairs, texts = open_pairs(marked, "test"), pair_texts(marked, "test")
    assert list(zip(*texts, strict=True)) == PAIRS[:4]
    learned = tokenizer.load(marked / "target_tokenizer.json")
    decoded = [[learned.decode(side[number]) for number in range(4)] for side in (pairs.source, pairs.target)]
    # What the source has not stays as it is.
    assert decoded == [
        ["Open the file \x01 now?", "\x01 is in \x02\x03\x04.", "Not in \x01", "No file."],
        ["Open nu het bestand \x01?", "In \x02\x03\x04 is \x01.", "Niet in {x}", "Geen bestand."],
    ]
    side = Side(learned)
    for number, text in enumerate(texts[0]):
        assert side.encode(text) == [*pairs.source[number], side.end]
        assert side.write(side.encode(text), side.read(text)) == text


@pytest.mark.parametrize("kind", ["additive-gru-1", "additive-gru-1-feeding", "gru-1"])
@pytest.mark.parametrize("beam", [1, 4])
def test_a_translation_has_no_placeholder_more_often_than_its_text(
    model: Callable[..., NetworkTranslator], kind: str, beam: int
) -> None:
    made = model((SEQ2SEQ | ATTENTIVE)[kind])
    found = made.translate(TEXTS, beam, beam)
    used = 0
    for text, best in zip(TEXTS, found, strict=True):
        wanted = Counter({part: text.count(part) for part in copied(text, made.source.tokenizer.alphabet())})
        for each in best:
            written = Counter({part: each.text.upper().count(part.upper()) for part in wanted})
            assert written <= wanted
            assert not set(MARKERS) & set(each.text)
            assert "\ufffd" not in each.text
            used += written.total()
        losses = [wanted.total() - sum(each.text.upper().count(part.upper()) for part in wanted) for each in best]
        assert losses == sorted(losses)
    assert used >= len(TEXTS) - 1


def test_what_lost_least_comes_first_and_then_what_scores_best(
    model: Callable[..., NetworkTranslator], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model(ATTENTIVE["additive-gru-1"])
    read = made.target.tokenizer.encode
    texts = ["No file.", "In \x01", "\x02 in \x01", "No \x02", "\x01\x02"]
    found = [Hypothesis(read(text).tolist(), True, -float(place), -float(place)) for place, text in enumerate(texts)]
    widths = []

    def beam(step: Any, parts: Any, start: int, end: int, limits: Any, width: int, n_best: int, penalty: float) -> Any:
        widths.append(n_best)
        return [found[:n_best]] * len(limits)

    monkeypatch.setattr(translator, "beam", beam)
    [best] = made.translate(["{a} of %s"], 5, 4)
    assert [each.text for each in best] == ["%s in {a}", "{a}%s", "In {a}", "No %s"]
    assert [[each.text for each in best] for best in made.translate(["{a} of %s"], 5)] == [["%s in {a}"]]
    # The whole beam is asked for only where there is something to lose.
    made.translate(["No file."], 5)
    assert widths == [5, 5, 1]


def test_scores_stay_those_of_the_network(model: Callable[..., NetworkTranslator]) -> None:
    import numpy as np

    made = model(ATTENTIVE["additive-gru-1"])
    for text, best in zip(TEXTS, made.translate(TEXTS, 3, 3), strict=True):
        for each in best:
            ids = [*each.ids, made.target.end] if each.tokens[-1:] == ["</s>"] else each.ids
            [nats] = made.likelihoods([np.array(made.source.encode(text))], [np.array(ids)])
            assert each.score == pytest.approx(nats / len(ids), abs=1e-5)


def test_attention_shows_what_markers_stand_for(model: Callable[..., NetworkTranslator]) -> None:
    made = model(ATTENTIVE["additive-gru-1"])
    [[best]] = made.translate(["Open %s"], 2)
    tokens, attended = made.attended("Open %s", best)
    assert "".join(tokens) == "Open %s</s>"
    assert "%s" in "".join(attended.tokens)


def test_a_text_in_capitals_is_read_in_small_letters(marked: Path) -> None:
    side = Side(tokenizer.load(marked / "source_tokenizer.json"))
    small, capitals = side.read("Not in %S, the file"), side.read("NOT IN %S, THE FILE")
    assert capitals.ids == small.ids
    assert capitals.capitals
    assert not small.capitals
    assert side.write(small.ids, capitals) == "NOT IN %S, THE FILE"
    # An abbreviation stays; so does everything where a tokenizer has no markers.
    assert side.write(side.encode("USB"), side.read("USB")) == "USB"
    assert not side.read("USB").capitals
    assert not Side(subwords.learn(["a"], 256)).read("NOT THE FILE").capitals


@pytest.mark.parametrize("beam", [1, 3])
def test_any_bytes_a_network_writes_are_valid_text(network: Callable[..., Any], beam: int) -> None:
    side = Side(subwords.learn(["the file é"], 260))
    made = network(ATTENTIVE["additive-gru-1"], side.size, side.size, 1.0)
    high = [i for i in range(256) if side.tokenizer.decode([i]) == ""]
    assert len(high) == 128
    made.output.bias.data[high] += 4.0
    found = NetworkTranslator({"experiment": "mine"}, side, side, made, Search()).translate(["the file", "é"], beam)
    assert any(set(best[0].ids) & set(high) for best in found)
    assert not any("\ufffd" in best[0].text for best in found)
