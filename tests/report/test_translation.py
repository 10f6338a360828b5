"""Translation on the page: what is computed from the evaluations, what is picked by rule, and that text stays text."""

import csv
import html as entities
import json
import re
import shutil

import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.report import charts, expectations, leaderboard, page, results
from anamnesis.report import translation as figures
from anamnesis.report.results import Attention
from anamnesis.report.translation import Bin

SHORT, LONG = (1, 3, 200), (16, 25, 40)


def of(root):
    rows = [row for row in leaderboard.table(root) if row.result.task == "translation"]
    return figures.translation(root, rows, [entry.experiment for entry in results.load(root).results])


@pytest.fixture(scope="module")
def found(boards):
    return of(boards)


@pytest.fixture(scope="module")
def section(boards):
    text = (boards / "reports" / "index.html").read_text(encoding="utf-8")
    text = text[text.index('<section id="translation-en-nl"') :]
    return text[: text.index("</section>")]


@pytest.fixture
def copied(boards, tmp_path):
    return shutil.copytree(boards, tmp_path / "project")


def said(root, experiment):
    with open(root / "predictions" / experiment / "translations.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rewrite(root, experiment, rows):
    path = root / "predictions" / experiment / "translations.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def change(root, experiment, **scores):
    path = root / "metrics" / f"{experiment}.json"
    metrics = json.loads(path.read_text())
    for split in ("valid", "test"):
        metrics[split] |= scores
    path.write_text(json.dumps(metrics))


def test_no_other_board_has_translations(boards):
    rows = [row for row in leaderboard.table(boards) if row.result.task == "cloze"]
    assert figures.translation(boards, rows, []) is None


def test_floors_are_baselines(boards):
    rows = [row.result for row in leaderboard.table(boards) if row.result.task == "translation"]
    assert {row.architecture for row in rows if row.baseline} == {"copy", "nearest"}
    assert {row.architecture for row in rows if not row.baseline} == {"seq2seq", "attention"}


# --- sentences picked by rule


def test_best_and_worst_are_picked_by_the_best_network_among_sentences_of_6_to_20_words(boards, found):
    # In validation en-nl-attention is best; in test another one is.
    assert found.judge == "en-nl-attention"
    rows = [row for row in said(boards, found.judge) if 6 <= len(row["source"].split()) <= 20]
    scores = {row["source"]: float(row["chrf"]) for row in rows}
    assert "Turn off" not in scores
    best, worst = ([example.source for example in part] for part in (found.best, found.worst))
    assert len(best) == len(worst) == 5
    assert [scores[source] for source in best] == sorted(scores.values(), reverse=True)[:5]
    assert [scores[source] for source in worst] == sorted(scores.values())[:5]
    # The first two are equally good, and stay in their order.
    assert best[:2] == [rows[0]["source"], rows[1]["source"]]
    assert scores[best[0]] == scores[best[1]]


def test_few_sentences_are_shared_out_and_none_is_shown_twice(copied):
    rows = said(copied, "en-nl-attention")
    rewrite(copied, "en-nl-attention", [*rows[:3], rows[-1]])
    found = of(copied)
    assert [example.source for example in found.best] == [rows[0]["source"], rows[1]["source"]]
    assert [example.source for example in found.worst] == [rows[2]["source"]]
    rewrite(copied, "en-nl-attention", rows[-1:])
    assert (of(copied).best, of(copied).worst) == ([], [])


def test_equal_scores_are_in_the_order_of_the_corpus(copied):
    rows = [row | {"chrf": "50"} for row in said(copied, "en-nl-attention")]
    rewrite(copied, "en-nl-attention", rows)
    found = of(copied)
    assert [example.source for example in (*found.best, *found.worst)] == [row["source"] for row in rows[:10]]


def test_every_experiment_says_its_own_the_best_network_first_and_floors_last(boards, found):
    order = ["attention", "attention-luong", "attention-words", "seq2seq", "seq2seq-gru", "nearest", "copy"]
    for example in (*found.best, *found.worst):
        assert [each.name for each in example.said] == order
        for each in example.said:
            row = next(row for row in said(boards, f"en-nl-{each.name}") if row["source"] == example.source)
            assert (each.text, each.chrf) == (row["translation"], float(row["chrf"]))
            assert each.baseline == (each.name in ("nearest", "copy"))


def test_another_order_of_sentences_does_not_mix_them_up(copied):
    before = of(copied)
    rewrite(copied, "en-nl-seq2seq", said(copied, "en-nl-seq2seq")[::-1])
    assert of(copied) == before


# --- BLEU by length


def test_lengths_are_those_of_the_evaluations_in_order(boards, found):
    x = found.lengths.spec["layer"][0]["encoding"]["x"]
    assert x["sort"] == x["scale"]["domain"] == ["1-3", "4-6", "7-10", "11-15", "16-25", "26+"]
    assert '"7-10": "512"' in x["axis"]["labelExpr"]
    points = [value for layer in found.lengths.spec["layer"][2:4] for value in layer["data"]["values"]]
    for experiment, _ in found.lengths.legend:
        with open(boards / "predictions" / experiment / "lengths.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        drawn = [(p["sentences"], p["bleu"]) for p in points if p["experiment"] == experiment]
        assert drawn == [(int(row["sentences"]), float(row["bleu"])) for row in rows]
    # Floors have no colour of their own.
    assert [name for name, colour in found.lengths.legend if colour is None] == ["en-nl-copy", "en-nl-nearest"]


def test_bins_are_sorted_by_length_and_empty_ones_left_out(copied):
    for experiment in {row.result.experiment for row in leaderboard.table(copied)}:
        path = copied / "predictions" / experiment / "lengths.csv"
        if path.is_file():
            path.write_text("low,high,sentences,bleu\n26,,4,9\n1,1,3,5\n11,15,0,\n7,10,8,6\n")
    x = of(copied).lengths.spec["layer"][0]["encoding"]["x"]
    assert x["sort"] == ["1", "7-10", "26+"]


def bins(short, long, more=()):
    return [Bin(*SHORT, short), Bin(*LONG, long), *more]


@pytest.mark.parametrize(
    ("attention", "seq2seq", "said"),
    [
        ((42.0, 24.0), (38.0, 9.0), "The lead of attention grows with the sentence, from 4.0 to 15.0."),
        ((42.0, 24.0), (30.0, 20.0), "its lead does not grow with the sentence: 12.0, then 4.0."),
        ((42.0, 24.0), (38.0, 20.0), "its lead does not grow with the sentence: 4.0, then 4.0."),
        ((38.0, 24.0), (42.0, 20.0), "helps where sentences are long, by 4.0, and not where they are short."),
        ((42.0, 19.0), (38.0, 20.0), "leads by 4.0 where sentences are short, and not where they are long."),
        ((42.0, 19.0), (42.0, 20.0), "leads in neither."),
        # A difference that the numbers shown do not show is none.
        ((42.04, 20.04), (42.0, 20.0), "leads in neither."),
    ],
)
def test_the_sentence_says_what_was_measured_for_or_against(attention, seq2seq, said):
    text = figures.compared(("a", bins(*attention)), ("s", bins(*seq2seq)))
    assert said in text
    assert text.startswith(
        f"BLEU of a against that of s: {attention[0]:.1f} against {seq2seq[0]:.1f} at 1-3 words (200 "
    )
    assert f"{attention[1]:.1f} against {seq2seq[1]:.1f} at 16-25 words (40 sentences)" in text


def test_bins_of_fewer_than_20_sentences_say_nothing():
    tail = [Bin(26, None, 19, 1.0)]
    sparse = [Bin(1, 3, 19, 1.0), *bins(42.0, 24.0, tail)]
    assert figures.compared(("a", sparse), ("s", [Bin(1, 3, 19, 5.0), *bins(38.0, 9.0, tail)])) == figures.compared(
        ("a", bins(42.0, 24.0)), ("s", bins(38.0, 9.0))
    )
    assert "nothing is said of long ones" in figures.compared(("a", bins(4.0, 2.0)[:1]), ("s", bins(3.0, 2.0)))
    assert "too few" in figures.compared(("a", tail), ("s", tail))
    assert figures.compared(None, ("s", tail)) == figures.compared(("a", tail), None) == ""


def test_the_page_compares_the_best_of_each_kind_by_validation(found, section):
    assert "BLEU of en-nl-attention against that of en-nl-seq2seq: 41.7 against 38.2 at 1-3 words" in found.compared
    assert "24.4 against 9.4 at 16-25 words (81 sentences)" in found.compared
    assert found.compared in section


# --- attention


def test_heat_maps_hold_every_weight_at_its_place_though_tokens_repeat():
    weights = ((0.7, 0.2, 0.1), (0.1, 0.1, 0.8))
    spec = charts.attention(Attention(("the", "cat", "the"), ("de", "de"), weights), "net")
    drawn = {(value["target"], value["source"]): value["weight"] for value in spec["data"]["values"]}
    assert drawn == {(i, j): weight for i, row in enumerate(weights) for j, weight in enumerate(row)}
    for name, tokens in (("x", ["the", "cat", "the"]), ("y", ["de", "de"])):
        label = spec["encoding"][name]["axis"]["labelExpr"]
        assert json.loads(label.removesuffix("[datum.value]")) == tokens
    assert "de: the 0.70, de: the 0.80" in spec["description"]


def test_a_heat_map_is_drawn_with_its_tokens_in_order_whatever_they_are():
    import vl_convert

    source, target = ("a", 'b"', "a", "\\", "</s>"), ("ë", "'", "\U0001f642", "<b>")
    weights = tuple(tuple(1 / len(source) for _ in source) for _ in target)
    drawn = vl_convert.vegalite_to_svg(charts.attention(Attention(source, target, weights), "net"))
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    shown = [entities.unescape(label) for label in labels]
    # Titles of the axes stand among them.
    assert [label for label in shown if label not in ("source", "target")] == [*source, *target]
    assert drawn.count('aria-roledescription="rect mark"') == len(source) * len(target)


def test_networks_with_attention_have_their_heat_maps_the_best_first_and_open(found, section):
    assert [maps.experiment for maps in found.attention] == [
        "en-nl-attention",
        "en-nl-attention-luong",
        "en-nl-attention-words",
    ]
    assert all(len(maps.specs) == 6 for maps in found.attention)
    assert section.count('<details class="samples" open>') == 1
    assert section.index('<details class="samples" open>') < section.index("the best with attention")
    assert section.count('aria-label="Attention weights. en-nl-attention, each target token') == 6


# --- the rest


def test_beam_search_stands_beside_greedy_decoding(found, section):
    assert [each.name for each in found.decoding] == [
        *("attention", "attention-luong", "attention-words", "seq2seq", "seq2seq-gru")
    ]
    first = found.decoding[0]
    assert (first.width, first.greedy, first.beam, first.below) == (5, "28.9", "29.6", "1.2 %")
    assert (first.score_greedy, first.score_beam) == ("-0.437", "-0.412")
    assert "BLEU: <code>nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0</code>" in section
    assert section.count("<code>") == 2


def test_text_stays_text_and_says_its_language(section):
    assert "<b>" not in section
    assert '<td colspan="2" lang="en" dir="auto">Choose the &lt;b&gt;first&lt;/b&gt; day of the week.</td>' in section
    assert '<td lang="nl" dir="auto">Kies de &lt;b&gt;eerste&lt;/b&gt; dag van de week.</td>' in section
    assert '<span class="unknown">&lt;unk&gt;</span>' in section
    assert "paid &amp; confirmed" in section


def test_a_hostile_or_empty_translation_stays_text(copied):
    hostile = "</script><script>alert(1)</script>"
    rows = said(copied, "en-nl-attention")
    rows[0]["translation"], rows[1]["translation"] = hostile, ""
    rewrite(copied, "en-nl-attention", rows)
    weights = [{"source": [hostile], "target": [hostile], "weights": [[1.0]]}]
    (copied / "predictions" / "en-nl-attention" / "attention.json").write_text(json.dumps(weights))
    text = page.render(copied)
    assert "<script>alert(1)" not in text
    assert entities.escape(hostile) in text
    assert '<span class="blank">(nothing)</span>' in text


def test_without_languages_there_is_no_lang(copied, monkeypatch):
    monkeypatch.setattr(results, "_pair", lambda languages: None)
    text = page.render(copied)
    assert '<td colspan="2" dir="auto">Choose the' in text


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("translations.csv", "source,reference\na,b\n"),
        ("lengths.csv", "low,high,sentences,bleu\nfew,3,2,1\n"),
        ("attention.json", "{"),
        ("attention.json", '[{"source": ["a"], "target": ["b"]}]'),
        ("attention.json", '[{"source": ["a"], "target": ["b"], "weights": [[0.5, 0.5]]}]'),
        ("attention.json", '[{"source": ["a"], "target": ["b", "c"], "weights": [[1]]}]'),
    ],
)
def test_a_damaged_file_is_named(copied, file, damage):
    (copied / "predictions" / "en-nl-attention" / file).write_text(damage)
    with pytest.raises(AnamnesisError, match=f"en-nl-attention/{file}"):
        of(copied)


# --- what the numbers must show


def expected(root):
    found = expectations.findings(root, leaderboard.table(root))
    return {each.expectation: each for each in found if "en-nl" in each.expectation and " in " in each.expectation}


def test_attention_is_expected_to_win_and_both_to_beat_both_floors(boards):
    found = expected(boards)
    assert set(found) == {
        "en-nl-attention above en-nl-seq2seq in BLEU",
        "en-nl-attention below en-nl-seq2seq in perplexity",
        *(
            f"en-nl-{one} above en-nl-{floor} in BLEU"
            for one in ("attention", "seq2seq")
            for floor in ("copy", "nearest")
        ),
    }
    assert all(each.met for each in found.values())
    assert found["en-nl-attention above en-nl-seq2seq in BLEU"].measured == {
        "valid": "30.2 against 21.0",
        "test": "29.6 against 20.4",
    }


def test_it_is_said_when_attention_loses(copied):
    for name in ("en-nl-attention", "en-nl-attention-luong", "en-nl-attention-words"):
        change(copied, name, bleu=10.5, perplexity=30.0)
    found = expected(copied)
    answers = {name: each.answer for name, each in found.items()}
    assert answers == {
        "en-nl-attention above en-nl-seq2seq in BLEU": "no",
        "en-nl-attention below en-nl-seq2seq in perplexity": "no",
        "en-nl-attention above en-nl-nearest in BLEU": "no",
        "en-nl-attention above en-nl-copy in BLEU": "yes",
        "en-nl-seq2seq above en-nl-nearest in BLEU": "yes",
        "en-nl-seq2seq above en-nl-copy in BLEU": "yes",
    }


def test_perplexity_is_compared_within_the_same_tokens_alone(copied):
    # The best network reads words, which no network without attention does.
    change(copied, "en-nl-attention-words", bleu=40.0, perplexity=2.0)
    found = expected(copied)
    assert "en-nl-attention-words above en-nl-seq2seq in BLEU" in found
    assert [name for name in found if "perplexity" in name] == ["en-nl-attention below en-nl-seq2seq in perplexity"]


def test_without_its_experiments_an_expectation_is_absent(copied):
    for name in ("en-nl-seq2seq", "en-nl-seq2seq-gru", "en-nl-copy"):
        (copied / "metrics" / f"{name}.json").unlink()
    assert set(expected(copied)) == {"en-nl-attention above en-nl-nearest in BLEU"}
