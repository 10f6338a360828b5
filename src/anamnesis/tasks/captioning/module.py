"""The Lightning module of a captioning model: teacher forcing, its loss weighted by letters."""

from torch import Tensor

from anamnesis.metrics.results import perplexity
from anamnesis.tasks.captioning.batches import Batch
from anamnesis.tasks.captioning.network import Captioner
from anamnesis.training.module import TaskModule


class CaptioningModule(TaskModule):
    """Trains `network` to predict each letter from the image and the letters before it, the end as one of them."""

    network: Captioner

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.network.loss(batch)
        self.loss_sum += loss.detach()
        self.loss_count += len(batch.places)
        return loss / len(batch.places)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.valid_sum += self.network.loss(batch)
        self.valid_count += len(batch.places)

    def epoch_row(self) -> dict[str, float]:
        """Perplexities of the epoch's letters, as the weights changed, and of the validation split's."""
        return {"train_perplexity": perplexity(self.train_mean()), "valid_perplexity": perplexity(self.valid_mean())}
