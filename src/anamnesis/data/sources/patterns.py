"""Patterns that select files by their paths: `*` and `?` within a name, `**/` any folders, `{a,b}` alternatives."""

import re

_SPECIAL = re.compile(r"[*?{]")


def is_pattern(path: str) -> bool:
    """Whether a member's path selects by a pattern."""
    return bool(_SPECIAL.search(path))


def matcher(pattern: str) -> re.Pattern[str]:
    """The regular expression that fits, from end to end, the paths that the pattern selects.

    Raises:
        ValueError: a `{` has no `}`.
    """
    result, depth, index = "", 0, 0
    while index < len(pattern):
        if pattern.startswith("**/", index):
            result, index = result + "(?:[^/]+/)*", index + 3
            continue
        char = pattern[index]
        if char == "{":
            result, depth = result + "(?:", depth + 1
        elif char == "}" and depth:
            result, depth = result + ")", depth - 1
        elif char == "," and depth:
            result += "|"
        else:
            result += {"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char))
        index += 1
    if depth:
        raise ValueError("a path or pattern in which every '{' has its '}'")
    return re.compile(result)
