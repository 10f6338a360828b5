"""A trained network: images in, captions with their scores out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.nn.search import Hypothesis, State, beam, greedy
from anamnesis.nn.stack import flatten
from anamnesis.tasks.captioning import letters
from anamnesis.tasks.captioning.batches import collate
from anamnesis.tasks.captioning.captions import Caption, check_beam
from anamnesis.tasks.captioning.network import Captioner
from anamnesis.tasks.captioning.rows import Captioned
from anamnesis.tasks.captioning.settings import Rows, Search

# Images that are read side by side.
CHUNK = 100


@dataclass(frozen=True)
class NetworkReader:
    """Captions with a network in evaluation mode.

    Attributes:
        card: the model's.
        network: it must fit the images.
        rows, search: the experiment's blocks.
    """

    card: dict[str, Any]
    network: Captioner
    rows: Rows
    search: Search

    def caption(
        self,
        pixels: NDArray[np.uint8],
        beam: int,
        n_best: int = 1,
        progress: Callable[[int], object] = lambda images: None,
    ) -> list[list[Caption]]:
        """The best captions of each image, best first.

        Args:
            pixels: from 0, white, to 255, black: (images, HEIGHT, width).
            beam: hypotheses that are followed at once; 1 is greedy search.
            n_best: captions of each image, at most `beam`.
            progress: told how many images were read since it was told last.

        Raises:
            AnamnesisError: `beam` is above `WIDEST_BEAM`, or `n_best` above `beam`.
        """
        check_beam(beam, n_best)
        found: list[list[Caption]] = []
        for first in range(0, len(pixels), CHUNK):
            chunk = self._search(pixels[first : first + CHUNK], beam, n_best)
            found += [[Caption(letters.decode(each.ids), each.score) for each in hypotheses] for hypotheses in chunk]
            progress(len(chunk))
        return found

    def perplexity(self, images: Captioned) -> float:
        """Of a letter of the true captions given the image and the letters before it, the end as one of them."""
        nats, count = [], 0
        with torch.inference_mode():
            for first in range(0, len(images), CHUNK):
                batch = collate(images[first : first + CHUNK])
                nats.append(float(self.network.loss(batch).double()))
                count += len(batch.places)
        return math.exp(math.fsum(nats) / count)

    def _search(self, pixels: NDArray[np.uint8], width: int, n_best: int) -> list[list[Hypothesis]]:
        def step(tokens: Tensor, parts: State, images: Tensor) -> tuple[Tensor, State]:
            logits, state = self.network.decode(tokens[None], self.network.decoder.unflatten(parts))
            likelihoods = torch.log_softmax(logits[0].float(), dim=-1)
            # No caption goes on with a start, which would be a letter that nobody sees.
            likelihoods[:, letters.START] = -torch.inf
            return likelihoods, tuple(flatten(state))

        with torch.inference_mode():
            # While it is trained, the network may be on another device.
            read = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.network.output.weight.device)
            parts = tuple(flatten(self.network.encode(read)))
            limits = torch.full((len(read),), self.rows.longest * letters.WIDEST, device=read.device)
            start, end, penalty = letters.START, letters.END, self.search.length_penalty
            if width == 1:
                return [[found] for found in greedy(step, parts, start, end, limits, penalty)]
            return beam(step, parts, start, end, limits, width, n_best, penalty)
