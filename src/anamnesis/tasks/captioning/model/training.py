"""The training of a captioner: from images and settings to batches, network and loss, or a baseline's images."""

from anamnesis.tasks.captioning.model.images import open_captioned, width
from anamnesis.tasks.captioning.settings import Network
from anamnesis.training.plan import FittedModel, Job, NetworkPlan, Plan, perplexities

# Validation images to caption after each epoch.
SAMPLES = 5
# Images in a validation batch: nothing is learned from them, so the size changes the time only.
VALID_BATCH = 200


def plan_training(job: Job) -> Plan:
    """The network that captions images, with its data and loss, or the training images for the baseline.

    Raises:
        AnamnesisError: the token store holds no images.
    """
    settings = job.experiment.model
    if isinstance(settings, Network):
        return _plan_network(job, settings)
    known = open_captioned(job.store, "train", job.experiment.images)
    weights = {
        "pixels": known.pixels,
        "digits": known.digits.astype("uint8"),
        "counts": known.counts.astype("uint8"),
    }
    return FittedModel(weights, 0, f"nothing to train; the model searches {len(known):,} training images")


def _plan_network(job: Job, settings: Network) -> NetworkPlan:
    from anamnesis.tasks.captioning.model.batches import new_batches
    from anamnesis.tasks.captioning.model.captioner import NetworkCaptioner
    from anamnesis.tasks.captioning.model.network import CaptionNetwork
    from anamnesis.training.fit import seed

    experiment = job.experiment
    known, valid = (open_captioned(job.store, split, experiment.images) for split in ("train", "valid"))
    seed(experiment.seed)
    network = CaptionNetwork(settings, width(experiment.images.longest))
    captioner = NetworkCaptioner({}, network, experiment.images, experiment.search)
    shown = valid[:SAMPLES]

    def sample(epoch: int) -> str:
        results = captioner.caption(shown.pixels, 1)
        return "\n".join(f"= {true}\n< {best[0].text}" for true, best in zip(shown.captions(), results, strict=True))

    return NetworkPlan(
        network,
        lambda batch, state: network.loss(batch),
        new_batches(known, experiment.batch, experiment.seed),
        new_batches(valid, VALID_BATCH, None),
        perplexities,
        headline="valid_perplexity",
        unit="images",
        units=len(known),
        sample=sample,
    )
