"""What the numbers must show: each expectation beside what was measured, whether it is met or not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anamnesis.boards import BOARDS
from anamnesis.report import formats, steadiness
from anamnesis.report.leaderboard import Row, boards
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
# Of a corpus of the board `classification`: what every network must be above, and what the best must reach.
NEWS, PUBLISHED, GOOD = "reuters-r8", 0.78, 0.94
# What the best network of some other boards must reach in the metric that ranks it.
REACHED = {"video": 0.95, "captioning": 0.95}
# By architecture: the network for videos, and the halves that it must be above.
WHOLE, HALVES = "cnn-lstm", ("cnn", "lstm")
# Boards on which every network must be better than the best baseline of its corpus.
FLOORED = ("classification", "captioning", "forecasting")
# Which network must forecast at least as well as which baseline.
AS_GOOD = (("sunspots-lstm3", "sunspots-last"),)


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
        if _comparable(results, claim.better, claim.worse)
    ]
    scrn, rnn = STEADIER
    if scrn in results and rnn in results:
        found += _steadier(root, scrn, rnn)
    groups = [[row.result for row in group.rows] for _, of_board in boards(rows) for group in of_board]
    for group in groups:
        match group[0].task, group[0].corpus:
            case "memory", _:
                found += _spans(group)
            case "translation", _:
                found += translated(group)
            case "classification", corpus if corpus == NEWS:
                found += news(group)
    found += reached(rows)
    found += [each for group in groups if group[0].task == "video" for each in halves(group)]
    found += [
        _finding(
            f"{network} at or below {floor} in RMSE",
            results[network],
            results[floor],
            "rmse",
            lambda mine, its: mine <= its,
        )
        for network, floor in AS_GOOD
        if _comparable(results, network, floor)
    ]
    return found + floors(rows)


def _comparable(results: dict[str, Result], one: str, other: str) -> bool:
    """Whether both experiments have metrics, and were asked the same question."""
    return one in results and other in results and results[one].question == results[other].question


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
    all that were asked the same.

    Args:
        ranked: translation models that were asked the same question, best first.
    """
    found = []
    best = {result.architecture: result for result in reversed(ranked)}
    if WITH in best and WITHOUT in best:
        found.append(_above(best[WITH], best[WITHOUT]))
    for tokens in dict.fromkeys(result.tokens for result in ranked):
        pair = [_most_certain(ranked, kind, tokens) for kind in (WITH, WITHOUT)]
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


def news(ranked: list[Result]) -> list[Finding]:
    """Whether every network is above the published accuracy, and whether the best is good, on test data; best first."""
    networks = [result for result in ranked if not result.baseline]
    if not networks:
        return []
    above = _all(
        f"{NEWS}: {_every(networks)} above {formats.score('accuracy', PUBLISHED)} accuracy",
        networks,
        "accuracy",
        lambda split, accuracy: accuracy > PUBLISHED,
    )
    scores = {split: networks[0].scores[split]["accuracy"] for split in SPLITS}
    best = Finding(
        f"{NEWS}: {networks[0].experiment}, the best network, at {formats.score('accuracy', GOOD)} accuracy or more "
        "on test data",
        {split: formats.score("accuracy", score) for split, score in scores.items()},
        {"test": scores["test"] >= GOOD},
    )
    return [above, best]


def reached(rows: list[Row]) -> list[Finding]:
    """Whether the best network of each corpus reaches what its board asks for."""
    found = []
    for name, corpora in boards(rows):
        metric = BOARDS[name].metric
        for group in corpora if name in REACHED else ():
            best = next((row.result for row in group.rows if not row.result.baseline), None)
            if best is not None:
                scores = {split: best.scores[split][metric] for split in SPLITS}
                found.append(
                    Finding(
                        f"{best.experiment}, the best network, at {formats.score(metric, REACHED[name])} "
                        f"{formats.name(metric)} or more",
                        {split: formats.score(metric, score) for split, score in scores.items()},
                        {split: score >= REACHED[name] for split, score in scores.items()},
                    )
                )
    return found


def halves(ranked: list[Result]) -> list[Finding]:
    """Whether the network of two parts is above each half alone; the best of each architecture stands for it."""
    best = {result.architecture: result for result in reversed(ranked)}
    return [
        _finding(
            f"{best[WHOLE].experiment} above {best[half].experiment} in accuracy",
            best[WHOLE],
            best[half],
            "accuracy",
            lambda mine, its: mine > its,
        )
        for half in HALVES
        if WHOLE in best and half in best
    ]


def floors(rows: list[Row]) -> list[Finding]:
    """Of each corpus, whether every network is better than the best baseline in the metric that ranks them."""
    found = []
    for name, corpora in boards(rows):
        board = BOARDS[name]
        for group in corpora if name in FLOORED else ():
            ranked = group.rows
            networks = [row.result for row in ranked if not row.result.baseline]
            floor = next((row.result for row in ranked if row.result.baseline), None)
            if not networks or floor is None:
                continue
            limits = {split: floor.scores[split][board.metric] for split in SPLITS}

            def better(
                split: str, score: float, limits: dict[str, float] = limits, higher: bool = board.higher
            ) -> bool:
                return score > limits[split] if higher else score < limits[split]

            finding = _all(
                f"{group.name}: {_every(networks)} better than {floor.experiment}, the best baseline, in "
                f"{formats.name(board.metric)}",
                networks,
                board.metric,
                better,
            )
            measured = {
                split: f"{text}; {floor.experiment} {formats.score(board.metric, limits[split])}"
                for split, text in finding.measured.items()
            }
            found.append(Finding(finding.expectation, measured, finding.holds))
    return found


def _every(networks: list[Result]) -> str:
    return f"all {len(networks)} networks" if len(networks) > 1 else networks[0].experiment


def _all(expectation: str, networks: list[Result], metric: str, holds: Callable[[str, float], bool]) -> Finding:
    """Whether something holds of every network's score: those that it does not hold of are named, or else the worst."""
    measured, met = {}, {}
    higher = BOARDS[networks[0].task].higher
    for split in SPLITS:
        missed = [result for result in networks if not holds(split, result.scores[split][metric])]
        worst = (min if higher else max)(networks, key=lambda result: result.scores[split][metric])
        named = ", ".join(
            f"{result.experiment} {formats.score(metric, result.scores[split][metric])}" for result in missed or [worst]
        )
        measured[split] = f"{'missed by: ' if missed else 'the worst, '}{named}"
        met[split] = not missed
    return Finding(expectation, measured, met)


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
