"""How scores are named and written for people, the same on the page and on the terminal."""

NAMES = {
    "perplexity": "perplexity",
    "bits_per_character": "bits per character",
    "accuracy": "accuracy",
    "top5_accuracy": "top 5",
}


def score(metric: str, value: float | None) -> str:
    """A score as text: accuracy in percent, bits to three decimals, perplexity to four digits; a dash for None."""
    if value is None:
        return "–"
    if metric.endswith("accuracy"):
        return f"{100 * value:.1f} %"
    if metric == "bits_per_character":
        return f"{value:.3f}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.4g}"


def count(value: int) -> str:
    """A count with a thin space between thousands."""
    return f"{value:,}".replace(",", "\u202f")
