"""Beginning with another experiment's language model: fine-tuning it, or only evaluating it, on another text."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from anamnesis import console, files
from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import saved

if TYPE_CHECKING:
    from anamnesis.tasks.language.network import RecurrentPredictor
    from anamnesis.tasks.language.settings import Reader


def start_model(name: str, root: Path, model: dict[str, Any] | None = None) -> "RecurrentPredictor":
    """The recurrent language model of experiment `name`.

    Args:
        root: the project's folder.
        model: the `model` block it must have; None: any.

    Raises:
        AnamnesisError: it is not trained yet, damaged, not recurrent, or has another `model` block.
    """
    from anamnesis.tasks.language.network import RecurrentPredictor

    folder = root / "models" / name
    if not folder.exists():
        raise AnamnesisError(f"{folder}: there is no such model; train it first: anamnesis repro {name}")
    found = saved.load(folder)
    if not isinstance(found, RecurrentPredictor):
        raise AnamnesisError(f"{folder}: found architecture {found.card['architecture']}; allowed: a recurrent one")
    if model is not None and found.card["model"] != model:
        raise AnamnesisError(f"{folder}: its `model` block is another; run `anamnesis repro {name}`")
    return found


def settings_of(model: "RecurrentPredictor") -> "Reader":
    """The `model` block that a recurrent language model was trained with."""
    from anamnesis.tasks.language.settings import Model, Reader

    found: Model = TypeAdapter(Model).validate_python(model.card["model"])
    assert isinstance(found, Reader)
    return found


def inputs_digest(experiment: Any, root: Path) -> str:
    """As `training.saved.inputs_digest`; where there is a `start`, its model is one of the inputs.

    Raises:
        AnamnesisError: the token store or the model to start from is not there.
    """
    inputs = folders.inputs_digest(experiment, root / "data" / "tokens" / experiment.tokens)
    if experiment.start is None:
        return inputs
    return files.digest(inputs, start_model(experiment.start, root).card["fingerprint"])


def begun(experiment: Any, root: Path) -> "RecurrentPredictor | None":
    """The model whose weights a language model starts with; None: random ones. Raises as `start_model`."""
    if experiment.start is None:
        return None
    return start_model(experiment.start, root, experiment.model.model_dump(mode="json"))


def card_entries(start: "RecurrentPredictor", stats: dict[str, Any]) -> dict[str, str]:
    """What the card of a model that began with `start` says besides: which one, and what text was read in its tokens.

    Args:
        stats: content of the token store's stats.json.
    """
    return {
        "start_fingerprint": start.card["fingerprint"],
        "train_text_sha256": stats["splits"]["train"]["text_sha256"],
    }


def untouched(name: str, experiment: Any, root: Path, inputs: str) -> dict[str, Any]:
    """Write models/NAME with the weights of `start` as they are, and as epoch 0 what they make of the new text.

    Args:
        inputs: `inputs_digest` of the experiment.

    Returns:
        The card, model.json.

    Raises:
        AnamnesisError: the model to start from or the token store is missing or damaged.
    """
    from anamnesis.data.stores.store import read_stats
    from anamnesis.tasks.language.evaluation import evaluate_splits
    from anamnesis.tasks.language.generation import generate

    store = root / "data" / "tokens" / experiment.tokens
    stats = read_stats(store)
    model = begun(experiment, root)
    assert model is not None
    found = evaluate_splits(f"train {name}", model, store, ("train", "valid"))
    row = {
        "epoch": 0.0,
        "learning_rate": 0.0,
        "train_perplexity": found["train"].metrics["perplexity"],
        "valid_perplexity": found["valid"].metrics["perplexity"],
        "valid_bits_per_character": found["valid"].metrics["bits_per_character"],
    }
    sampling = experiment.sampling
    pieces = generate(
        model,
        sampling.prompt,
        sampling.length,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        noise=sampling.noise,
        seed=experiment.seed,
    )
    weights = {key: value.detach().cpu().numpy() for key, value in model.network.named_parameters()}
    parameters = sum(value.size for value in weights.values())
    card = folders.new_card(name, experiment, stats, parameters, None, inputs)
    card |= card_entries(model, stats) | {"alphabet": stats["alphabet"]}
    more = {saved.TOKENIZER: folders.read_bytes(root / "models" / experiment.start / saved.TOKENIZER)}
    text = sampling.prompt + "".join(pieces)
    card = folders.store(root, name, weights, card, more, [row], [("untouched", text)])
    console.summary("train", name, f"as {experiment.start} left it, valid perplexity {row['valid_perplexity']:.4g}")
    return card
