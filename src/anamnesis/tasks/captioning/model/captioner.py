"""A network that captions images by greedy or beam search."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.nn.search import Hypothesis, State, check_beam, search
from anamnesis.nn.stack import flatten
from anamnesis.tasks.captioning.model import letters
from anamnesis.tasks.captioning.model.captions import Caption
from anamnesis.tasks.captioning.model.network import CaptionNetwork
from anamnesis.tasks.captioning.settings import DigitImages, Search

# Images in a batch of the search: on a CPU, and on a GPU.
BATCH, GPU_BATCH = 100, 1000


@dataclass(frozen=True)
class NetworkCaptioner:
    """Captions images with a network in evaluation mode.

    Attributes:
        card: the model's card.
        network: as wide as the images.
        images, search: the experiment's blocks.
    """

    card: dict[str, Any]
    network: CaptionNetwork
    images: DigitImages
    search: Search

    def caption(
        self,
        pixels: NDArray[np.uint8],
        beam: int,
        n_best: int = 1,
        progress: Callable[[int], object] = lambda count: None,
    ) -> list[list[Caption]]:
        """The best captions of each image, best first.

        Args:
            pixels: from 0, white, to 255, black: (images, HEIGHT, width).
            beam: hypotheses that the search follows; 1 is greedy search.
            n_best: captions of each image, at most `beam`.
            progress: called with the number of images captioned since the last call.

        Raises:
            AnamnesisError: `beam` or `n_best` is out of range.
        """
        check_beam(beam, n_best)
        results: list[list[Caption]] = []
        size = BATCH if self.network.output.weight.device.type == "cpu" else GPU_BATCH
        for first in range(0, len(pixels), size):
            batch = self._search(pixels[first : first + size], beam, n_best)
            results += [[Caption(letters.decode(each.ids), each.score) for each in hypotheses] for hypotheses in batch]
            progress(len(batch))
        return results

    def _search(self, pixels: NDArray[np.uint8], width: int, n_best: int) -> list[list[Hypothesis]]:
        def step(tokens: Tensor, state: State, images: Tensor) -> tuple[Tensor, State]:
            logits, after = self.network.decode(tokens[None], self.network.decoder.unflatten(state))
            log_probabilities = torch.log_softmax(logits[0].float(), dim=-1)
            # START has no text: a caption with it would look like the caption without it.
            log_probabilities[:, letters.START].fill_(-torch.inf)
            return log_probabilities, tuple(flatten(after))

        with torch.inference_mode():
            inputs = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.network.output.weight.device)
            state = tuple(flatten(self.network.encode(inputs)))
            limits = [self.images.longest * letters.WIDEST] * len(inputs)
            penalty = self.search.length_penalty
            return search(step, state, letters.START, letters.END, limits, width, n_best, penalty)
