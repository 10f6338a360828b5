"""A project that translates a little: two floors, and two networks with weights that no training has seen."""

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
    from anamnesis import models as folders
    from anamnesis.data.stores import store
    from anamnesis.tasks.translation import evaluation, saved

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
        inputs = folders.inputs_digest(experiment, tokens)
        weights = _weights(experiment.model, tokens) if name in NETWORKS else {}
        parameters = sum(value.size for value in weights.values())
        card = folders.new_card(name, experiment, store.read_stats(tokens), parameters, None, inputs)
        history = [dict.fromkeys(HISTORY, 1.0)] if name in NETWORKS else []
        folders.store(root, name, weights, card, saved.needed(tokens, card["architecture"]), history)
        evaluation.evaluate(name, experiment, root)
    return root


def _weights(model, tokens: Path):
    import torch

    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.tasks.translation import saved
    from anamnesis.tasks.translation.network import EncoderDecoder
    from anamnesis.tasks.translation.sides import Side

    source, target = (Side(tokenizer.load(tokens / name)) for name in saved.TOKENIZERS)
    torch.manual_seed(1)
    network = EncoderDecoder(model, source.size, target.size)
    with torch.no_grad():
        # So that what is written depends on what is read, and ends some time.
        for value in network.parameters():
            value *= 3
    return {name: value.detach().numpy() for name, value in network.named_parameters()}
