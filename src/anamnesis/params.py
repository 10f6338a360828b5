"""The settings of the pipeline: params.yaml and corpora.yaml are read, checked against the schema, names resolved."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator

from anamnesis.data.settings import Corpus
from anamnesis.data.text.languages import CHINESE, UNSPACED
from anamnesis.data.tokenizers.settings import ImageTokens, PairTokens, SeriesTokens, TextTokens, Tokens
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.schema import Settings
from anamnesis.tasks.captioning.settings import Experiment as Captioning
from anamnesis.tasks.classification.settings import Experiment as Classification
from anamnesis.tasks.cloze.settings import Experiment as Cloze
from anamnesis.tasks.forecasting.settings import Experiment as Forecasting
from anamnesis.tasks.language import derived
from anamnesis.tasks.language.settings import Experiment as Language
from anamnesis.tasks.memory.settings import Experiment as Memory
from anamnesis.tasks.translation.settings import Experiment as Translation
from anamnesis.tasks.video.settings import Experiment as Video
from anamnesis.yaml_file import dump_yaml, read_yaml

Entry = TypeVar("Entry")
# Two files, because DVC parses a whole file again for each stage that records one of its keys.
PARAMS, CORPORA = "params.yaml", "corpora.yaml"
LISTED = 20
NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"

Experiment = Annotated[
    Language | Cloze | Memory | Translation | Classification | Video | Captioning | Forecasting,
    Field(discriminator="task"),
]
# What the readers of `corpora` make; any other: running text.
HELD = {
    "passages": "labelled passages",
    "documents": "labelled documents",
    "pairs": "sentence pairs",
    "digits": "images",
    "series": "a series",
}
# What may be made of each; of any other: `TextTokens`.
KINDS: dict[str, Any] = {"pairs": PairTokens, "digits": ImageTokens, "series": SeriesTokens}
LABELLED = ("labelled passages", "labelled documents")
# The sections with experiments; each has stages of its own, because what its entries depend on differs.
SECTIONS = ("experiments", "dependent")
# The sections of corpora.yaml.
CORPORA_SECTIONS = ("corpora", "own_corpora")


class Params(Settings):
    """The whole of params.yaml, and of corpora.yaml the blocks `corpora` and `own_corpora`."""

    profile: str = Field(pattern=NAME, description="name of the budget these values stand for; `laptop` as they come")
    corpora: dict[str, Corpus] = Field(
        description="the block of corpora.yaml; after `check`, those of `own_corpora` are among them"
    )
    own_corpora: dict[str, Corpus] = Field(
        {}, description="another block of corpora.yaml: the corpora with files of your own, each in data/own/CORPUS"
    )
    tokens: dict[str, Tokens]
    experiments: dict[str, Experiment] = Field(description="after `check`, those of `dependent` are among them")
    dependent: dict[str, Experiment] = Field({}, description="experiments that need another model or an own cell")

    @field_validator(*CORPORA_SECTIONS, "tokens", *SECTIONS)
    @classmethod
    def _names(cls, entries: dict[str, Any]) -> dict[str, Any]:
        for name in entries:
            if not re.fullmatch(NAME, name):
                raise ValueError(f"the name {name!r} may hold lower-case letters, digits and single hyphens only")
        return entries


def suggest(name: str, allowed: Iterable[object]) -> str:
    """'did you mean NEAREST?', or what is allowed instead, to end an error about an unknown name.

    A list of more than `LISTED` names would hide the error: three names stand for it.
    """
    names = sorted(map(str, allowed))
    if near := get_close_matches(name, names, n=1):
        return f"did you mean {near[0]!r}?"
    if len(names) > LISTED:
        return f"allowed: one of {len(names)} names, such as {', '.join(names[:3])}"
    return f"allowed: {', '.join(names) or '(none)'}"


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


def load(path: Path = Path(PARAMS)) -> Params:
    """Read and check params.yaml and the corpora.yaml beside it.

    Raises:
        ParamsError: a file is missing, is not YAML, or holds an unknown key, a wrong type or range, or a name
            that refers to nothing. One line names the file, the key, what was found and what is allowed.
    """
    return check(read(path), str(path), str(path.with_name(CORPORA)))


def experiment_of(card: Mapping[str, Any]) -> Any:
    """The settings of the experiment that trained a model, which the model's card holds among other things.

    Args:
        card: content of the model's model.json.

    Raises:
        AnamnesisError: the card holds no such settings, as where another version of this project wrote it.
    """
    # Under `parameters`, every card has the size of the network, also that of a memory experiment with such a setting.
    content = {**card, "parameters": card.get("allowed_parameters")}
    try:
        return TypeAdapter(Experiment).validate_python(content, extra="ignore")
    except ValidationError as error:
        origin = f"models/{card.get('experiment')}/model.json"
        problem = _one_line(_first(error), content, Experiment)
        raise AnamnesisError(f"{origin}: {problem}; run `anamnesis repro` to make it again") from None


def read(path: Path) -> dict[str, Any]:
    """The content of params.yaml and the corpora.yaml beside it as one mapping. Raises as `load` does.

    It checks that no key is given twice and that each block is in its own file, and nothing else.
    """
    content = _read_mapping(path, [name for name in Params.model_fields if name not in CORPORA_SECTIONS])
    for key in CORPORA_SECTIONS:
        if key in content:
            raise ParamsError(f"{path}: {key}: this block belongs in {CORPORA}, beside this file; move it there")
    beside = path.with_name(CORPORA)
    corpora = _read_mapping(beside, list(CORPORA_SECTIONS))
    for key in corpora:
        if key not in CORPORA_SECTIONS:
            raise ParamsError(f"{beside}: {key}: unknown key; {suggest(str(key), CORPORA_SECTIONS)}")
    return content | corpora


def _read_mapping(path: Path, allowed: list[str]) -> dict[str, Any]:
    """The content of a YAML file that must be a mapping; `allowed` lists its keys in the error."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        found = "nothing" if content is None else _show(content)
        raise ParamsError(f"{path}: found {found}; allowed: a mapping with {', '.join(allowed)}")
    return content


def apply_profile(content: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """The content of params.yaml and corpora.yaml with other budgets: `overlay` merged over it, mapping by mapping.

    The key `*` stands for every entry of the mapping it is in; what is given by name comes after it and wins. Below a
    `*`, a mapping is merged only where there is one, so that `training: {epochs: 1}` makes no baseline a network; the
    block `trainer` also where there is a block `training` with epochs.

    The key `repeat`, which params.yaml does not have, says how often an experiment is to be run: `{NAME: 3}` puts
    NAME-seed2 and NAME-seed3 after NAME, the same but for seeds one and two higher.

    Raises:
        ParamsError: `repeat` names no experiment, or less than two runs.
    """
    overlay = dict(overlay)
    repeat = overlay.pop("repeat", {})
    return _repeated(_merge(content, overlay, everywhere=False), repeat)


def _merge(content: dict[str, Any], overlay: dict[str, Any], everywhere: bool) -> dict[str, Any]:
    result = dict(content)
    if "*" in overlay:
        if not isinstance(overlay["*"], dict):
            raise ParamsError(f"*: found {_show(overlay['*'])}; allowed: a mapping")
        entries = {name: entry for name, entry in result.items() if isinstance(entry, dict)}
        result |= {name: _merge(entry, overlay["*"], everywhere=True) for name, entry in entries.items()}
    for key, value in overlay.items():
        if key == "*":
            continue
        there = result.get(key)
        if not isinstance(value, dict):
            result[key] = value
        elif isinstance(there, dict) or not everywhere or _is_trained(key, result):
            result[key] = _merge(there if isinstance(there, dict) else {}, value, everywhere)
    return result


def _is_trained(key: str, entry: dict[str, Any]) -> bool:
    """Whether the key is `trainer`, and the entry one that has a use for it."""
    training = entry.get("training")
    return key == "trainer" and isinstance(training, dict) and "epochs" in training


def _repeated(content: dict[str, Any], repeat: Any) -> dict[str, Any]:
    """`content` with the copies that `repeat` asks for."""
    if not isinstance(repeat, dict):
        raise ParamsError(f"repeat: found {_show(repeat)}; allowed: a mapping of experiments to numbers of runs")
    sections = {name: part for part in SECTIONS if isinstance(content.get(part), dict) for name in content[part]}
    for name, runs in repeat.items():
        if name not in sections:
            raise ParamsError(f"repeat.{name}: no experiment is named {name!r}; {suggest(str(name), list(sections))}")
        if type(runs) is not int or runs < 2:
            raise ParamsError(f"repeat.{name}: found {_show(runs)}; allowed: a whole number, at least 2")
    result = dict(content)
    for section in dict.fromkeys(sections.values()):
        result[section] = {}
        for name, entry in content[section].items():
            result[section][name] = entry
            # `check` names an entry that is no mapping.
            for run in range(2, repeat.get(name, 1) + 1 if isinstance(entry, dict) else 0):
                copy = f"{name}-seed{run}"
                if copy in sections:
                    raise ParamsError(f"repeat.{name}: there is already an experiment {copy!r}")
                seed = entry.get("seed", 1)
                if type(seed) is not int:
                    raise ParamsError(f"{section}.{name}.seed: found {_show(seed)}; allowed: a whole number")
                result[section][copy] = entry | {"seed": seed + run - 1}
    return result


def dump(content: dict[str, Any]) -> dict[str, str]:
    """The texts of corpora.yaml and params.yaml for this content, by name, every value spelled out where it stands.

    Args:
        content: as `read` gives it.
    """
    corpora = {key: value for key, value in content.items() if key in CORPORA_SECTIONS}
    others = {key: value for key, value in content.items() if key not in CORPORA_SECTIONS}
    return {name: dump_yaml(part) for name, part in ((CORPORA, corpora), (PARAMS, others))}


def check(content: dict[str, Any], origin: str = PARAMS, corpora: str = CORPORA) -> Params:
    """Check the content of a params.yaml and its corpora.yaml that are already read. Raises as `load` does.

    Args:
        content: as `read` gives it.
        origin: what errors call params.yaml.
        corpora: what errors call corpora.yaml.
    """
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        first = _first(error)
        file = corpora if first["loc"][0] in CORPORA_SECTIONS else origin
        raise ParamsError(f"{file}: {_one_line(first, content, Params)}") from None
    for name in params.own_corpora:
        if name in params.corpora:
            raise ParamsError(f"{corpora}: own_corpora.{name}: the section corpora has a corpus of this name")
    for section in CORPORA_SECTIONS:
        for name, corpus in getattr(params, section).items():
            if wrong := _misplaced_corpus(section, corpus):
                raise ParamsError(f"{corpora}: {section}.{name}.source.kind: {wrong}")
    params = params.model_copy(update={"corpora": params.corpora | params.own_corpora})
    for name, tokens in params.tokens.items():
        _refers(origin, f"tokens.{name}.corpus", tokens.corpus, params.corpora, "corpus")
        if fault := _uncuttable(tokens, params.corpora[tokens.corpus]):
            raise ParamsError(f"{origin}: tokens.{name}.{fault[0]}: {fault[1]}")
    everything: dict[str, Any] = {}
    for section in SECTIONS:
        for name, experiment in getattr(params, section).items():
            key = f"{section}.{name}"
            if name in everything:
                raise ParamsError(f"{origin}: {key}: another section has an experiment of this name")
            everything[name] = experiment
            _refers(origin, f"{key}.tokens", experiment.tokens, params.tokens, "token store")
            fault = _misplaced(section, name, experiment, params) or _unreadable(experiment, params)
            if fault:
                raise ParamsError(f"{origin}: {key}.{fault[0]}: {fault[1]}")
    return params.model_copy(update={"experiments": everything})


def _misplaced_corpus(section: str, corpus: Any) -> str | None:
    """What is wrong with a corpus in its section."""
    kind = corpus.source.kind
    if (kind == "file") == (section == "own_corpora"):
        return None
    if kind == "file":
        return "found 'file', files of your own; such an entry belongs under `own_corpora`"
    return f"found {kind!r}; under `own_corpora`, allowed: file"


def _misplaced(section: str, name: str, experiment: Any, params: Params) -> tuple[str, str] | None:
    """What is wrong with an experiment in its section: the key, and what to say of it."""
    dependent = section == "dependent"
    if (experiment.needs is not None) != dependent:
        return "needs", "missing, it must be given" if dependent else "such an entry belongs under `dependent`"
    if experiment.needed_model is not None:
        return derived.problem(name, experiment, params.experiments, params.dependent, params.tokens)
    return None


def _uncuttable(tokens: Any, corpus: Any) -> tuple[str, str] | None:
    """Why a token store cannot be made of its corpus: the key, and what to say of it."""
    kinds: Any = KINDS.get(corpus.reader, TextTokens)
    if not isinstance(tokens, kinds):
        held = HELD.get(corpus.reader, "running text")
        return "kind", f"found {tokens.kind!r} for {held}; allowed: {', '.join(_values(kinds, 'kind'))}"
    if isinstance(tokens, PairTokens) and tokens.languages != corpus.languages:
        return "languages", f"found {', '.join(tokens.languages)}; the corpus has {', '.join(corpus.languages)}"
    # Between spaces there may be a whole sentence, which would be copied for one rare character in it.
    if getattr(tokens, "placeholders", False) and (source := tokens.languages[0]) in (*CHINESE, *UNSPACED):
        return "placeholders", f"found true; allowed: false, as the language {source!r} puts no spaces between words"
    return None


def _unreadable(experiment: Any, params: Params) -> tuple[str, str] | None:
    """Why an experiment cannot learn from its token store: the key, and what to say of it."""
    tokens = params.tokens[experiment.tokens]
    corpus = params.corpora.get(tokens.corpus)
    found = f"found {experiment.tokens!r}, "
    here = "running text" if corpus is None else HELD.get(corpus.reader, "running text")
    wanted: tuple[str, ...]
    match experiment:
        case Classification():
            wanted = LABELLED
        case Translation():
            wanted = ("sentence pairs",)
        case Video() | Captioning():
            wanted = ("images",)
        case Forecasting(series="values"):
            wanted = ("a series",)
        case _:
            wanted = ("running text",)
    if here not in wanted:
        return "tokens", f"{found}{here}; allowed: {', '.join(wanted)}"
    if getattr(experiment.model, "tied", None) == "all" and not getattr(tokens, "shared", False):
        return (
            "model.tied",
            f"found all; the languages of {experiment.tokens!r} share no vocabulary; allowed: none, output",
        )
    kind = "words" if isinstance(experiment, Cloze) or _forecasts_words(experiment) else None
    if isinstance(experiment, Classification):
        kind = experiment.model.token_kind
    if kind is not None and tokens.kind != kind:
        return "tokens", f"{found}tokens of kind {tokens.kind}; allowed: {kind}"
    return None


def _forecasts_words(experiment: Any) -> bool:
    return isinstance(experiment, Forecasting) and experiment.series == "words"


def _refers(origin: str, key: str, name: str, entries: dict[str, Any], kind: str) -> None:
    if name not in entries:
        raise ParamsError(f"{origin}: {key}: found {name!r}, which no {kind} is named; {suggest(name, list(entries))}")


def _first(error: ValidationError) -> Any:
    """The fault to report: an unknown key before others, for a misspelt key is also missing under its right name."""
    return min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")


def _one_line(first: Any, content: dict[str, Any], kind: Any) -> str:
    """A fault in content of this kind as 'key: found X; allowed: Y'."""
    key, found, kind = _locate(first["loc"], content, kind)
    context = first.get("ctx", {})
    # At the top of a model's card there is no key before that of the tag.
    tagged = f"{key}.{context.get('discriminator', '').strip(chr(39))}".lstrip(".")
    match first["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; {suggest(key.rpartition('.')[2], _keys(kind))}"
        case "missing":
            return f"{key}: missing, it must be given"
        case "union_tag_not_found":
            return f"{tagged}: missing, it must be given; allowed: {', '.join(_members(kind))}"
        case "union_tag_invalid":
            tags, tag = list(_members(kind)), context["tag"]
            near = get_close_matches(tag, tags, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            return f"{tagged}: found {tag!r}{hint}; allowed: {', '.join(tags)}"
        case "value_error":
            message = first["msg"].removeprefix("Value error, ")
            return (
                f"{key}: {message}" if isinstance(found, dict) else f"{key}: found {_show(found)}; allowed: {message}"
            )
    if first["loc"][-1] == "[key]":
        return f"{key}: found the name {first['input']!r}; allowed: text, in quotes where it looks like a number"
    if first["type"] == "float_type" and isinstance(found, str) and re.fullmatch(r"[0-9.]+e[-+]?[0-9]+", found):
        return f"{key}: found the text {found!r}; allowed: a number, which YAML reads only with a point, as in 1.0e-3"
    allowed = ALLOWED.get(first["type"], first["msg"].removeprefix("Input should be ")).format(**context)
    return f"{key}: found {_show(found)}; allowed: {allowed}"


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


def _show(value: Any) -> str:
    """A value as YAML writes it; of a list or mapping only that it is one."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, date):
        return f"the date {value}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def _locate(loc: tuple[int | str, ...], content: Any, kind: Any) -> tuple[str, Any, Any]:
    """The dotted key, its value, and the type of what is there (for an unknown key: of what it is in).

    In pydantic's path, the tag of a union's member stands between keys; it is no key of the file.
    """
    path: list[str] = []
    for part in loc:
        if part == "[key]":
            break
        kind = _plain(kind)
        members = _members(kind)
        if members:
            kind = members[str(part)]
            continue
        path.append(str(part))
        if isinstance(content, dict):
            content = content.get(part)
        elif isinstance(content, list) and isinstance(part, int):
            content = content[part]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if part not in kind.model_fields:
                break
            kind = kind.model_fields[str(part)].annotation
        else:
            kind = (get_args(kind) or (Any,))[-1]
    return ".".join(path), content, _plain(kind)


def _plain(kind: Any) -> Any:
    """The type without its annotations, and without 'or null'."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        options = [option for option in get_args(kind) if option is not NoneType]
        return _plain(options[0]) if len(options) == 1 else Union[tuple(options)]  # noqa: UP007
    return kind


def _members(kind: Any) -> dict[str, Any]:
    """The members of a union of settings by the values of the key that tells them apart; of anything else, none."""
    if get_origin(kind) not in (Union, UnionType):
        return {}
    members = [_plain(option) for option in get_args(kind)]
    for key in ("task", "architecture", "kind", "reader"):
        values = [(value, member) for member in members for value in _values(member, key)]
        if all(_values(member, key) for member in members) and len(dict(values)) == len(values):
            return dict(values)
    return {}


def _values(kind: Any, key: str) -> list[str]:
    """What `key` may be in settings, or in each of a union of them."""
    if get_origin(kind) in (Union, UnionType):
        return list(dict.fromkeys(value for option in get_args(kind) for value in _values(_plain(option), key)))
    if isinstance(kind, type) and issubclass(kind, BaseModel) and key in kind.model_fields:
        return list(get_args(kind.model_fields[key].annotation))
    return []


def _keys(kind: Any) -> list[str]:
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
