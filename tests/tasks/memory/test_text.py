"""The small language model: segments, truncated BPTT, clipping, perplexity."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import detach
from anamnesis.tasks.memory.model import text
from anamnesis.tasks.memory.model.network import text_network
from anamnesis.tasks.memory.settings import Training

IDS = np.random.default_rng(3).integers(0, 6, 500).astype(np.uint8)


def test_segments_follow_each_other_along_the_streams():
    pieces = list(text.segments(IDS, 4, 10))
    assert [len(inputs) for inputs, _ in pieces] == [10] * 12 + [4]
    inputs, targets = (torch.cat(each) for each in zip(*pieces, strict=True))
    for stream in range(4):
        assert inputs[:, stream].tolist() == IDS[stream * 124 : (stream + 1) * 124].tolist()
        assert targets[:, stream].tolist() == IDS[stream * 124 + 1 : (stream + 1) * 124 + 1].tolist()
    assert text.steps(500, Training(epochs=3, batch=4), 10) == 3 * 13
    with pytest.raises(AnamnesisError, match=r"training\.batch: found 500"):
        text.segments(IDS, 500, 10)


def test_same_as_truncated_bptt_written_by_hand(experiment):
    cell = experiment("lstm").model.sized(9)
    torch.manual_seed(1)
    ours = text_network(cell, 4, 6)
    torch.manual_seed(1)
    theirs = text_network(cell, 4, 6)
    advanced = []
    norms = text.fit(ours, IDS, Training(batch=5, learning_rate=0.02, clip_norm=0.3), 15, lambda: advanced.append(1))

    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.02)
    streams = torch.from_numpy(IDS[:495].astype(np.int64)).view(5, 99).T
    follow = torch.from_numpy(IDS[1:496].astype(np.int64)).view(5, 99).T
    state, expected = theirs.stack.initial_state(5), []
    for start in range(0, 99, 15):
        logits, state = theirs(streams[start : start + 15], detach(state))
        loss = cross_entropy(logits.flatten(0, 1), follow[start : start + 15].flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(each.grad.square().sum().item() for each in theirs.parameters()))
        for each in theirs.parameters():
            each.grad *= min(1.0, 0.3 / norm)
        expected.append((norm, min(norm, 0.3)))
        optimizer.step()
    np.testing.assert_allclose(norms, expected, rtol=1e-3)
    assert len(advanced) == len(norms) == text.steps(500, Training(batch=5), 15)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_perplexity_counts_every_token_given_all_before(experiment, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(2)
    network = text_network(experiment("gru").model.sized(9), 4, 6)
    logits, _ = network(torch.from_numpy(IDS[:-1].astype(np.int64))[:, None])
    expected = cross_entropy(logits[:, 0], torch.from_numpy(IDS[1:].astype(np.int64))).exp().item()
    for chunk in (1000, 7):
        monkeypatch.setattr(text, "CHUNK", chunk)
        assert text.perplexity(network, IDS) == pytest.approx(expected, rel=1e-5)


def test_an_infinite_gradient_is_an_error(experiment):
    network = text_network(experiment("rnn").model.sized(9), 4, 6)
    torch.nn.init.constant_(network.readout.bias, math.inf)
    with pytest.raises(AnamnesisError, match="at step 1; nothing was kept"):
        text.fit(network, IDS, Training(batch=5), 15, lambda: None)
