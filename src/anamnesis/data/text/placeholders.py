"""The parts of a program's message that a translation copies: placeholders, tags and addresses.

Delete <b>%s</b>?   ->   Delete \\x01\\x02\\x03?        what a network reads
\\x01\\x02\\x03 verwijderen?   ->   <b>%s</b> verwijderen?   what it writes, and what people read
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set

# Every repetition has a bound, so that no text takes more than linear time.
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
# One byte each in UTF-8, and `clean` leaves none of them in a text: each is a token of its own, and no text holds it.
MARKERS = "".join(map(chr, range(1, 9)))


def find(text: str) -> list[str]:
    """Every placeholder, tag and address of a text, in their order."""
    return PLACEHOLDER.findall(text)


def hide(text: str) -> str:
    """The text with a marker in the place of every placeholder."""
    return PLACEHOLDER.sub(MARKERS[0], text)


def same(source: str, target: str) -> bool:
    """Whether two texts have the same placeholders, each as often, in any order."""
    return Counter(find(source)) == Counter(find(target))


def lost(source: str, target: str) -> list[str]:
    """The placeholders that `source` has more often than `target`, each once, in the order of `source`."""
    return [part for part, times in Counter(find(source)).items() if target.count(part) < times]


def copied(text: str, known: Set[str] | None = None) -> list[str]:
    """The different parts of a text that its translation copies, in their order; as many as there are markers.

    Args:
        known: characters; a word or symbol with any other is copied, too. None: only placeholders are.
    """
    found = set(find(text))
    if known is not None:
        rest = PLACEHOLDER.sub(" ", text)
        unknown = {character for character in rest if character not in known and not character.isspace()}
        if unknown:
            runs = re.findall(rf"[\w{re.escape(''.join(sorted(unknown)))}]+", rest)
            found |= {run for run in runs if not unknown.isdisjoint(run)}
    pattern = _any(found)
    return list(dict.fromkeys(pattern.findall(text)))[: len(MARKERS)] if found else []


def mark(text: str, parts: Sequence[str]) -> str:
    """The text with a marker in the place of each of these parts: of the first part the first marker.

    Args:
        parts: different strings, at most as many as there are markers.
    """
    markers = dict(zip(parts, MARKERS, strict=False))
    return _any(parts).sub(lambda match: markers[match[0]], text) if parts else text


def restore(text: str, parts: Sequence[str]) -> str:
    """The text with each marker replaced by its part: what `mark` was given."""
    return text.translate({ord(marker): part for marker, part in zip(MARKERS, parts, strict=False)})


def _any(parts: Iterable[str]) -> re.Pattern[str]:
    """A pattern of any of the parts; where one begins another, the longer comes first."""
    return re.compile("|".join(map(re.escape, sorted(parts, key=lambda part: (-len(part), part)))))
