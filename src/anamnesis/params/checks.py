"""Check what one entry of the settings says about another: names, sections, and what fits together."""

from collections.abc import Iterable
from typing import Any, get_args

from anamnesis.data.text.languages import CHINESE, UNSPACED
from anamnesis.data.tokenizers.settings import PairTokens, Tokens
from anamnesis.errors import suggest
from anamnesis.params.schema import SECTIONS, Params


def check_references(params: Params) -> Params:
    """The settings with `own_corpora` among `corpora` and `dependent` among `experiments`.

    Raises:
        ValueError: a name refers to nothing, an entry stands in the wrong section, or two entries do not fit; the
            message has the form `key: found X; allowed: Y`.
    """
    for section in ("corpora", "own_corpora"):
        for name, corpus in getattr(params, section).items():
            _check_corpus(f"{section}.{name}", corpus, section)
    _refuse_shared_names("own_corpora", params.own_corpora, params.corpora, "corpora has a corpus")
    _refuse_shared_names("dependent", params.dependent, params.experiments, "experiments has an experiment")
    params = params.model_copy(update={"corpora": params.corpora | params.own_corpora})
    for name, tokens in params.tokens.items():
        _check_tokens(f"tokens.{name}", tokens, params)
    for section in SECTIONS:
        for name, experiment in getattr(params, section).items():
            _check_experiment(f"{section}.{name}", experiment, section, params)
    return params.model_copy(update={"experiments": params.experiments | params.dependent})


def _refuse_shared_names(section: str, entries: Iterable[str], others: Iterable[str], where: str) -> None:
    for name in entries:
        if name in others:
            raise ValueError(f"{section}.{name}: the section {where} of this name")


def _check_corpus(key: str, corpus: Any, section: str) -> None:
    kind = corpus.source.kind
    if kind == "file" and section == "corpora":
        raise ValueError(
            f"{key}.source.kind: found 'file', files of your own; such an entry belongs under `own_corpora`"
        )
    if kind != "file" and section == "own_corpora":
        raise ValueError(f"{key}.source.kind: found {kind!r}; under `own_corpora`, allowed: file")


def _check_tokens(key: str, tokens: Any, params: Params) -> None:
    _check_name(f"{key}.corpus", tokens.corpus, params.corpora, "corpus")
    corpus: Any = params.corpora[tokens.corpus]
    if corpus.makes not in tokens.accepts:
        raise ValueError(f"{key}.kind: found {tokens.kind!r} for {corpus.makes}; allowed: {_kinds(corpus)}")
    if isinstance(tokens, PairTokens) and tokens.languages != corpus.languages:
        languages = ", ".join(tokens.languages)
        raise ValueError(f"{key}.languages: found {languages}; the corpus has {', '.join(corpus.languages)}")
    # There may be a whole sentence between two spaces, and one rare character in it would make all of it a placeholder.
    if getattr(tokens, "placeholders", False) and (source := tokens.languages[0]) in (*CHINESE, *UNSPACED):
        raise ValueError(
            f"{key}.placeholders: found true; allowed: false, as the language {source!r} puts no spaces between words"
        )


def _kinds(corpus: Any) -> str:
    """The kinds of tokens that a corpus can be turned into, separated by commas."""
    union, _ = get_args(Tokens)
    classes = [each for each in get_args(union) if corpus.makes in each.accepts]
    return ", ".join(get_args(each.model_fields["kind"].annotation)[0] for each in classes)


def _check_experiment(key: str, experiment: Any, section: str, params: Params) -> None:
    if (experiment.needs is not None) != (section == "dependent"):
        if experiment.needs is None:
            raise ValueError(f"{key}.needs: missing, it must be given")
        raise ValueError(f"{key}.needs: found {experiment.needs!r}; such an entry belongs under `dependent`")
    _check_name(f"{key}.tokens", experiment.tokens, params.tokens, "token store")
    tokens = params.tokens[experiment.tokens]
    text = params.corpora[tokens.corpus].makes
    found = f"{key}.tokens: found {experiment.tokens!r}"
    if text not in experiment.reads:
        raise ValueError(f"{found}, {text}; allowed: {', '.join(experiment.reads)}")
    if experiment.token_kinds and tokens.kind not in experiment.token_kinds:
        allowed = ", ".join(experiment.token_kinds)
        raise ValueError(f"{found}, tokens of kind {tokens.kind}; allowed: {allowed}")
    needed = needed_tokens = None
    if (name := experiment.needed_model) is not None:
        needed = _check_needed(f"{key}.needs", experiment, name, params)
        needed_tokens = params.tokens.get(needed.tokens)
    try:
        experiment.check_inputs(tokens, needed, needed_tokens)
    except ValueError as error:
        raise ValueError(f"{key}.{error}") from None


def _check_needed(key: str, experiment: Any, name: str, params: Params) -> Any:
    """The experiment whose model another one needs."""
    found = f"{key}: found {experiment.needs!r}"
    if not experiment.takes_model:
        raise ValueError(f"{found}; task {experiment.task} begins with no other model; allowed: cells/FILE.py")
    if name in params.dependent:
        raise ValueError(f"{found}, which stands under `dependent`; allowed: the model of an entry of `experiments`")
    if name not in params.experiments:
        names = [f"models/{each}" for each, entry in params.experiments.items() if entry.reusable]
        raise ValueError(f"{found}, which no entry of `experiments` is named; {suggest(experiment.needs, names)}")
    if not params.experiments[name].reusable:
        raise ValueError(f"{found}; allowed: a recurrent language model")
    return params.experiments[name]


def _check_name(key: str, name: str, entries: Iterable[str], kind: str) -> None:
    if name not in entries:
        raise ValueError(f"{key}: found {name!r}, which no {kind} is named; {suggest(name, entries)}")
