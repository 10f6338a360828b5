"""Print docs/params.md: each key of params.yaml and corpora.yaml with its type, range, default and meaning."""

import inspect
from typing import Any

from pydantic import TypeAdapter

from anamnesis.params import Params

HEAD = """# Every key of params.yaml and corpora.yaml

Written by `python scripts/params_reference.py > docs/params.md` from the schema that checks both files. The blocks
`corpora` and `own_corpora` stand in corpora.yaml, every other in params.yaml. A key without a default must be given.
Keys that a block does not list are refused.
"""


def reference() -> str:
    """The page, in Markdown."""
    schema = TypeAdapter(Params).json_schema()
    parts = [HEAD, _block("Top level", schema, schema["$defs"])]
    blocks = schema["$defs"]
    parts += [_block(_title(name), block, blocks) for name, block in blocks.items() if "properties" in block]
    return "\n".join(parts)


def _block(title: str, block: dict[str, Any], blocks: dict[str, Any]) -> str:
    lines = [f"## {title}", ""]
    if text := inspect.cleandoc(block.get("description", "")):
        lines += [text, ""]
    lines += ["| key | values | default | meaning |", "|---|---|---|---|"]
    for key, field in block["properties"].items():
        default = "" if key in block.get("required", []) else f"`{_plain(field.get('default'))}`"
        meaning = field.get("description", "").replace("|", "\\|")
        lines.append(f"| `{key}` | {_values(field, blocks)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _title(name: str) -> str:
    """The name of a block; where several have it, with the folder it is from, as in 'Series of corpora'."""
    *folders, last = name.split("__")
    return f"{last} of {'.'.join(folders[1:-1])}" if folders else last


def _values(field: dict[str, Any], blocks: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        target = blocks[name]
        title = _title(name)
        anchor = title.lower().replace(" ", "-").replace(".", "")
        return f"[{title}](#{anchor})" if "properties" in target else _values(target, blocks)
    options = field.get("anyOf") or field.get("oneOf")
    if options:
        return ", or ".join(_values(option, blocks) for option in options)
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_values(field['items'], blocks)}" if "items" in field else "list"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"name: {_values(inner, blocks)}" if isinstance(inner, dict) else "mapping"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false"}
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[name]:g}" for name, sign in signs.items() if name in field]
    return " ".join([words.get(field.get("type", ""), str(field.get("type", "anything"))), ", ".join(bounds)]).strip()


def _plain(default: Any) -> str:
    return "null" if default is None else str(default).lower() if isinstance(default, bool) else str(default) or "empty"


if __name__ == "__main__":
    print(reference(), end="")
