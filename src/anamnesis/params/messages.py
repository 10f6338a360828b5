"""Errors in settings as one line: the key as it stands in the file, what was found, and what is allowed."""

import re
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from anamnesis.errors import ParamsError, suggest

Entry = TypeVar("Entry")
# By the type of pydantic's error.
ALLOWED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a number that is not infinite",
    "float_type": "a number",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "int_type": "a whole number",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "string_pattern_mismatch": "text like {pattern}",
    "string_too_short": "text of at least {min_length} characters",
    "string_type": "text, in quotes where it looks like a number or a date",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entries",
}


def lookup(entries: dict[str, Entry], name: str, kind: str, others: Iterable[str] = ()) -> Entry:
    """The entry of that name.

    Args:
        others: names of something else that the error may suggest.

    Raises:
        ParamsError: there is none; the line suggests the nearest name.
    """
    if name not in entries:
        hint = suggest(name, [*entries, *others])
        everything = "; `anamnesis list` shows them" if kind == "experiment" and hint.startswith("allowed") else ""
        raise ParamsError(f"no {kind} is named {name!r}; {hint}{everything}")
    return entries[name]


def describe(error: ValidationError, adapter: TypeAdapter[Any]) -> str:
    """The most telling fault of a validation as 'key: found X; allowed: Y'.

    Args:
        error: as pydantic raised it.
        adapter: validated the content.
    """
    # A misspelt key is also missing under its right name, so an unknown key comes before other faults.
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    key, block = _locate(first["loc"], _json_schema(adapter))
    found, context = first["input"], first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; {suggest(str(first['loc'][-1]), block.get('properties', ()))}"
        case "missing":
            return f"{key}: missing, it must be given"
        case "union_tag_not_found" | "union_tag_invalid":
            # A model's card has no key above this one.
            tagged = f"{key}.{context['discriminator'].strip(chr(39))}".lstrip(".")
            tags = list(block["discriminator"]["mapping"])
            if "tag" not in context:
                return f"{tagged}: missing, it must be given; allowed: {', '.join(tags)}"
            near = get_close_matches(context["tag"], tags, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            return f"{tagged}: found {context['tag']!r}{hint}; allowed: {', '.join(tags)}"
        case "value_error":
            message = first["msg"].removeprefix("Value error, ")
            if not isinstance(found, dict):
                return f"{key}: found {show(found)}; allowed: {message}"
            # A check of several keys may name the one at fault.
            return f"{key}.{message}" if re.match(r"[a-z_.]+: found ", message) else f"{key}: {message}"
    if first["loc"][-1] == "[key]":
        return f"{key}: found the name {found!r}; allowed: text, in quotes where it looks like a number"
    if first["type"] == "float_type" and isinstance(found, str) and re.fullmatch(r"[0-9.]+e[-+]?[0-9]+", found):
        return f"{key}: found the text {found!r}; allowed: a number, which YAML reads only with a point, as in 1.0e-3"
    allowed = ALLOWED.get(first["type"], first["msg"].removeprefix("Input should be ")).format(**context)
    return f"{key}: found {show(found)}; allowed: {allowed}"


@cache
def _json_schema(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    return adapter.json_schema()


def show(value: Any) -> str:
    """A value as YAML writes it; 'a list' or 'a mapping' in place of their content."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, date):
        return f"the date {value}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def _locate(loc: tuple[int | str, ...], schema: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The dotted key of an error, and the JSON schema of the value there, or of the block around an unknown key.

    Between the keys of `loc`, pydantic puts the tag that it chose each union's member by; the schema tells them apart.
    """
    keys: list[str] = []
    block = _resolve(schema, schema)
    for part in loc:
        # In a union without a discriminator, the rest of `loc` names the member that was tried.
        if part == "[key]" or "anyOf" in block:
            break
        if "discriminator" in block:
            inner: Any = {"$ref": block["discriminator"]["mapping"][part]}
        else:
            keys.append(str(part))
            inner = block.get("properties", {}).get(part) or block.get("additionalProperties") or block.get("items")
        if not isinstance(inner, dict):
            # An unknown key.
            break
        block = _resolve(inner, schema)
    return ".".join(keys), block


def _resolve(block: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A block of a JSON schema with its reference followed, and without 'or null'."""
    while True:
        options = [option for option in block.get("anyOf", []) if option.get("type") != "null"]
        if "$ref" in block:
            block = schema["$defs"][block["$ref"].rpartition("/")[2]]
        elif len(options) == 1:
            (block,) = options
        else:
            return block
