"""Translating texts: search against loops and teacher forcing, company, order, empty and too long texts, attention."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.data.tokenizers import words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation import translator
from anamnesis.tasks.translation.batches import collate
from anamnesis.tasks.translation.settings import Search
from anamnesis.tasks.translation.sides import Side
from anamnesis.tasks.translation.translations import Translation
from anamnesis.tasks.translation.translator import NetworkTranslator

from .conftest import ATTENTIVE, NETWORKS, SEQ2SEQ

SOURCE = Side(words.learn(["the cat sees a dog and runs."]))
TARGET = Side(words.learn(["de kat ziet een hond en rent weg."]))
TEXTS = [
    "the cat runs.",
    "a dog sees the cat and the cat sees a dog.",
    "runs",
    "the zebra sees a dog.",
    "dog dog dog dog",
    "a cat and a dog.",
]
SOME = {
    "gru": SEQ2SEQ["gru-1"],
    "lstm-reversed": SEQ2SEQ["lstm-2-reversed"],
    "additive-feeding": ATTENTIVE["additive-lstm-1-feeding"],
    "multiplicative": ATTENTIVE["multiplicative-gru-2"],
}
some = pytest.mark.parametrize("settings", SOME.values(), ids=SOME)

Make = Callable[..., NetworkTranslator]


@pytest.fixture
def model(network: Callable[..., Any]) -> Make:
    def make(settings: dict[str, Any], **search: Any) -> NetworkTranslator:
        made = network(settings, SOURCE.size, TARGET.size, 1.0)
        # So that some sentences end and others reach the limit.
        made.output.bias.data[TARGET.end] += 1.5
        return NetworkTranslator({"experiment": "mine"}, SOURCE, TARGET, made, Search(extra=3, **search))

    return make


def assert_same(found: list[Translation], expected: list[Translation]) -> None:
    assert [(one.text, one.ids, one.tokens) for one in found] == [(one.text, one.ids, one.tokens) for one in expected]
    assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-5)


def next_scores(made: NetworkTranslator, source: list[int], written: list[int]) -> torch.Tensor:
    """What may follow `written`, the whole of it read again, (target,)."""
    with torch.no_grad():
        state, memory = made.network.encode(torch.tensor(source)[:, None], torch.tensor([len(source)]))
        readouts = made.network.decode(torch.tensor([TARGET.start, *written])[:, None], state, memory)[0]
        return made.network.log_probabilities(readouts[-1, 0])


@pytest.mark.parametrize("settings", NETWORKS.values(), ids=NETWORKS)
def test_company_changes_no_translation(model: Make, settings: dict[str, Any]) -> None:
    made = model(settings, ratio=1.0)
    for beam in (1, 3):
        together = made.translate(TEXTS, beam, beam)
        for text, found in zip(TEXTS, together, strict=True):
            assert_same(found, made.translate([text], beam, beam)[0])


@some
def test_greedy_takes_the_likeliest_token_each_time(model: Make, settings: dict[str, Any]) -> None:
    made = model(settings, ratio=1.5)
    for text, [found] in zip(TEXTS, made.translate(TEXTS, 1), strict=True):
        source = SOURCE.encode(text)
        written: list[int] = []
        total = 0.0
        while TARGET.end not in written and len(written) < int(1.5 * len(source)) + 3:
            scores = next_scores(made, source, written)
            written.append(int(scores.argmax()))
            total += float(scores.max())
        assert found.ids == [i for i in written if i != TARGET.end]
        assert found.score == pytest.approx(total / len(written), abs=1e-5)
        assert found.text == TARGET.decode(written)
        assert found.tokens == TARGET.spell(written)
        assert found.attention is None


@some
def test_a_beam_of_one_is_greedy_search(model: Make, settings: dict[str, Any]) -> None:
    made = model(settings)
    plain = made.translate(TEXTS, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            translator, "greedy", lambda *given: [one for [one] in translator.beam(*given[:5], 1, 1, given[5])]
        )
        for found, expected in zip(made.translate(TEXTS, 1), plain, strict=True):
            assert_same(found, expected)


@some
@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
def test_scores_are_likelihoods_by_teacher_forcing(model: Make, settings: dict[str, Any], penalty: float) -> None:
    made = model(settings, length_penalty=penalty)
    found = made.translate(TEXTS, 4, 3)
    ended = []
    for text, best in zip(TEXTS, found, strict=True):
        assert len({tuple(one.ids) for one in best}) == len(best) == 3
        scores = [one.score for one in best]
        assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]
        for one in best:
            finished = one.tokens[-1:] == ["</s>"]
            ended.append(finished)
            ids = [*one.ids, TARGET.end] if finished else one.ids
            [nats] = made.likelihoods([np.array(SOURCE.encode(text))], [np.array(ids)])
            assert one.score == pytest.approx(nats / len(ids) ** penalty, abs=1e-5)
            assert one.text == TARGET.decode(one.ids)
            assert len(one.tokens) == len(ids)
    assert any(ended)


@some
def test_likelihoods_are_the_products_of_each_step(
    model: Make, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model(settings)
    targets = [[5, 6, TARGET.end], [TARGET.end], [3, 3, 7, 8, TARGET.end], [4, TARGET.end], [9, 5, TARGET.end]]
    sources = [SOURCE.encode(text) for text in TEXTS[:5]]
    expected = [
        sum(float(next_scores(made, source, target[:time])[token]) for time, token in enumerate(target))
        for source, target in zip(sources, targets, strict=True)
    ]
    given = [np.array(ids) for ids in sources], [np.array(ids) for ids in targets]
    np.testing.assert_allclose(made.likelihoods(*given), expected, rtol=1e-5)
    monkeypatch.setattr(translator, "ROWS", 2)
    np.testing.assert_allclose(made.likelihoods(*given), expected, rtol=1e-5)


def test_texts_keep_their_order_in_any_number_of_groups(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = model(SOME["additive-feeding"])
    texts = [*TEXTS, "", *reversed(TEXTS)]
    whole = made.translate(texts, 2)
    monkeypatch.setattr(translator, "ROWS", 4)
    told: list[int] = []
    for found, expected in zip(made.translate(texts, 2, progress=told.append), whole, strict=True):
        assert_same(found, expected)
    assert sum(told) == len(texts)
    assert max(told) <= 4
    assert len({found.text for [found] in whole}) > 3


@pytest.mark.parametrize("beam", [1, 3])
def test_nothing_is_translated_to_nothing(model: Make, beam: int) -> None:
    made = model(SOME["gru"])
    found = made.translate(["", "the cat runs.", " \n\t", "\u00ad\u200b\x00"], beam, beam)
    for nothing in (found[0], *found[2:]):
        assert [(one.text, one.score, one.tokens, one.ids) for one in nothing] == [("", 0.0, [], [])]
    assert_same(found[1], made.translate(["the cat runs."], beam, beam)[0])
    assert made.translate([], beam) == []


def test_unknown_words_and_what_nobody_sees_have_a_translation(model: Make) -> None:
    made = model(SOME["multiplicative"])
    [plain], *others = made.translate(["the cat runs.", "the c\x00at\u00ad runs.", " the  cat\nruns. "], 2)
    assert all(found.text == plain.text for [found] in others)
    [[strange]] = made.translate(["</s> <s> 三國 \U0001f642 zebra"], 2)
    assert isinstance(strange.text, str)


def test_too_long_a_text_is_refused_in_one_line(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = model(SOME["gru"])
    with pytest.raises(AnamnesisError) as caught:
        made.translate(["the cat", "cat " * 10_000], 5)
    assert str(caught.value) == "text 2 has 10,001 tokens; allowed: at most 1,000; cut it into sentences"
    monkeypatch.setattr(translator, "LONGEST", 4)
    assert made.translate(["cat cat cat"], 1)
    with pytest.raises(AnamnesisError, match="text 1 has 5 tokens"):
        made.translate(["cat cat cat cat"], 1)


@pytest.mark.parametrize(
    ("beam", "n_best", "said"),
    [
        (0, 1, "beam: found 0; allowed: "),
        (-3, 1, "beam: found -3; allowed: "),
        (10**9, 1, "beam: found 1000000000; allowed: "),
        (2, 3, "n-best: found 3; allowed: from 1 to the beam's width, which is 2"),
        (2, 0, "n-best: found 0; allowed: from 1 to the beam's width, which is 2"),
    ],
)
def test_numbers_out_of_range_are_refused(model: Make, beam: int, n_best: int, said: str) -> None:
    with pytest.raises(AnamnesisError) as caught:
        model(SOME["gru"]).translate(["the cat"], beam, n_best)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", ATTENTIVE.values(), ids=ATTENTIVE)
def test_attention_shown_is_that_of_the_tokens_written(model: Make, settings: dict[str, Any]) -> None:
    made = model(settings)
    for text, [found] in zip(TEXTS, made.translate(TEXTS, 3), strict=True):
        spelled, shown = made.attended(text, found)
        assert spelled == SOURCE.spell(SOURCE.encode(text))
        assert (shown.text, shown.score, shown.tokens, shown.ids) == (found.text, found.score, found.tokens, found.ids)
        assert shown.attention is not None
        assert shown.attention.shape == (len(found.tokens), len(spelled))
        np.testing.assert_allclose(shown.attention.sum(1), 1, rtol=1e-5)
        batch = collate([np.array(SOURCE.encode(text))], [np.array([*found.ids, TARGET.end])], TARGET.start)
        with torch.no_grad():
            start, memory = made.network.encode(batch.source, torch.from_numpy(batch.lengths))
            weights = made.network.decode(batch.inputs, start, memory)[2]
        assert weights is not None
        np.testing.assert_allclose(shown.attention, weights[0, : len(found.tokens)], rtol=1e-5)
    [[nothing]] = made.translate([""], 3)
    spelled, shown = made.attended("", nothing)
    assert spelled == ["</s>"]
    assert shown.attention is not None
    assert shown.attention.shape == (0, 1)


def test_without_attention_none_is_shown(model: Make) -> None:
    made = model(SOME["gru"])
    [[found]] = made.translate(["the cat"], 1)
    with pytest.raises(AnamnesisError, match=r"^mine has no attention to show$"):
        made.attended("the cat", found)


@pytest.mark.parametrize("beam", [1, 2])
def test_sentences_go_where_the_network_is(model: Make, monkeypatch: pytest.MonkeyPatch, beam: int) -> None:
    made = model(SOME["gru"])
    made.network.to("meta")
    given: dict[str, torch.Tensor] = {}

    class Reached(Exception):
        pass

    def encode(source: torch.Tensor, lengths: torch.Tensor) -> Any:
        given.update(source=source, lengths=lengths)
        return made.network.decoder.initial_state(1), None

    def search(step: Any, state: Any, start: int, end: int, limits: torch.Tensor, *more: Any) -> Any:
        given.update(limits=limits)
        raise Reached

    monkeypatch.setattr(made.network, "encode", encode)
    monkeypatch.setattr(translator, "greedy" if beam == 1 else "beam", search)
    with pytest.raises(Reached):
        made.translate(["the cat"], beam)
    # Lengths stay behind, where packing needs them.
    assert {name: value.device.type for name, value in given.items()} == {
        "source": "meta",
        "lengths": "cpu",
        "limits": "meta",
    }
