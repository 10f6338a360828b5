"""Truncated BPTT: how far the gradient goes back within a segment, whatever the state carries."""

import itertools

import pytest
import torch

from anamnesis.nn.stack import detach
from anamnesis.tasks.language.module import LanguageModule
from anamnesis.tasks.language.network import RecurrentNetwork
from anamnesis.tasks.language.settings import Recurrent
from anamnesis.tasks.language.streams import Batch
from anamnesis.training.settings import Training

STEPS, STREAMS, VOCABULARY = 12, 3, 7


@pytest.fixture(params=["rnn", "lstm"])
def network(request) -> RecurrentNetwork:
    torch.manual_seed(0)
    settings = {"architecture": request.param, "hidden": 5, "layers": 2}
    return RecurrentNetwork(Recurrent.model_validate(settings), VOCABULARY).double()


def gradients(network: RecurrentNetwork, truncate: int | None, batches: list[Batch]) -> list[torch.Tensor]:
    """Gradients of the loss of the last batch, and the loss itself."""
    module = LanguageModule(network, Training(epochs=1, learning_rate=0.1), 1, lambda nats: nats, truncate)
    for batch in batches:
        loss = module.training_step(batch, 0)
    network.zero_grad()
    loss.backward()
    return [loss.detach(), *(value.grad for value in network.parameters())]


def batches(count: int) -> list[Batch]:
    ids = torch.randint(VOCABULARY, (count * STEPS + 1, STREAMS), generator=torch.Generator().manual_seed(1))
    parts = [slice(first, first + STEPS) for first in range(0, count * STEPS, STEPS)]
    return [(ids[part], ids[part.start + 1 : part.stop + 1], index == 0) for index, part in enumerate(parts)]


@pytest.mark.parametrize("truncate", [1, 5])
def test_each_loss_goes_back_to_the_last_cut_and_no_further(network, truncate):
    found = gradients(network, truncate, batches(2))
    # Every step's own loss, followed back through its part alone, from a state that is a mere number.
    ids = torch.cat([batch[0] for batch in batches(2)])
    targets = torch.cat([batch[1] for batch in batches(2)])
    starts = [*range(0, STEPS, truncate), *range(STEPS, 2 * STEPS, truncate), 2 * STEPS]
    network.zero_grad()
    losses = []
    for first, last in itertools.pairwise(starts):
        with torch.no_grad():
            _, state = (
                network(ids[:first], network.stack.initial_state(STREAMS))
                if first
                else (
                    None,
                    network.stack.initial_state(STREAMS),
                )
            )
        if first >= STEPS:
            outputs, _ = network(ids[first:last], detach(state))
            losses.append(network.loss(outputs, targets[first:last]))
    expected = torch.stack(losses).sum() / (STEPS * STREAMS)
    expected.backward()
    torch.testing.assert_close(found, [expected.detach(), *(value.grad for value in network.parameters())])


def test_without_a_cut_the_gradient_is_that_of_the_whole_segment(network):
    whole = gradients(network, None, batches(2))
    torch.testing.assert_close(gradients(network, STEPS, batches(2)), whole)
    cut = gradients(network, 1, batches(2))
    torch.testing.assert_close(cut[0], whole[0])
    assert not torch.allclose(cut[-3], whole[-3])
