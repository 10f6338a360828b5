"""The training of a video classifier: from images and settings to batches, network and loss."""

import torch

from anamnesis.tasks.video.model.network import VideoNetwork
from anamnesis.tasks.video.model.videos import CLASSES, PARTS, open_videos
from anamnesis.training.batches import Batches
from anamnesis.training.classification import Batch, classification_loss, epoch_metrics, new_sums
from anamnesis.training.fit import seed
from anamnesis.training.plan import Job, NetworkPlan

# Videos in a validation batch: nothing is learned from them, so the size changes the time only.
VALID_BATCH = 100


def plan_training(job: Job) -> NetworkPlan:
    """The network that classifies videos, with its data and loss.

    Raises:
        AnamnesisError: the token store holds no images, or a split lacks a digit.
    """
    experiment = job.experiment

    def batches(split: str, size: int, order: int | None) -> Batches[Batch]:
        drawn = open_videos(job.store, split, experiment.videos)
        videos, labels = torch.from_numpy(drawn.videos), torch.from_numpy(drawn.labels)
        return Batches(lambda rows: ((videos[rows],), labels[rows]), len(drawn), size, order)

    train, valid = batches("train", experiment.batch, experiment.seed), batches("valid", VALID_BATCH, None)
    seed(experiment.seed)
    network = VideoNetwork(experiment.model, experiment.videos.size, PARTS)
    return NetworkPlan(
        network,
        lambda batch, state: classification_loss(network, batch),
        train,
        valid,
        epoch_metrics,
        headline="valid_accuracy",
        unit="videos",
        units=train.examples,
        sums=new_sums(len(CLASSES)),
        card={"labels": CLASSES},
    )
