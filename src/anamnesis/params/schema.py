"""The keys of params.yaml and corpora.yaml."""

import re
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, field_validator

from anamnesis import tasks
from anamnesis.data.settings import Corpus
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.schema import Settings

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
# The sections with experiments. Each has stages of its own, because only entries of `dependent` need another entry.
SECTIONS = ("experiments", "dependent")

_members: Any = [tasks.part(name, "settings").Experiment for name in tasks.NAMES]
Experiment: Any = Annotated[reduce(or_, _members), Field(discriminator="task")]


class Params(Settings):
    """The whole of params.yaml, and of corpora.yaml the blocks `corpora` and `own_corpora`."""

    profile: str = Field(pattern=NAME, description="name of these budgets; `laptop` in the project's own params.yaml")
    corpora: dict[str, Corpus] = Field(
        description="a block of corpora.yaml; after the check, it also holds the entries of `own_corpora`"
    )
    own_corpora: dict[str, Corpus] = Field(
        {}, description="a block of corpora.yaml: the corpora with files of your own, each in data/own/CORPUS"
    )
    tokens: dict[str, Tokens]
    experiments: dict[str, Experiment] = Field(
        description="after the check, this block also holds the entries of `dependent`"
    )
    dependent: dict[str, Experiment] = Field(
        {}, description="experiments that need the model of another experiment, or an own cell"
    )

    @field_validator("corpora", "own_corpora", "tokens", *SECTIONS)
    @classmethod
    def _check_names(cls, entries: dict[str, Any]) -> dict[str, Any]:
        for name in entries:
            if not re.fullmatch(NAME, name):
                raise ValueError(f"the name {name!r} may hold lower-case letters, digits and single hyphens only")
        return entries
