"""Names and number formats of scores, the same on the page, on the terminal and in the documentation."""

from collections.abc import Sequence

NAMES = {
    "bits_per_character": "bits per character",
    "bleu": "BLEU",
    "chrf": "chrF",
    "context_tokens": "context in tokens",
    "macro_f1": "macro F1",
    "mae": "MAE",
    "memory_span": "memory span",
    "memory_span_adding": "span, adding",
    "memory_span_copy": "span, copy",
    "rmse": "RMSE",
    "rmse_free_running": "RMSE free-running",
    "shuffle_preference": "text over shuffle",
    "top5_accuracy": "top 5",
}
SHARES = (
    "accuracy",
    "shuffle_preference",
    "beam_below_greedy",
    "exact_match",
    "exact_match_greedy",
    "character_error_rate",
)
# From 0 to 100, with one meaningful decimal.
OF_HUNDRED = ("bleu", "chrf")
COUNTS = ("memory_span", "context_tokens")
LOWER_IS_BETTER = ("bits_per_character", "character_error_rate", "loss", "mae", "perplexity", "rmse")


def name(metric: str) -> str:
    """The name of a metric for people."""
    return NAMES.get(metric, metric.replace("_", " "))


def heading(metric: str) -> str:
    """The name of a metric at the start of a line, with a capital."""
    return name(metric)[0].upper() + name(metric)[1:]


def higher_is_better(metric: str) -> bool:
    """Whether a higher score is better."""
    return not metric.startswith(LOWER_IS_BETTER)


def score(metric: str, value: float | None) -> str:
    """A score as text: shares in percent, bits and F1 with three decimals, BLEU and chrF with one, others four digits.

    A missing score is a dash.
    """
    if value is None:
        return "–"
    if metric.endswith(SHARES):
        return f"{100 * value:.1f} %"
    if metric.startswith(COUNTS):
        return f"{value:,.5g}"
    if metric.startswith(OF_HUNDRED):
        return f"{value:.1f}"
    if metric in ("bits_per_character", "macro_f1", "score_beam", "score_greedy"):
        return f"{value:.3f}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.4g}"


def repeated(metric: str, value: float | None, deviation: float | None, between: str = " ± ") -> str:
    """A mean and its standard deviation with as many decimals: '1.958 ± 0.004', '58.4 ± 0.3 %'.

    Without a deviation, the score alone.
    """
    text = score(metric, value)
    if value is None or deviation is None:
        return text
    number, space, unit = text.partition(" ")
    decimals = len(number.partition(".")[2])
    spread = 100 * deviation if metric.endswith(SHARES) else deviation
    written = f"{spread:.1e}" if "e" in number else f"{spread:,.{decimals}f}"
    # On lines of their own, each number has its unit.
    first = text if "\n" in between else number
    return f"{first}{between}{written}{space}{unit}"


def difference(metric: str, value: float) -> str:
    """The distance between two scores of a metric."""
    return f"{100 * abs(value):.1f} percentage points" if metric.endswith(SHARES) else score(metric, abs(value))


def signed(metric: str, value: float, base: float | None = None) -> str:
    """A difference of two scores with its sign: of shares in percentage points, without the unit.

    A difference of perplexities or errors is in percent of `base`.
    """
    relative = base and metric.startswith(("perplexity", "rmse", "mae"))
    unit = " %" if relative else ""
    if relative and base:
        text = f"{100 * abs(value) / base:.1f}"
    else:
        text = f"{100 * abs(value):.1f}" if metric.endswith(SHARES) else score(metric, abs(value))
    if not float(text.replace(",", "")):
        return "±0"
    return f"{'+' if value > 0 else '−'}{text}{unit}"


def stated(metric: str, value: float) -> str:
    """A score with the name of its metric, for the middle of a sentence."""
    parts = (score(metric, value), name(metric))
    return " ".join(parts if metric == "bits_per_character" else reversed(parts))


def count(value: int) -> str:
    """A count with a thin space between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def short(names: Sequence[str]) -> dict[str, str]:
    """Each name of an experiment without the words that all of them start with; the last word always stays."""
    words = [each.split("-") for each in names]
    shared = 0
    while words and all(len(each) > shared + 1 and each[shared] == words[0][shared] for each in words):
        shared += 1
    return {each: "-".join(parts[shared:]) for each, parts in zip(names, words, strict=True)}


def percent(value: float) -> str:
    """A small share in percent, with three digits."""
    return f"{100 * value:.3g} %"
