"""Reading and writing YAML files, stricter than PyYAML: no key is given twice, and aliases stay within bounds."""

from pathlib import Path
from typing import Any

import yaml

from anamnesis.errors import ParamsError

MOST_VALUES = 1_000_000
# Characters of the longest block that is written on one line.
FLOW_LENGTH = 90
MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        ParamsError: the file is missing or cannot be read, is not YAML, gives a key twice, holds an alias inside the
            value it stands for, or more than `MOST_VALUES` values once aliases are followed.
    """
    try:
        loader = yaml.CSafeLoader(path.read_text(encoding="utf-8"))
        try:
            node = loader.get_single_node()
            _check(node, loader)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except FileNotFoundError:
        raise ParamsError(f"{path}: there is no such file; run this in the project's folder") from None
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ParamsError(f"{path}: not valid YAML: brackets or blocks are nested too deeply") from None
    # Beside its own errors, PyYAML passes on the ValueError of a date or a number that Python refuses.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def dump_yaml(value: Any) -> str:
    """The value as YAML text without aliases; a block whose keys and values are short stands on one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _check(root: yaml.Node | None, loader: yaml.CSafeLoader) -> None:
    """Raise YAMLError for a key given twice, an alias inside its own value, and a tree too large with aliases followed.

    This runs before any value is built, because building a merge key (`<<`) changes the nodes.
    """
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            return sizes[id(node)]
        if id(node) in open_nodes:
            raise yaml.YAMLError(f"the value that starts in line {node.start_mark.line + 1} holds an alias of itself")
        open_nodes.add(id(node))
        match node:
            case yaml.MappingNode():
                _check_keys(node, loader)
                total = 1 + sum(size(key) + size(value) for key, value in node.value)
            case yaml.SequenceNode():
                total = 1 + sum(size(item) for item in node.value)
            case _:
                total = 1
        if total > MOST_VALUES:
            raise yaml.YAMLError(f"more than {MOST_VALUES:,} values once aliases are followed")
        open_nodes.remove(id(node))
        sizes[id(node)] = total
        return total

    if root is not None:
        size(root)


def _check_keys(node: yaml.MappingNode, loader: yaml.CSafeLoader) -> None:
    """Raise YAMLError for a key that a mapping gives twice; plain YAML silently keeps the last."""
    lines: dict[Any, int] = {}
    for key, _ in node.value:
        if key.tag == MERGE or not isinstance(key, yaml.ScalarNode):
            continue
        name, line = loader.construct_object(key), key.start_mark.line + 1
        if name in lines:
            where = f"line {line}" if line == lines[name] else f"lines {lines[name]} and {line}"
            raise yaml.YAMLError(f"the key {name!r} is given twice, in {where}")
        lines[name] = line


class _Dumper(yaml.SafeDumper):
    """YAML's safe dumper, without aliases, and with short blocks in flow style."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _length(node) <= FLOW_LENGTH
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _length(node) <= FLOW_LENGTH
        return node


def _length(node: yaml.Node) -> int:
    """The characters of a node in flow style, roughly."""
    match node:
        case yaml.MappingNode():
            return 2 + sum(_length(key) + _length(value) + 4 for key, value in node.value)
        case yaml.SequenceNode():
            return 2 + sum(_length(item) + 2 for item in node.value)
        case _:
            return len(node.value)
