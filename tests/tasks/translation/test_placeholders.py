"""Placeholders, unknown symbols and capitals: how a network reads them, and what a translation may hold."""

from collections import Counter

import pytest

from anamnesis.data.stores.pairs import open_pairs, pair_texts
from anamnesis.data.text.placeholders import MARKERS, find_copied
from anamnesis.data.tokenizers import subwords, tokenizer
from anamnesis.nn.search import Hypothesis
from anamnesis.tasks.translation.evaluation.attention import attention_map
from anamnesis.tasks.translation.model import translator
from anamnesis.tasks.translation.model.languages import Language
from anamnesis.tasks.translation.model.translator import NetworkTranslator
from anamnesis.tasks.translation.settings import Search

from .conftest import ATTENTIVE, SEQ2SEQ, write_store

PAIRS = [
    ("Open the file %s now?", "Open nu het bestand %s?"),
    ("{name} is in <b>%s</b>.", "In <b>%s</b> is {name}."),
    ("Not in %s", "Niet in {x}"),
    ("No file.", "Geen bestand."),
] * 4
TEXTS = ["Open %s", "{a}, {b} and {a}", "<b>file</b> %1$s", "the file", "x \U0001f642 %s \U0001f642", "NOT THE %s", "é"]


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A store with markers, of a vocabulary that both languages share."""
    entry = {"kind": "subword-pairs", "size": 290, "placeholders": True}
    return write_store(tmp_path_factory.mktemp("marked"), "marked", PAIRS, **entry)


@pytest.fixture
def model(marked, network):
    """A network without training that writes many markers, and ends."""

    def make(settings):
        source, target = (Language(tokenizer.load(marked / f"{side}_tokenizer.json")) for side in ("source", "target"))
        made = network(settings, source.size, target.size, 1.0)
        made.output.bias.data[list(target.markers)] += 8.0
        made.output.bias.data[target.end] += 6.0
        return NetworkTranslator({"experiment": "mine"}, source, target, made, Search(extra=3))

    return make


def test_markers_replace_placeholders_in_a_store(marked):
    pairs, texts = open_pairs(marked, "test"), pair_texts(marked, "test")
    assert list(zip(*texts, strict=True)) == PAIRS
    learned = tokenizer.load(marked / "target_tokenizer.json")
    decoded = [[learned.decode(side[number]) for number in range(4)] for side in (pairs.source, pairs.target)]
    # A placeholder that the source lacks stays in the target.
    assert decoded == [
        ["Open the file \x01 now?", "\x01 is in \x02\x03\x04.", "Not in \x01", "No file."],
        ["Open nu het bestand \x01?", "In \x02\x03\x04 is \x01.", "Niet in {x}", "Geen bestand."],
    ]
    language = Language(learned)
    for number, text in enumerate(texts[0][:4]):
        encoded = language.encode(text)
        assert encoded.ids == [*pairs.source[number], language.end]
        assert language.decode(encoded.ids, encoded) == text


@pytest.mark.parametrize("kind", ["additive-gru-1", "additive-gru-1-feeding", "gru-1"])
@pytest.mark.parametrize("beam", [1, 4])
def test_a_translation_has_no_placeholder_more_often_than_its_text(model, kind, beam):
    made = model((SEQ2SEQ | ATTENTIVE)[kind])
    used = 0
    for text, best in zip(TEXTS, made.translate(TEXTS, beam, beam), strict=True):
        wanted = Counter({part: text.count(part) for part in find_copied(text, made.source.tokenizer.alphabet())})
        losses = []
        for each in best:
            written = Counter({part: each.text.upper().count(part.upper()) for part in wanted})
            assert written <= wanted
            assert not {*MARKERS, "\ufffd"} & set(each.text)
            used += written.total()
            losses.append(wanted.total() - written.total())
        assert losses == sorted(losses)
    assert used >= len(TEXTS) - 1


def test_translations_with_more_placeholders_come_first_then_better_scores(model, monkeypatch):
    made = model(ATTENTIVE["additive-gru-1"])
    texts = ["No file.", "In \x01", "\x02 in \x01", "No \x02", "\x01\x02"]
    found = [
        Hypothesis(made.target.tokenizer.encode(text).tolist(), True, -float(place), -float(place))
        for place, text in enumerate(texts)
    ]
    asked = []

    def search(step, state, start, end, limits, width, n_best, penalty):
        asked.append(n_best)
        return [found[:n_best]] * len(limits)

    monkeypatch.setattr(translator, "search", search)
    [best] = made.translate(["{a} of %s"], 5, 4)
    assert [each.text for each in best] == ["%s in {a}", "{a}%s", "In {a}", "No %s"]
    assert [[each.text for each in best] for best in made.translate(["{a} of %s"], 5)] == [["%s in {a}"]]
    # Without placeholders, the search returns no more hypotheses than are asked for.
    made.translate(["No file."], 5)
    assert asked == [5, 5, 1]


def test_attention_shows_the_placeholders(model):
    made = model(ATTENTIVE["additive-gru-1"])
    [[best]] = made.translate(["Open %s"], 2)
    found = attention_map(made, "Open %s", best)
    assert "".join(found.source) == "Open %s</s>"
    assert "%s" in "".join(found.target)


def test_a_text_in_capitals_is_read_in_small_letters(marked):
    language = Language(tokenizer.load(marked / "source_tokenizer.json"))
    small, capitals = language.encode("Not in %S, the file"), language.encode("NOT IN %S, THE FILE")
    assert capitals.ids == small.ids
    assert (capitals.capitals, small.capitals) == (True, False)
    assert language.decode(small.ids, capitals) == "NOT IN %S, THE FILE"
    # Abbreviations keep their capitals, as does every text where a tokenizer has no markers.
    assert not language.encode("USB").capitals
    assert not Language(subwords.learn(["a"], 256)).encode("NOT THE FILE").capitals


@pytest.mark.parametrize("beam", [1, 3])
def test_any_bytes_a_network_writes_are_valid_text(network, beam):
    language = Language(subwords.learn(["the file é"], 260))
    made = network(ATTENTIVE["additive-gru-1"], language.size, language.size, 1.0)
    high = [i for i in range(256) if language.tokenizer.decode([i]) == ""]
    assert len(high) == 128
    made.output.bias.data[high] += 4.0
    found = NetworkTranslator({"experiment": "mine"}, language, language, made, Search()).translate(["the file"], beam)
    assert set(found[0][0].ids) & set(high)
    assert "\ufffd" not in found[0][0].text
