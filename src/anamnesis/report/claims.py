"""The schema of expectations.yaml: claims of the textbooks, expectations of the scores, and comparisons."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from anamnesis.errors import AnamnesisError
from anamnesis.schema import Settings
from anamnesis.yaml_file import read_yaml

FILE = Path(__file__).with_name("expectations.yaml")
Split = Literal["valid", "test"]


class Source(Settings):
    """A textbook, article or paper."""

    title: str
    chapter: str | None = None

    def __str__(self) -> str:
        return ", ".join(part for part in (self.title, self.chapter) if part) + "."


class Claim(Settings):
    """A claim of a source about the experiments whose names match."""

    experiments: list[str]
    claim: str
    source: str = Field(description="a key of `sources`")
    metrics: list[str] = Field([], description="scores to show besides that of the leaderboard")
    first_epoch: bool = Field(False, description="whether to show the score after the first epoch")
    tokens: list[str] = Field([], description="token stores whose counts are shown")

    def matches(self, experiment: str) -> bool:
        """Whether the claim is about an experiment."""
        return any(fnmatchcase(experiment, pattern) for pattern in self.experiments)


class Expected(Settings):
    """The keys that all kinds of expectations share."""

    source: str | None = Field(None, description="a key of `sources`")
    disagrees: str | None = Field(None, description="why our result differs from the claim of the source")


class Pair(Expected):
    """`better` scores better than `worse`."""

    kind: Literal["pair"]
    better: str = Field(description="an experiment; with `task`, an architecture")
    worse: str = Field(description="an experiment; with `task`, an architecture")
    task: str | None = Field(None, description="compares the best experiments of two architectures")
    metric: str | None = Field(None, description="null: the metric that ranks the leaderboard")
    by: float = Field(0.0, ge=0, description="smallest relative difference")
    or_equal: bool = Field(False, description="whether equal scores count")
    same_tokens: bool = Field(False, description="compares experiments with the same token store only")


class Level(Expected):
    """Networks score at least `reach`, or more than `above`."""

    kind: Literal["level"]
    task: str
    corpora: list[str] | None = Field(None, description="null: all corpora of the task")
    networks: Literal["all", "best"]
    reach: float | None = None
    above: float | None = None
    splits: tuple[Split, ...] = Field(("valid", "test"), strict=False)


class BeatsBaseline(Expected):
    """All networks beat the best baseline of their corpus."""

    kind: Literal["baseline"]
    task: str
    corpora: list[str] | None = Field(None, description="null: all corpora of the task")


class BelowUniform(Expected):
    """The perplexity of networks is at most a share of a uniform model's, for each token store."""

    kind: Literal["uniform"]
    at_most: float


class Steadier(Expected):
    """The validation perplexity of `better` fluctuates clearly less than that of `worse`."""

    kind: Literal["steadier"]
    better: str
    worse: str


Expectation = Annotated[Pair | Level | BeatsBaseline | BelowUniform | Steadier, Field(discriminator="kind")]


class Comparison(Settings):
    """Experiments that stand side by side; the others are compared with the first."""

    title: str
    experiments: list[str] = Field(min_length=2)
    metric: str
    text: str
    curves: bool = Field(False, description="whether learning curves are drawn together")
    fluctuation: bool = Field(False, description="whether the steadiness of learning curves is shown")


class Claims(Settings):
    """The content of expectations.yaml."""

    sources: dict[str, Source] = Field({})
    claims: list[Claim] = Field([])
    expectations: list[Expectation] = Field([])
    comparisons: list[Comparison] = Field([])

    def about(self, experiment: str) -> Sequence[Claim]:
        """The claims about an experiment."""
        return [claim for claim in self.claims if claim.matches(experiment)]


@cache
def read(path: Path = FILE) -> Claims:
    """The content of expectations.yaml.

    Raises:
        AnamnesisError: the file is missing or not valid; the line names the first problem.
    """
    try:
        content = Claims.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise AnamnesisError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    named = [*content.claims, *content.expectations]
    if unknown := sorted({each.source for each in named if each.source} - content.sources.keys()):
        raise AnamnesisError(f"{path}: source: found {unknown[0]}; allowed: {', '.join(content.sources)}")
    return content
