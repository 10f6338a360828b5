"""What the scores must show: each expectation beside what was measured, met or not."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from anamnesis.boards import BOARDS
from anamnesis.report import formats
from anamnesis.report.claims import BeatsBaseline, BelowUniform, Claims, Level, Pair, Steadier, read
from anamnesis.report.comparisons import fluctuation, is_steadier
from anamnesis.report.leaderboard import Group, Row, boards
from anamnesis.report.results import SPLITS, Result

Finding = dict[str, Any]
ANSWERS = {"valid": "validation only", "test": "test only"}


def findings(root: Path, rows: list[Row], claims: Claims | None = None) -> list[Finding]:
    """Every expectation whose experiments have metrics.

    Args:
        root: the project's folder.
        rows: the ranked results.
        claims: the expectations; None: those of expectations.yaml.

    Returns:
        Rows with `expectation`, `answer`, `met`, what was measured on `valid` and `test`, `source` and `disagrees`.

    Raises:
        AnamnesisError: a learning curve is damaged.
    """
    claims = claims or read()
    groups = [group for _, of_task in boards(rows) for group in of_task]
    results = {row.result.experiment: row.result for row in rows}
    table: list[Finding] = []
    for expected in claims.expectations:
        match expected:
            case Pair():
                new = _pairs(expected, groups, results)
            case Level():
                new = _levels(expected, groups)
            case BeatsBaseline():
                new = _baselines(expected, groups)
            case BelowUniform():
                new = _below_uniform(expected.at_most, list(results.values()))
            case Steadier():
                new = _steadier(root, expected, results)
        source = str(claims.sources[expected.source]) if expected.source else ""
        table += [{**finding, "source": source, "disagrees": expected.disagrees or ""} for finding in new]
    return table


def _finding(expectation: str, measured: dict[str, str], holds: dict[str, bool]) -> Finding:
    """A row of the table; a draw between the splits is answered with the one on which the expectation holds."""
    met = all(holds.values())
    answer = "yes" if met else next((ANSWERS[split] for split in holds if holds[split]), "no")
    return {"expectation": expectation, "answer": answer, "met": met, **measured}


def _pairs(expected: Pair, groups: list[Group], results: dict[str, Result]) -> list[Finding]:
    if expected.task is None:
        pair = results.get(expected.better), results.get(expected.worse)
        pairs = [pair] if pair[0] and pair[1] and pair[0].question == pair[1].question else []
    else:
        metric = expected.metric or BOARDS[expected.task].metric
        pairs = []
        for group in groups:
            members = [row.result for row in group.rows if group.task == expected.task]
            for tokens in dict.fromkeys(each.tokens if expected.same_tokens else "" for each in members):
                same = [each for each in members if each.tokens == tokens or not tokens]
                pairs.append((_best(same, expected.better, metric), _best(same, expected.worse, metric)))
    rows = []
    for one, other in pairs:
        if one is None or other is None:
            continue
        metric = expected.metric or BOARDS[one.task].metric
        higher = formats.higher_is_better(metric)
        relation = f"{'at or ' if expected.or_equal else ''}{'above' if higher else 'below'}"
        margin = f" by {100 * expected.by:.0f} % at least" if expected.by else ""
        measured, holds = {}, {}
        for split in SPLITS:
            better, worse = one.scores[split][metric], other.scores[split][metric]
            limit = worse * (1 + expected.by if higher else 1 - expected.by)
            measured[split] = " against ".join(formats.score(metric, value) for value in (better, worse))
            holds[split] = (better > limit if higher else better < limit) or (expected.or_equal and better == limit)
        text = f"{one.experiment} {relation} {other.experiment} in {formats.name(metric)}{margin}"
        rows.append(_finding(text, measured, holds))
    return rows


def _best(results: Iterable[Result], architecture: str, metric: str) -> Result | None:
    """The result of an architecture with the best validation score; None without any."""
    sign = -1 if formats.higher_is_better(metric) else 1
    scored = [
        each
        for each in results
        if each.architecture == architecture and all(metric in each.scores[split] for split in SPLITS)
    ]
    return min(scored, key=lambda each: sign * each.scores["valid"][metric], default=None)


def _levels(expected: Level, groups: list[Group]) -> list[Finding]:
    rows = []
    for group, networks in _networks(groups, expected.task, expected.corpora):
        metric = BOARDS[group.task].metric
        if expected.reach is not None:
            limit = f"at {formats.score(metric, expected.reach)} {formats.name(metric)} or more"
        else:
            limit = f"above {formats.score(metric, expected.above)} {formats.name(metric)}"
        if expected.networks == "best":
            networks = networks[:1]
            limit = f"{networks[0].experiment}, the best network, {limit}"
        else:
            limit = f"{_every(networks)} {limit}"
        only = "" if len(expected.splits) > 1 else f" on {expected.splits[0]} data"

        def holds(split: str, score: float) -> bool:
            return score >= expected.reach if expected.reach is not None else score > (expected.above or 0.0)

        finding = _all(f"{group.name}: {limit}{only}", networks, metric, holds, splits=expected.splits)
        if expected.networks == "best":
            finding |= {split: formats.score(metric, networks[0].scores[split][metric]) for split in SPLITS}
        rows.append(finding)
    return rows


def _baselines(expected: BeatsBaseline, groups: list[Group]) -> list[Finding]:
    rows = []
    for group, networks in _networks(groups, expected.task, expected.corpora):
        board = BOARDS[group.task]
        baseline = next((row.result for row in group.rows if row.result.baseline), None)
        if baseline is None:
            continue
        limits = {split: baseline.scores[split][board.metric] for split in SPLITS}

        def better(split: str, score: float, limits: dict[str, float] = limits, higher: bool = board.higher) -> bool:
            return score > limits[split] if higher else score < limits[split]

        text = (
            f"{group.name}: {_every(networks)} better than {baseline.experiment}, the best baseline, in "
            f"{formats.name(board.metric)}"
        )
        rows.append(_all(text, networks, board.metric, better, baseline.experiment, limits))
    return rows


def _below_uniform(at_most: float, results: list[Result]) -> list[Finding]:
    """One row for each token store whose uniform perplexity is known, from an experiment or from its vocabulary."""
    rows = []
    for tokens in dict.fromkeys(result.tokens for result in results):
        same = [result for result in results if result.tokens == tokens and "perplexity" in result.scores["test"]]
        networks = [result for result in same if not result.baseline]
        uniform = next((result for result in same if result.architecture == "uniform"), None)
        size = next((result.vocabulary for result in same if result.vocabulary), None)
        if not networks or not (uniform or size):
            continue
        limits = {split: uniform.scores[split]["perplexity"] if uniform else float(size or 0) for split in SPLITS}

        def below(split: str, score: float, limits: dict[str, float] = limits) -> bool:
            return score <= at_most * limits[split]

        text = f"{tokens}: the perplexity of {_every(networks)} is at most {100 * at_most:.3g} % of a uniform model's"
        rows.append(_all(text, networks, "perplexity", below, "uniform", limits))
    return rows


def _steadier(root: Path, expected: Steadier, results: dict[str, Result]) -> list[Finding]:
    if expected.better not in results or expected.worse not in results:
        return []
    one, other = (fluctuation(root, name) for name in (expected.better, expected.worse))
    if one is None or other is None:
        return []
    strays = "its perplexity strays less from its trend, by a tenth at least"
    text = f"{expected.better} steadier than {expected.worse}: {strays}"
    measured = " against ".join(formats.percent(each["fluctuation"]) for each in (one, other))
    return [_finding(text, {"valid": measured}, {"valid": is_steadier(one, other)})]


def _networks(groups: list[Group], task: str, corpora: list[str] | None) -> Iterable[tuple[Group, list[Result]]]:
    """The groups of a task with their networks, best first; groups without networks are left out."""
    for group in groups:
        networks = [row.result for row in group.rows if not row.result.baseline]
        if group.task == task and networks and (corpora is None or group.corpus in corpora):
            yield group, networks


def _every(networks: list[Result]) -> str:
    return f"all {len(networks)} networks" if len(networks) > 1 else networks[0].experiment


def _all(
    text: str,
    networks: list[Result],
    metric: str,
    holds: Callable[[str, float], bool],
    reference: str = "",
    limits: dict[str, float] | None = None,
    splits: Sequence[str] = SPLITS,
) -> Finding:
    """A row on all networks: it names those that miss, or else the worst, and the score of the reference."""
    worst_of = min if formats.higher_is_better(metric) else max
    measured, met = {}, {}
    for split in SPLITS:
        scores = {each.experiment: each.scores[split][metric] for each in networks}
        missed = [name for name, score in scores.items() if not holds(split, score)]
        named = missed or [worst_of(scores, key=scores.__getitem__)]
        measured[split] = f"{'missed by' if missed else 'the worst'}: " + ", ".join(
            f"{name} {formats.score(metric, scores[name])}" for name in named
        )
        if limits:
            measured[split] += f"; {reference} {formats.score(metric, limits[split])}"
        if split in splits:
            met[split] = not missed
    return _finding(text, measured, met)
