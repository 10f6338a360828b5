"""Promoting the challenger of a registered model to champion, if its test score is better."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from anamnesis.boards import BOARDS
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import journal
from anamnesis.tracking.registration import (
    ASKED,
    CHALLENGER,
    CHAMPION,
    METRIC,
    PROMOTED,
    QUESTION,
    TEST_SCORE,
    set_champion,
    utc_time,
)
from anamnesis.tracking.registry import find_registered_model
from anamnesis.tracking.store import (
    FINGERPRINT,
    Store,
    connect,
    convert_errors,
    experiment_of,
    forget_outage,
    shared_state,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Promotion:
    """The result of `promote`; `message` is one line for the user."""

    model: str
    moved: bool
    message: str

    def __str__(self) -> str:
        return self.message


def promote(model: str, force: bool = False, reason: str | None = None, root: Path = Path()) -> Promotion:
    """Set the alias `champion` to the challenger of a registered model, and tag that version with time and reason.

    Args:
        model: name of a registered model, such as 'language-sherlock'.
        force: promote the challenger even if it is not better, or answered another question; needs `reason`.
        reason: becomes a tag of the version.
        root: the project's folder.

    Raises:
        AnamnesisError: there is no such model or no challenger; the challenger is not better at the same question; or
            `force` was given without a reason.
        TrackingError: MLflow cannot be reached.
    """
    if force and not (reason or "").strip():
        raise AnamnesisError('--force needs a reason: --reason "why the champion should change"')
    forget_outage(root)
    store = connect(root)
    with FileLock(shared_state(root) / "registry.lock"), convert_errors(store.uri):
        aliases = find_registered_model(store, model).aliases
        challenger = _version(store, model, aliases.get(CHALLENGER))
        if challenger is None:
            raise AnamnesisError(f"{model} has no challenger; run `anamnesis sync`")
        champion = _version(store, model, aliases.get(CHAMPION))
        if champion and champion.tags.get(FINGERPRINT) == challenger.tags.get(FINGERPRINT):
            return Promotion(model, False, f"{model}: {_name(challenger)} already is champion; nothing moved")
        if champion is None:
            verdict = "there was no champion"
        else:
            better, verdict = _compare(challenger, champion)
            if not better and not force:
                raise AnamnesisError(
                    f"{model}: champion stays {_name(champion)}: {verdict}; "
                    'to promote it all the same: --force --reason "why"'
                )
        tags = {
            "at": utc_time(),
            "reason": reason or verdict,
            "forced": str(force).lower(),
            "score": challenger.tags.get(TEST_SCORE, "unknown"),
        }
        if champion:
            tags |= {
                "from": str(champion.version),
                "from_experiment": experiment_of(champion.tags) or "unknown",
                "from_score": champion.tags.get(TEST_SCORE, "unknown"),
            }
        tags = {f"{PROMOTED}{key}": value for key, value in tags.items()}
        set_champion(store, model, challenger, tags)
        journal.append(root, journal.new_entry(model, challenger.tags, tags))
    origin = f" from {_name(champion)}" if champion else ""
    return Promotion(model, True, f"{model}: champion moved{origin} to {_name(challenger)}: {verdict}")


def _compare(challenger: "ModelVersion", champion: "ModelVersion") -> tuple[bool, str]:
    """Whether the challenger has a better test score for the same question, and a text that says why."""
    digests = [version.tags.get(QUESTION) for version in (challenger, champion)]
    if digests[1] is None:
        return (
            False,
            "not comparable: the champion has no question, because an earlier release registered it; "
            "`anamnesis sync` adds the question",
        )
    if digests[0] != digests[1]:
        asked = [version.tags.get(ASKED, "unknown") for version in (challenger, champion)]
        if asked[0] == asked[1]:
            # The same question about other texts.
            asked = [f"{text}, digest {digest and digest[:12]}" for text, digest in zip(asked, digests, strict=True)]
        return False, f"not comparable: asked different questions (challenger: {asked[0]}; champion: {asked[1]})"
    metric = challenger.tags.get(METRIC)
    signs = {board.metric: 1 if board.higher else -1 for board in BOARDS.values()}
    scores = [_number(version.tags.get(TEST_SCORE)) for version in (challenger, champion)]
    if metric not in signs or metric != champion.tags.get(METRIC) or None in scores:
        return False, "not comparable: a test score is missing"
    ours, theirs = float(scores[0] or 0), float(scores[1] or 0)
    better = signs[metric] * (ours - theirs) > 0
    word = "better" if better else "not better"
    return better, f"{_name(challenger)} is {word}: test {metric} {ours:.6g} against {theirs:.6g}"


def _version(store: Store, model: str, number: object) -> "ModelVersion | None":
    return None if number is None else store.client.get_model_version(model, str(number))


def _name(version: "ModelVersion") -> str:
    return f"version {version.version} ({experiment_of(version.tags) or 'unknown'})"


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
