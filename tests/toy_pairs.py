"""A project that translates a little: two baselines, and two networks with random weights."""

import csv
from pathlib import Path

import yaml
from settings_files import write_settings

from anamnesis import params

SETTINGS = yaml.safe_load("""
profile: laptop
corpora: {}
own_corpora:
  toy: {reader: pairs, source: {kind: file, path: pairs.txt}}
tokens:
  toy-words: {corpus: toy, kind: word-pairs}
  toy-subwords: {corpus: toy, kind: subword-pairs, size: 280}
experiments:
  toy-copy: {task: translation, tokens: toy-words, model: {architecture: copy}}
  toy-nearest: {task: translation, tokens: toy-words, model: {architecture: nearest}}
  toy-seq2seq:
    task: translation
    tokens: toy-words
    model: {architecture: seq2seq, hidden: 8}
    training: {epochs: 1, learning_rate: 0.01}
    search: {beam: 3}
  toy-attention:
    task: translation
    tokens: toy-subwords
    model: {architecture: attention, cell: gru, hidden: 8}
    training: {epochs: 1, learning_rate: 0.01}
    search: {beam: 4}
""")
NETWORKS = ("toy-seq2seq", "toy-attention")
HISTORY = ("epoch", "learning_rate", "train_perplexity", "valid_perplexity")
PAIRS = [
    ("The cat sleeps.", "De kat slaapt."),
    ("The dog runs.", "De hond rent."),
    ("The cat runs to the dog.", "De kat rent naar de hond."),
    ("A dog sleeps.", "Een hond slaapt."),
    ("Does the cat run?", "Rent de kat?"),
    ("The house is old.", "Het huis is oud."),
]
SPLITS = {"train": PAIRS, "valid": PAIRS[:2], "test": PAIRS[1:]}


def make(root: Path) -> Path:
    """Write params.yaml, token stores, models, metrics and predictions of all experiments into `root`."""
    from anamnesis import models
    from anamnesis.data.stores import store
    from anamnesis.stages.evaluate import evaluate
    from anamnesis.tasks.translation.model.training import model_files

    root.mkdir(parents=True, exist_ok=True)
    write_settings(root, SETTINGS)
    (root / "dvc.yaml").write_text("stages: {}\n")
    settings = params.load(root / "params.yaml")
    raw = {split: root / "data" / "raw" / "toy" / f"{split}.csv" for split in SPLITS}
    for split, path in raw.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("source", "target", "origin"), *((*pair, "toy") for pair in SPLITS[split])])
    for name, entry in settings.tokens.items():
        store.write(root / "data" / "tokens" / name, entry, raw)
    for name, experiment in settings.experiments.items():
        tokens = root / "data" / "tokens" / experiment.tokens
        weights = _weights(experiment.model, tokens) if name in NETWORKS else {}
        parameters = sum(value.size for value in weights.values())
        inputs = models.inputs_digest(experiment, root)
        card = models.new_card(name, experiment, store.read_stats(tokens), parameters, None, inputs)
        history = [dict.fromkeys(HISTORY, 1.0)] if name in NETWORKS else []
        models.store(root, name, weights, card, model_files(tokens, experiment.model.architecture), history)
        evaluate(name, root)
    return root


def _weights(model, tokens: Path):
    import torch

    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.tasks.translation.model.languages import Language
    from anamnesis.tasks.translation.model.network import EncoderDecoder
    from anamnesis.tasks.translation.model.training import TOKENIZERS

    source, target = (Language(tokenizer.load(tokens / name)) for name in TOKENIZERS)
    torch.manual_seed(1)
    network = EncoderDecoder(model, source.size, target.size)
    with torch.no_grad():
        # Larger weights, so that translations depend on their sources and end before the limit.
        for value in network.parameters():
            value *= 3
    return {name: value.detach().numpy() for name, value in network.named_parameters()}
