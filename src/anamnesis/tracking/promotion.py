"""Moving `champion` to the challenger: only if it answers the same question better, or by a decision with a reason."""

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
    crown,
    now,
)
from anamnesis.tracking.registry import registered_model
from anamnesis.tracking.store import FINGERPRINT, Store, connect, experiment_of, forget_outage, reaching, shared_state

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Promotion:
    """What `promote` did: `message` is the one line for the screen."""

    model: str
    moved: bool
    message: str

    def __str__(self) -> str:
        return self.message


def promote(model: str, force: bool = False, reason: str | None = None, root: Path = Path()) -> Promotion:
    """Let `champion` of a registered model point at its challenger, and tag that version with what moved, when and why.

    Args:
        model: name of a registered model, such as 'language-sherlock'.
        force: promote even a challenger that is not better, or that was asked another question; needs `reason`.
        reason: kept as a tag.
        root: the project's folder.

    Raises:
        AnamnesisError: there is no such model or no challenger, the challenger is not better at the same question,
            or `force` comes without a reason.
        TrackingError: MLflow cannot be reached.
    """
    if force and not (reason or "").strip():
        raise AnamnesisError('--force needs a reason that is kept: --reason "why the champion should change"')
    forget_outage(root)
    store = connect(root)
    with FileLock(shared_state(root) / "registry.lock"), reaching(store.uri):
        found = registered_model(store, model)
        challenger = _version(store, model, found.aliases.get(CHALLENGER))
        if challenger is None:
            raise AnamnesisError(f"{model} has no challenger; run `anamnesis sync`")
        champion = _version(store, model, found.aliases.get(CHAMPION))
        if champion and champion.tags.get(FINGERPRINT) == challenger.tags.get(FINGERPRINT):
            return Promotion(model, False, f"{model}: {_name(challenger)} already is champion; nothing moved")
        if champion is None:
            verdict = "there was no champion"
        else:
            better, verdict = _compare(challenger, champion)
            if not better and not force:
                raise AnamnesisError(
                    f"{model}: champion stays {_name(champion)}: {verdict}; "
                    'to promote it nevertheless: --force --reason "why"'
                )
        tags = {
            "at": now(),
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
        crown(store, model, challenger, tags)
        journal.append(root, journal.entry(model, challenger.tags, tags))
    origin = f" from {_name(champion)}" if champion else ""
    return Promotion(model, True, f"{model}: champion moved{origin} to {_name(challenger)}: {verdict}")


def _compare(challenger: "ModelVersion", champion: "ModelVersion") -> tuple[bool, str]:
    """Whether the challenger is better by its test score at the same question, and the reason in words."""
    digests = [version.tags.get(QUESTION) for version in (challenger, champion)]
    if digests[1] is None:
        return (
            False,
            "not comparable: what the champion was asked is not noted, because an earlier version registered it",
        )
    if digests[0] != digests[1]:
        asked = [version.tags.get(ASKED, "unknown") for version in (challenger, champion)]
        if asked[0] == asked[1]:
            # The same words: other texts, or another version of them.
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
