"""What the numbers must show: each expectation beside what was measured, whether it is met or not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anamnesis.report import formats, steadiness
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import SPLITS, Result

# A network that halves the uniform model's hesitation twice has learnt something.
QUARTER = 0.25
# "Far below" is more than the noise of a training: a tenth.
TENTH = 0.1


@dataclass(frozen=True)
class Claim:
    """That `better` beats `worse` in a metric, where lower is better, by the share `margin` at least."""

    better: str
    worse: str
    metric: str
    margin: float = 0.0


@dataclass(frozen=True)
class Finding:
    """An expectation, and by split what was measured in words and whether it holds there."""

    expectation: str
    measured: dict[str, str]
    holds: dict[str, bool]

    @property
    def met(self) -> bool:
        """Whether it holds on every split that it was measured on."""
        return all(self.holds.values())

    @property
    def answer(self) -> str:
        """yes, no, or on which split it holds."""
        if self.met or not any(self.holds.values()):
            return "yes" if self.met else "no"
        return "validation only" if self.holds["valid"] else "test only"


CLAIMS = (
    Claim("sherlock-lstm", "sherlock-ngram5", "bits_per_character"),
    Claim("shakespeare-lstm", "shakespeare-ngram5", "bits_per_character"),
    Claim("fairytales20-rnn", "fairytales20-rnn-nounroll", "perplexity", TENTH),
    Claim("novel-cloze-birnn", "novel-cloze-rnn", "perplexity"),
    Claim("novel-cloze-deepbirnn", "novel-cloze-rnn", "perplexity"),
)
# By architecture: which cell must have the longer memory span.
SPANS = (("lstm", "scrn"), ("gru", "scrn"), ("scrn", "rnn"))
# By architecture: what attention must beat, and what every network that translates must beat.
WITH, WITHOUT = "attention", "seq2seq"
TRANSLATION_FLOORS = ("nearest", "copy")
STEADIER = ("fairytales100-scrn", "fairytales100-rnn")


def findings(root: Path, rows: list[Row]) -> list[Finding]:
    """Every expectation whose experiments have metrics.

    Raises:
        AnamnesisError: a learning curve is damaged.
    """
    results = {row.result.experiment: row.result for row in rows}
    found = uniform([row.result for row in rows])
    found += [
        _compared(claim, results[claim.better], results[claim.worse])
        for claim in CLAIMS
        if {claim.better, claim.worse} <= set(results)
    ]
    scrn, rnn = STEADIER
    if scrn in results and rnn in results:
        found += _steadier(root, scrn, rnn)
    found += _spans([row.result for row in rows if row.result.board == "memory"])
    return found + translated([row.result for row in rows if row.result.board == "translation"])


def uniform(results: list[Result]) -> list[Finding]:
    """Of each token store, whether every network has at most a quarter of the uniform model's perplexity.

    The uniform model's is that of an experiment, or else the size of the vocabulary; where neither is known, nothing
    is said.
    """
    found = []
    for tokens in dict.fromkeys(result.tokens for result in results):
        same = [result for result in results if result.tokens == tokens and "perplexity" in result.scores["test"]]
        networks = [result for result in same if not result.baseline]
        guess = next((result for result in same if result.architecture == "uniform"), None)
        size = next((result.vocabulary for result in same if result.vocabulary), None)
        if not networks or not (guess or size):
            continue

        def limit(split: str, guess: Result | None = guess, size: int | None = size) -> float:
            return guess.scores[split]["perplexity"] if guess else float(size or 0)

        measured, holds = {}, {}
        for split in SPLITS:
            over = [result for result in networks if result.scores[split]["perplexity"] > QUARTER * limit(split)]
            worst = max(networks, key=lambda result: result.scores[split]["perplexity"])
            shown = over or [worst]
            measured[split] = (
                ("above it: " if over else "the worst, ")
                + ", ".join(
                    f"{result.experiment} {formats.score('perplexity', result.scores[split]['perplexity'])}"
                    for result in shown
                )
                + f"; uniform {formats.score('perplexity', limit(split))}"
            )
            holds[split] = not over
        models = f"all {len(networks)} networks have" if len(networks) > 1 else f"{networks[0].experiment} has"
        found.append(Finding(f"{tokens}: {models} at most a quarter of a uniform perplexity", measured, holds))
    return found


def translated(ranked: list[Result]) -> list[Finding]:
    """Whether attention beats no attention, and both beat the floors; the best of each architecture stands for it.

    Perplexity compares within the same tokens alone, so there it is the best of each that read the same; BLEU compares
    all of a corpus.
    """
    found = []
    for corpus in dict.fromkeys(result.corpus for result in ranked):
        same = [result for result in ranked if result.corpus == corpus]
        best = {result.architecture: result for result in reversed(same)}
        if WITH in best and WITHOUT in best:
            found.append(_above(best[WITH], best[WITHOUT]))
        for tokens in dict.fromkeys(result.tokens for result in same):
            pair = [_most_certain(same, kind, tokens) for kind in (WITH, WITHOUT)]
            if pair[0] and pair[1]:
                found.append(
                    _finding(
                        f"{pair[0].experiment} below {pair[1].experiment} in perplexity",
                        pair[0],
                        pair[1],
                        "perplexity",
                        lambda one, other: one < other,
                    )
                )
        found += [
            _above(best[network], best[floor])
            for network in (WITH, WITHOUT)
            for floor in TRANSLATION_FLOORS
            if network in best and floor in best
        ]
    return found


def _above(one: Result, other: Result) -> Finding:
    return _finding(
        f"{one.experiment} above {other.experiment} in BLEU", one, other, "bleu", lambda mine, its: mine > its
    )


def _most_certain(results: list[Result], architecture: str, tokens: str) -> Result | None:
    """The network of the lowest validation perplexity, None without any."""
    found = [
        result
        for result in results
        if (result.architecture, result.tokens) == (architecture, tokens)
        and all("perplexity" in result.scores[split] for split in SPLITS)
    ]
    return min(found, key=lambda result: result.scores["valid"]["perplexity"], default=None)


def _compared(claim: Claim, better: Result, worse: Result) -> Finding:
    name = formats.name(claim.metric)
    margin = f" by {100 * claim.margin:.0f} % at least" if claim.margin else ""
    return _finding(
        f"{claim.better} below {claim.worse} in {name}{margin}",
        better,
        worse,
        claim.metric,
        lambda one, other: one < (1 - claim.margin) * other,
    )


def _spans(probed: list[Result]) -> list[Finding]:
    cells = {result.architecture: result for result in reversed(probed)}
    return [
        _finding(
            f"{cells[longer].experiment} remembers longer than {cells[shorter].experiment}, in steps",
            cells[longer],
            cells[shorter],
            "memory_span",
            lambda one, other: one > other,
        )
        for longer, shorter in SPANS
        if longer in cells and shorter in cells
    ]


def _finding(
    expectation: str, one: Result, other: Result, metric: str, holds: Callable[[float, float], bool]
) -> Finding:
    pairs = {split: (one.scores[split][metric], other.scores[split][metric]) for split in SPLITS}
    return Finding(
        expectation,
        {split: " against ".join(formats.score(metric, value) for value in pair) for split, pair in pairs.items()},
        {split: holds(*pair) for split, pair in pairs.items()},
    )


def _steadier(root: Path, scrn: str, rnn: str) -> list[Finding]:
    one, other = (steadiness.of(root, name) for name in (scrn, rnn))
    if one is None or other is None:
        return []
    strayed = " against ".join(formats.percent(each.fluctuation) for each in (one, other))
    return [
        Finding(
            f"{scrn} steadier than {rnn}: its perplexity strays less from its trend, by a tenth at least",
            {"valid": strayed},
            {"valid": steadiness.steadier(one, other)},
        )
    ]
