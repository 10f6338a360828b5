"""Reader of sentence pairs: sentences and their translations."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anamnesis.data.readers.base import BaseCorpus
from anamnesis.data.readers.splits import SPLITS, Draw, Splits, complete, limit_rows, normalise
from anamnesis.data.readers.tables import write_table
from anamnesis.data.readers.translations import Pair, read_catalogue, read_lines, read_translations
from anamnesis.data.sources.local import Part
from anamnesis.data.text import placeholders
from anamnesis.data.text.cleaning import clean
from anamnesis.data.text.languages import units

# Marks of a template rather than a sentence: %s, %(name)s, {name}, ${name}, [%key%], tags, entities, addresses,
# Markdown links and code, escapes, accelerator keys of menus (_File, &File).
TEMPLATE = re.compile(
    r"%[-+#0]*\(?\w|\{|\}|\[%|%\]|\$\w|<|>|&\w+;|&#|&\w|https?:|www\.|\w@\w|\]\(|`|\*\*|\\|(?:^|\s)_\w|\w_\w|__|\|"
)


class Pairs(BaseCorpus):
    """Sentences and their translations. No sentence of either language occurs in two splits.

    A `.mo` file is a gettext catalogue; `.json` files come in pairs, named en and nl (or as `languages` says); in any
    other file, every line is `source TAB target`.
    """

    makes: ClassVar = "sentence pairs"
    reader: Literal["pairs"]
    languages: list[str] = Field(["en", "nl"], min_length=2, max_length=2, description="codes of source and target")
    minimum_words: int = Field(
        1, ge=1, description="words that both sentences must have; characters, in a language without spaces"
    )
    plain: bool = Field(False, description="leave out pairs with placeholders, markup or addresses, or equal sides")
    placeholders: bool = Field(
        False,
        description="keep a pair that `plain` leaves out for its placeholders, tags or addresses (`%s`, `{name}`, "
        "`<b>`) if both sentences have the same; they do not count as words",
    )
    minimum: int = Field(30, ge=3, description="pairs that the corpus must have")
    split: Draw = Draw()

    @model_validator(mode="after")
    def _placeholders_need_plain(self) -> Self:
        if self.placeholders and not self.plain:
            raise ValueError("placeholders: found true; allowed: false, unless `plain` is true, without which all stay")
        return self

    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write `train.csv`, `valid.csv` and `test.csv` with the columns `source`, `target` and `origin`.

        Sentences are cleaned (`clean`); of pairs that differ only in case, the first remains. Three published splits
        stay as they are. See `BaseCorpus.read`; the counts also say how many pairs were left out, and why.
        """
        given: Splits[Pair] = {}
        for part in parts:
            if not part.name.endswith(".json"):
                read = read_catalogue if part.name.endswith(".mo") else read_lines
                given.setdefault(part.split or "train", []).extend(read(part))
        catalogues = [part for part in parts if part.name.endswith(".json")]
        for split in dict.fromkeys(part.split for part in catalogues):
            pairs = read_translations([part for part in catalogues if part.split == split], self.languages)
            given.setdefault(split or "train", []).extend(pairs)
        left_out: Counter[str] = Counter(too_short=0, templates=0, same_on_both_sides=0, duplicates=0)
        published = set(given) == set(SPLITS)
        given = {name: self._filter(pairs, left_out, keep_duplicates=published) for name, pairs in given.items()}
        given = limit_rows(given, self.limit, self.minimum, "pairs", parts[0].name)
        splits, lost = complete(given, self.split, "pairs", keys=_keys)
        counts: dict[str, Any] = {"left_out": {**left_out, "in_a_published_split": lost}}
        for name in SPLITS:
            write_table(folder / f"{name}.csv", ("source", "target", "origin"), splits[name])
            counts[name] = {
                "rows": len(splits[name]),
                "source_words": sum(len(source.split()) for source, _, _ in splits[name]),
                "target_words": sum(len(target.split()) for _, target, _ in splits[name]),
                "characters": sum(len(source) + len(target) for source, target, _ in splits[name]),
            }
        return counts

    def _filter(self, pairs: list[Pair], left_out: Counter[str], keep_duplicates: bool) -> list[Pair]:
        """The usable pairs, cleaned; `left_out` counts the others by reason."""
        result, seen = [], set()
        for source, target, origin in pairs:
            source, target = clean(source), clean(target)
            key = normalise(source), normalise(target)
            hidden = [placeholders.hide(text) if self.placeholders else text for text in (source, target)]
            if min(map(count_words, hidden, self.languages)) < self.minimum_words:
                left_out["too_short"] += 1
            elif self.plain and (any(map(TEMPLATE.search, hidden)) or not self._same_placeholders(source, target)):
                left_out["templates"] += 1
            elif self.plain and key[0] == key[1]:
                left_out["same_on_both_sides"] += 1
            elif key in seen and not keep_duplicates:
                left_out["duplicates"] += 1
            else:
                seen.add(key)
                result.append((source, target, origin))
        return result

    def _same_placeholders(self, source: str, target: str) -> bool:
        return not self.placeholders or placeholders.same(source, target)


def _keys(pair: Pair) -> list[tuple[str, str]]:
    return [("source", normalise(pair[0])), ("target", normalise(pair[1]))]


def count_words(sentence: str, language: str) -> int:
    """Words of a sentence that have a letter; in a language without spaces between words, its letters."""
    return sum(any(char.isalpha() for char in unit) for unit in units(sentence, language))
