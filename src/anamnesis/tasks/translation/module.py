"""The Lightning module of a translation model: teacher forcing, its loss weighted by target tokens."""

from torch import Tensor

from anamnesis.metrics.results import perplexity
from anamnesis.tasks.translation.batches import Batch
from anamnesis.tasks.translation.network import EncoderDecoder
from anamnesis.training.module import TaskModule


class TranslationModule(TaskModule):
    """Trains `network` to predict each target token from the source and the target tokens before it.

    Sums over an epoch are of the plain log-likelihood, also where the loss is smoothed, and weighted by tokens.
    """

    network: EncoderDecoder

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss, plain = self.network.loss(self.network(batch), batch.targets)
        self.loss_sum += plain
        self.loss_count += len(batch.targets)
        return loss / len(batch.targets)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.valid_sum += self.network.loss(self.network(batch), batch.targets)[1]
        self.valid_count += len(batch.targets)

    def epoch_row(self) -> dict[str, float]:
        """Perplexities of the epoch's target tokens, as the weights changed, and of the validation split's."""
        return {"train_perplexity": perplexity(self.train_mean()), "valid_perplexity": perplexity(self.valid_mean())}
