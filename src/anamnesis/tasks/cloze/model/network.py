"""The network that predicts a word from the words before it, or around it, without ever reading the word itself."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from anamnesis.nn.softmax import AdaptiveSoftmax, cutoffs
from anamnesis.nn.stack import RecurrentStack, build
from anamnesis.tasks.cloze.model.batches import Batch
from anamnesis.tasks.cloze.settings import Reader
from anamnesis.training.plan import Loss

# The tails of the adaptive softmax read the features through a projection to 1/2 and 1/4 of their size.
DIVISOR = 2.0


class ClozeNetwork(nn.Module):
    """Embedding, one stack that reads forwards, optionally one that reads backwards, and a softmax over words.

    The prediction at place t is made from the forward stack's output after token t - 1 and the backward stack's after
    token t + 1, which has read the sentence from its end. Neither has read token t, so every place of a sentence is a
    blank at once: no token is masked, and one pass trains on all of them.

        tokens        <s>  I  ____  a  phone  </s>
        forwards      -->  -->
        backwards                 <--  <--    <--

    The two stacks meet only at the softmax, however deep they are (Peters et al. 2018, section 3.1). In a deep
    bidirectional stack (Graves et al. 2013) each layer reads both directions of the layer below, so the second layer
    would have read token t. Such a stack would need a mask token, and one pass for each blank of a sentence: about 20
    times the work.

    Args:
        settings: the experiment's `model` block.
        candidates: for each token (vocabulary,) whether it can fill a blank; the others have probability 0. For the
            adaptive softmax they must be in order of falling frequency.

    Attributes:
        answers: the ids of the candidates, (answers,), int64.
        numbers: the number of each token among the candidates, (vocabulary,), int64.

    Raises:
        AnamnesisError: there are too few words for an adaptive softmax.
    """

    answers: Tensor
    numbers: Tensor

    def __init__(self, settings: Reader, candidates: NDArray[np.bool_]) -> None:
        super().__init__()
        size = settings.embedding or settings.hidden
        self.embedding = nn.Embedding(len(candidates), size)
        # Measured: vectors of length about 1 saturate tanh units, and training takes twice as long.
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.forwards = build(settings, size)
        self.backwards = build(settings, size) if settings.direction == "both" else None
        self.dropout = nn.Dropout(settings.dropout)
        features = self.forwards.outputs * (2 if self.backwards else 1)
        self.register_buffer("answers", torch.from_numpy(np.flatnonzero(candidates)), persistent=False)
        self.register_buffer("numbers", torch.from_numpy(np.cumsum(candidates) - 1), persistent=False)
        words = len(self.answers)
        self.softmax: nn.Linear | nn.AdaptiveLogSoftmaxWithLoss
        if settings.softmax == "adaptive":
            self.softmax = AdaptiveSoftmax(features, words, cutoffs(words), div_value=DIVISOR)
        else:
            self.softmax = nn.Linear(features, words)
            nn.init.zeros_(self.softmax.bias)

    def forward(self, batch: Batch) -> Tensor:
        """The features of each of a batch's blanks: (blanks, features)."""
        ids, lengths, times, columns = batch
        features = [self._outputs(self.forwards, ids)[times - 1, columns]]
        if self.backwards is not None:
            steps = torch.arange(len(ids), device=ids.device)[:, None]
            backwards = ids.gather(0, (lengths - 1 - steps).clamp(min=0))
            features.append(self._outputs(self.backwards, backwards)[lengths[columns] - 2 - times, columns])
        return self.dropout(torch.cat(features, dim=-1))

    def _outputs(self, stack: RecurrentStack, ids: Tensor) -> Tensor:
        """Outputs (time, batch, outputs) of a stack that reads `ids` (time, batch) from the zero state."""
        outputs: Tensor = stack(self.dropout(self.embedding(ids)), stack.initial_state(ids.shape[1]))[0]
        return outputs

    def loss(self, features: Tensor, words: Tensor) -> Tensor:
        """Sum of the negative log-likelihoods in nats of `words` (blanks,), ids, from features (blanks, features)."""
        targets = self.numbers[words]
        if isinstance(self.softmax, nn.Linear):
            return cross_entropy(self.softmax(features), targets, reduction="sum")
        loss: Tensor = -self.softmax(features, targets).output.sum()
        return loss

    def log_probabilities(self, features: Tensor) -> Tensor:
        """Natural-log probabilities (blanks, answers) of the words `answers`, from features (blanks, features)."""
        if isinstance(self.softmax, nn.Linear):
            return self.softmax(features).log_softmax(-1)
        return self.softmax.log_prob(features)


def cloze_loss(network: ClozeNetwork, batch: Batch) -> Loss:
    """The negative log-likelihood in nats of the words at a batch's blanks.

    In validation it also counts `hits`, the blanks whose word has the highest probability.
    """
    features, words = network(batch), batch.ids[batch.times, batch.columns]
    if network.training:
        return Loss(network.loss(features, words), len(words))
    log_probabilities = network.log_probabilities(features)
    nats = -log_probabilities.gather(1, network.numbers[words][:, None]).sum()
    hits = (network.answers[log_probabilities.argmax(-1)] == words).sum()
    return Loss(nats, len(words), sums={"hits": hits})
