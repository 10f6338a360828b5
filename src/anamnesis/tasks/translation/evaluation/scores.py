"""BLEU and chrF of translations by sacrebleu, also by the length of the source."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from anamnesis.data.text.languages import CHINESE, UNSPACED, units
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import round_score

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

BINS = ((1, 3), (4, 6), (7, 10), (11, 15), (16, 25), (26, None))
"""Fewest and most words of a source sentence in each bin; None: no limit."""

# Korean particles are written onto words, and sacrebleu's tokenizer for Korean needs more packages.
CHARACTERS = (*UNSPACED, "ko", "kor")


class CorpusScores(NamedTuple):
    """Scores of a corpus, to 6 significant digits.

    Attributes:
        bleu, chrf: from 0 to 100.
        length_ratio: tokens of the translations / tokens of the references, as BLEU counts them.
        signatures: sacrebleu's signatures of `bleu` and `chrf`, which a repetition needs.
    """

    bleu: float
    chrf: float
    length_ratio: float
    signatures: dict[str, str]


class LengthScore(NamedTuple):
    """Corpus BLEU, 0 to 100, of the `sentences` whose source has `low` to `high` words; None without a sentence."""

    low: int
    high: int | None
    sentences: int
    bleu: float | None


def corpus_scores(translations: Sequence[str], references: Sequence[str], language: str) -> CorpusScores:
    """Scores of translations against one reference each.

    BLEU is that of Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; chrF that of
    Popovic 2015, "chrF: character n-gram F-score for automatic MT evaluation"; both as computed by sacrebleu (Post
    2018, "A Call for Clarity in Reporting BLEU Scores").

    Args:
        language: the language of the translations, which decides BLEU's tokenizer.

    Raises:
        AnamnesisError: there are not as many references as translations, or none.
    """
    from sacrebleu.metrics.chrf import CHRF

    _check(translations=translations, references=references)
    bleu, chrf = _bleu(language), CHRF()
    words = bleu.corpus_score(translations, [references])
    characters = chrf.corpus_score(translations, [references])
    return CorpusScores(
        round_score(words.score),
        round_score(characters.score),
        round_score(words.sys_len / words.ref_len if words.ref_len else 0.0),
        {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())},
    )


def corpus_bleu(translations: Sequence[str], references: Sequence[str], language: str) -> float:
    """The BLEU of `corpus_scores` alone, with the same errors."""
    _check(translations=translations, references=references)
    return round_score(_bleu(language).corpus_score(translations, [references]).score)


def sentence_chrf(translations: Sequence[str], references: Sequence[str]) -> list[float]:
    """The chrF of each translation, 0 to 100, to 6 significant digits.

    Raises:
        AnamnesisError: there are not as many references as translations, or none.
    """
    from sacrebleu.metrics.chrf import CHRF

    _check(translations=translations, references=references)
    chrf = CHRF()
    return [
        round_score(chrf.sentence_score(translation, [reference]).score)
        for translation, reference in zip(translations, references, strict=True)
    ]


def bleu_by_length(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[str], languages: Sequence[str]
) -> list[LengthScore]:
    """Corpus BLEU of the sentences of each bin of `BINS`.

    Words are separated by white space; in a source language without spaces between words, characters count as words.
    An empty source is in the first bin.

    Args:
        languages: the languages of the sources and of the translations.

    Raises:
        AnamnesisError: the lists are not equally long, or empty.
    """
    _check(sources=sources, translations=translations, references=references)
    lengths = [len(units(source, languages[0])) for source in sources]
    scores = []
    for number, (low, high) in enumerate(BINS):
        inside = [
            index
            for index, length in enumerate(lengths)
            if (low <= length or number == 0) and (high is None or length <= high)
        ]
        chosen = [[texts[index] for index in inside] for texts in (translations, references)]
        bleu = corpus_bleu(chosen[0], chosen[1], languages[1]) if inside else None
        scores.append(LengthScore(low, high, len(inside), bleu))
    return scores


def _bleu(language: str) -> "BLEU":
    """BLEU with sacrebleu's tokenizer for a language: zh for Chinese, char for others without spaces, else 13a."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="zh" if language in CHINESE else "char" if language in CHARACTERS else "13a")


def _check(**lists: Sequence[str]) -> None:
    """Refuse lists that sacrebleu cannot score, or scores silently although they are of unequal length."""
    if len({len(texts) for texts in lists.values()}) > 1:
        counts = ", ".join(f"{len(texts)} {name}" for name, texts in lists.items())
        raise AnamnesisError(f"scores: found {counts}; allowed: as many of each")
    if not all(lists.values()):
        raise AnamnesisError(f"scores: found no {next(iter(lists))}; allowed: one sentence or more")
