"""No regular expression of the package takes more than linear time for texts with repetitions."""

import ast
import re
import string
import time
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from anamnesis.data.sources import patterns as paths
from anamnesis.data.text import placeholders
from anamnesis.data.tokenizers import sentences

SOURCE = Path(__file__).resolve().parent.parent / "src"
FILES = {".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in SOURCE.rglob("*.py")}
METHODS = {"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
# Patterns that are put together while the program runs, by module: what may come of it. Those of a user's own
# settings (`leave_out`, several `*` in one name of a member) are as fast as the user wrote them.
BUILT = {
    "anamnesis.data.sources.patterns": [
        paths.matcher(each) for each in ("**/*.mo", "a/**/{b,cd}-?.txt", "*/nl/*.json")
    ],
    "anamnesis.data.readers.translations": [re.compile(r"(.*?)(de|en)(?:-[0-9a-f]{8,})?\.json")],
    "anamnesis.data.readers.passages": [re.compile(r"\S(?:[\s\S]{0,18}\S)?(?!\S)|\S{20}")],
    "anamnesis.data.readers.text": [],
    "anamnesis.report.forecasting": [re.compile(r"\d{4}-\d{2}"), re.compile(r"\d{4}-\d{2}-\d{2}")],
    "anamnesis.data.text.placeholders": [placeholders._any(["%s", "{name}", "<b>"]), re.compile(r"[\w\-@]+")],
    "anamnesis.tracking.store": [],  # `params.NAME`, which is timed in its own module.
    "anamnesis.data.text.leftovers": [re.compile("[,.!]*")],
    "anamnesis.data.tokenizers.sentences": [sentences._compile_spaces()],
}
# Places of other patterns that are put together.
UNKNOWN: list[str] = []
# A class of characters in a written pattern.
CLASS = r"(?<!\\)\[\^?\]?(?:\\.|[^\]\\])*\]|\\[wWsSdD]"
# Characters of every repeated text.
SIZE = 8000
# Seconds that suffice for linear time over so many characters, and not for quadratic time.
FAST = 0.006


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """The calls of functions of `re` that take a pattern, with the name that the result is assigned to, if any."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        id(each): target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name)
        for each in ast.walk(node.value)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)) if name in {"compile", *METHODS}:
                yield node, names.get(id(node), "")


@cache
def source() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in FILES.values())


def patterns() -> Iterator[Any]:
    """Each pattern of the package with how it is used: a new one is among them as soon as it is written."""
    for module, path in sorted(FILES.items()):
        for call, name in calls(path):
            attribute = call.func.attr
            flags = next((ast.unparse(each) for each in call.args[1:] if "re." in ast.unparse(each)), "0")
            flags = next((ast.unparse(each.value) for each in call.keywords if each.arg == "flags"), flags)
            try:
                pattern = eval(ast.unparse(call.args[0]), vars(import_module(module)).copy())
                compiled = re.compile(pattern, eval(flags))
            except NameError:
                if module not in BUILT:
                    UNKNOWN.append(f"{module}, line {call.lineno}")
                continue
            used = (
                {attribute} if attribute != "compile" else {each for each in METHODS if f"{name}.{each}(" in source()}
            )
            whole = bool(used) and used <= {"match", "fullmatch"}
            yield pytest.param(compiled, "fullmatch" if whole else "finditer", id=f"{module}-{call.lineno}")
    for module, built in BUILT.items():
        for number, compiled in enumerate(built):
            whole = module in (
                "anamnesis.data.sources.patterns",
                "anamnesis.data.readers.translations",
                "anamnesis.report.forecasting",
            )
            yield pytest.param(compiled, "fullmatch" if whole else "finditer", id=f"{module}-built-{number}")


def parts(pattern: re.Pattern[Any]) -> list[str]:
    """The parts to repeat: one character of each kind that the pattern's classes distinguish, and its words."""
    written = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    classes = [re.compile(each) for each in re.findall(CLASS, written)]
    rest = re.sub(r"\\[bAZ]|\(\?[a-zA-Z!<=>:]*|[{][0-9,]+[}]", " ", re.sub(CLASS, " ", written))
    literal = set(re.sub(r"\\(.)", r"\1", rest)) & set(string.punctuation)
    kinds: dict[tuple[object, ...], str] = {}
    for each in [*"\n a1A-._!\t", *sorted(literal), *(each for each in written if ord(each) <= 0xFFFF)]:
        alike = each if each in literal or each == "\n" else ""
        kinds.setdefault((alike, *(bool(one.match(each)) for one in classes)), each)
    words = sorted(set(re.findall(r"[A-Za-z]{2,}", rest)), key=len)
    return [*list(kinds.values())[:12], *words[:4]]


def texts(pattern: re.Pattern[Any], size: int) -> Iterator[Any]:
    """Runs of one part or of two that take turns, alone and before something else."""
    some = parts(pattern)
    ends = ["", *(each for each in some if len(each) == 1)]
    for one, other in product(some, repeat=2):
        unit = one if one == other else one + other
        for end in ends if one == other else ends[:5]:
            text = unit * (size // len(unit)) + end
            yield text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")


def seconds(pattern: re.Pattern[Any], how: str, text: Any) -> float:
    """The lowest processor time of three runs, which other processes do not change."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        if how == "finditer":
            for _match in pattern.finditer(text):
                pass
        else:
            getattr(pattern, how)(text)
        best = min(best, time.process_time() - start)
        if best < FAST:
            break
    return best


PATTERNS = list(patterns())


def test_every_pattern_is_timed():
    assert UNKNOWN == [], "say in BUILT what these patterns may be"


@pytest.mark.parametrize(("pattern", "how"), PATTERNS)
def test_a_pattern_takes_linear_time(pattern, how):
    for few, text, many in zip(texts(pattern, 250), texts(pattern, SIZE), texts(pattern, 4 * SIZE), strict=True):
        assert seconds(pattern, how, few) < FAST, f"{few[:20]!r} repeated: worse than quadratic"
        if (once := seconds(pattern, how, text)) > FAST:
            # Four times the text takes four times as long, or with quadratic time sixteen times.
            growth = seconds(pattern, how, many) / once
            assert growth < 8, (
                f"{text[:20]!r} repeated, then {text[-1:]!r}: four times the text, {growth:.0f} times as long"
            )
