"""The training of a translator: from pairs and settings to batches, network and loss, or a baseline's files."""

from pathlib import Path

from anamnesis import models
from anamnesis.data.stores.pairs import pair_texts
from anamnesis.data.stores.store import read_stats
from anamnesis.tasks.translation.model.languages import PAIRS, TOKENIZERS
from anamnesis.tasks.translation.settings import Attentive, Seq2Seq
from anamnesis.training.plan import FittedModel, Job, NetworkPlan, Plan, perplexities

# Validation sentences to translate after each epoch.
SAMPLES = 5


def plan_training(job: Job) -> Plan:
    """The network that translates, with its data and loss, or a baseline.

    Raises:
        AnamnesisError: the token store holds no sentence pairs.
    """
    settings = job.experiment.model
    if isinstance(settings, Seq2Seq | Attentive):
        return _plan_network(job, settings)
    files = model_files(job.store, settings.architecture)
    summary = "nothing to train"
    if settings.architecture == "nearest":
        summary += f"; the model searches {read_stats(job.store)['splits']['train']['pairs']:,} training pairs"
    return FittedModel({}, 0, summary, files)


def model_files(store: Path, architecture: str) -> dict[str, bytes]:
    """The files of the token store that a model needs, by name."""
    names = (*TOKENIZERS, PAIRS) if architecture == "nearest" else TOKENIZERS
    return {name: models.read_bytes(store / name) for name in names}


def _plan_network(job: Job, settings: Seq2Seq | Attentive) -> NetworkPlan:
    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.tasks.translation.model.batches import VALID_TOKENS, PairBatches, pad_to_fixed_shape, pair_ids
    from anamnesis.tasks.translation.model.languages import Language
    from anamnesis.tasks.translation.model.network import EncoderDecoder
    from anamnesis.tasks.translation.model.translator import NetworkTranslator
    from anamnesis.training.fit import seed

    experiment, store = job.experiment, job.store
    source, target = (Language(tokenizer.load(store / name)) for name in TOKENIZERS)

    def batches(split: str, tokens: int, order: int | None) -> PairBatches:
        return PairBatches(*pair_ids(store, split, source, target), target.start, tokens, order)

    train, valid = batches("train", experiment.batch, experiment.seed), batches("valid", VALID_TOKENS, None)
    seed(experiment.seed)
    network = EncoderDecoder(settings, source.size, target.size)
    translator = NetworkTranslator({}, source, target, network, experiment.search)
    sources, references = (texts[:SAMPLES] for texts in pair_texts(store, "valid"))

    def sample(epoch: int) -> str:
        translations = translator.translate(sources, 1)
        triples = zip(sources, references, translations, strict=True)
        return "\n".join(f"> {source}\n= {reference}\n< {best[0].text}" for source, reference, best in triples)

    return NetworkPlan(
        network,
        lambda batch, state: network.loss(batch),
        train,
        valid,
        perplexities,
        headline="valid_perplexity",
        unit="target tokens",
        units=int(train.target_lengths.sum()),
        files=model_files(store, settings.architecture),
        sample=sample,
        pad_to_fixed_shape=pad_to_fixed_shape,
    )
