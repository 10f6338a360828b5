"""The parts of a program's message that a translation copies: placeholders, tags and addresses.

Delete <b>%s</b>?   ->   Delete \\x01\\x02\\x03?        input of the network
\\x01\\x02\\x03 verwijderen?   ->   <b>%s</b> verwijderen?   its output, and the restored text
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set

# Every repetition is bounded, so that every text takes linear time.
PLACEHOLDER = re.compile(
    r"""
    # printf and Python: %s, %-5.2f, %1$s, %(name)s, %ld, %@
      %(?:\d{1,3}\$|\([\w .-]{1,50}\))?[-+\#0]{0,4}(?:\d{1,4}|\*)?(?:\.\d{1,4})?
        (?:(?:hh?|ll?|[Lqjzt])?[diouxXeEfFgGaAcspn]|[A-Za-z@])
    # {}, {0}, {name}, {amount:.2f}, {{ name }}, ${name}, $name
    | \$?\{\{?\s?[\w.,!:%$|<>^+=*\#\[\]-]{0,60}\s?\}?\}
    | \$[A-Za-z_]\w{0,60}
    # tags and entities: <b>, </a>, <a href="...">, &nbsp;
    | </?[A-Za-z][^<>]{0,300}>
    | &(?:[A-Za-z]{2,10}|\#\w{1,8});
    # addresses of pages and of people
    | (?:https?://|www\.)[^\s<>"'(){}]{0,300}[\w/]
    | (?<![\w.+-])[\w.+-]{1,64}@\w[\w-]{0,62}(?:\.\w[\w-]{0,62}){1,8}
    """,
    re.VERBOSE,
)
# One byte each in UTF-8, so that each is a token; `clean` removes them from every text.
MARKERS = "".join(map(chr, range(1, 9)))


def find(text: str) -> list[str]:
    """All placeholders, tags and addresses of a text, in order."""
    return PLACEHOLDER.findall(text)


def hide(text: str) -> str:
    """The text with a marker for every placeholder."""
    return PLACEHOLDER.sub(MARKERS[0], text)


def same(source: str, target: str) -> bool:
    """Whether two texts have the same placeholders equally often, in any order."""
    return Counter(find(source)) == Counter(find(target))


def lost(source: str, target: str) -> list[str]:
    """The placeholders that `source` has more often than `target`, each once, in the order of `source`."""
    return [part for part, times in Counter(find(source)).items() if target.count(part) < times]


def find_copied(text: str, known: Set[str] | None = None) -> list[str]:
    """The different parts of a text that its translation copies, in order; at most one for each marker.

    Args:
        known: characters; words and symbols with other characters are copied, too. None: only placeholders are.
    """
    parts = set(find(text))
    if known is not None:
        rest = PLACEHOLDER.sub(" ", text)
        unknown = {character for character in rest if character not in known and not character.isspace()}
        if unknown:
            runs = re.findall(rf"[\w{re.escape(''.join(sorted(unknown)))}]+", rest)
            parts |= {run for run in runs if not unknown.isdisjoint(run)}
    pattern = _any(parts)
    return list(dict.fromkeys(pattern.findall(text)))[: len(MARKERS)] if parts else []


def mark(text: str, parts: Sequence[str]) -> str:
    """The text with a marker for each of these parts, the first marker for the first part.

    Args:
        parts: different strings, at most as many as there are markers.
    """
    markers = dict(zip(parts, MARKERS, strict=False))
    return _any(parts).sub(lambda match: markers[match[0]], text) if parts else text


def restore(text: str, parts: Sequence[str]) -> str:
    """The text with the part of each marker: the inverse of `mark`."""
    return text.translate({ord(marker): part for marker, part in zip(MARKERS, parts, strict=False)})


def _any(parts: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches any of the parts, the longest one that fits."""
    return re.compile("|".join(map(re.escape, sorted(parts, key=lambda part: (-len(part), part)))))
