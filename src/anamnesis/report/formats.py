"""How scores are named and written for people, the same on the page and on the terminal."""

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
# Of a hundred, where the first decimal is the last that means anything.
OF_HUNDRED = ("bleu", "chrf")
COUNTS = ("memory_span", "context_tokens")


def name(metric: str) -> str:
    """What people call a metric."""
    return NAMES.get(metric, metric.replace("_", " "))


def heading(metric: str) -> str:
    """What people call a metric, at the start of a line: with a capital where it has none yet."""
    return name(metric)[0].upper() + name(metric)[1:]


def score(metric: str, value: float | None) -> str:
    """A score as text: shares in percent, bits and F1 to three decimals, BLEU and chrF to one, counts as they are.

    The rest has four digits. A score that does not exist is a dash.
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
    """A mean and its standard deviation, of as many decimals: '1.958 ± 0.004', '58.4 ± 0.3 %'; alone without one."""
    text = score(metric, value)
    if value is None or deviation is None:
        return text
    number, space, unit = text.partition(" ")
    decimals = len(number.partition(".")[2])
    spread = 100 * deviation if metric.endswith(SHARES) else deviation
    written = f"{spread:.1e}" if "e" in number else f"{spread:,.{decimals}f}"
    # In lines of their own, each has its unit.
    first = text if "\n" in between else number
    return f"{first}{between}{written}{space}{unit}"


def difference(metric: str, value: float) -> str:
    """How far two scores of a metric are apart."""
    return f"{100 * abs(value):.1f} percentage points" if metric.endswith(SHARES) else score(metric, abs(value))


def signed(metric: str, value: float) -> str:
    """How much a score of a metric is above another one, with its sign; a share in percentage points, without them."""
    text = f"{100 * abs(value):.1f}" if metric.endswith(SHARES) else score(metric, abs(value))
    if not float(text.replace(",", "")):
        return "±0"
    return f"{'+' if value > 0 else '−'}{text}"


def stated(metric: str, value: float) -> str:
    """A score with the name of its metric, for the middle of a sentence."""
    parts = (score(metric, value), name(metric))
    return " ".join(parts if metric == "bits_per_character" else reversed(parts))


def count(value: int) -> str:
    """A count with a thin space between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def short(names: list[str]) -> dict[str, str]:
    """Each name of an experiment without the words that all of them begin with; the last word always stays."""
    words = [each.split("-") for each in names]
    shared = 0
    while words and all(len(each) > shared + 1 and each[shared] == words[0][shared] for each in words):
        shared += 1
    return {each: "-".join(parts[shared:]) for each, parts in zip(names, words, strict=True)}


def percent(value: float) -> str:
    """A small share in percent, to three digits."""
    return f"{100 * value:.3g} %"
