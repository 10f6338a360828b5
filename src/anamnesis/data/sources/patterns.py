"""Patterns that select files by their paths: `*` and `?` within a name, `**/` any folders, `{a,b}` alternatives."""

import re


def is_pattern(path: str) -> bool:
    """Whether a path selects files by a pattern."""
    return any(char in path for char in "*?{")


def matcher(pattern: str) -> re.Pattern[str]:
    """The regular expression that fully matches the paths that the pattern selects.

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


def check_pattern(pattern: str) -> str:
    """The pattern itself. Raises ValueError as `matcher`."""
    matcher(pattern)
    return pattern
