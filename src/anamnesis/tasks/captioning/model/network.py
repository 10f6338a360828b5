"""The captioning network: a convolutional encoder, and a recurrent decoder that starts from the encoded image."""

import torch
from torch import Tensor, nn

from anamnesis.nn.stack import RecurrentStack, State, flatten
from anamnesis.tasks.captioning.model import letters
from anamnesis.tasks.captioning.model.batches import Batch
from anamnesis.tasks.captioning.model.images import BLACK, HEIGHT
from anamnesis.tasks.captioning.settings import Network
from anamnesis.training.plan import Loss

# Mean and standard deviation of a pixel, 1 being black, in training images as they usually are.
MEAN, DEVIATION = 0.15, 0.33


class CaptionNetwork(nn.Module):
    """One image in, many letters out, as in Vinyals et al. 2015, "Show and Tell", except that the encoded image is the
    decoder's initial state and not its first input.

    The encoder has three convolutions, 3 pixels wide, with ReLU and max-pooling of 2 x 2 between them. The last one is
    as high as the pooled image, so that a column of its features sees about two digits. All columns together are the
    vector v of the image. The decoder's initial state is W v, with a matrix W for each part of the state, and without
    tanh, whose flat parts would stop gradients. The decoder sees nothing else of the image.

    The last words must be remembered longest. So the recurrent weights start as rotations (Saxe et al. 2014), and a
    GRU's update gate starts open to the state, as an LSTM's forget gate does.

    Args:
        settings: the experiment's `model` block.
        columns: the images' width in pixels.
    """

    def __init__(self, settings: Network, columns: int) -> None:
        super().__init__()
        channels, hidden = settings.channels, settings.hidden
        self.encoder = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(2 * channels, 4 * channels, (HEIGHT // 4, 3), padding=(0, 1)),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(settings.dropout),
        )
        for layer in self.encoder:
            if isinstance(layer, nn.Conv2d):
                # With PyTorch's initial weights, the signal fades from layer to layer (He et al. 2015, section 2.2).
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.embedding = nn.Embedding(letters.SIZE, settings.embedding)
        self.decoder = RecurrentStack(settings.architecture.removeprefix("cnn-"), settings.embedding, hidden)
        _initialise(self.decoder, hidden)
        parts = len(flatten(self.decoder.initial_state(1)))
        self.bridges = nn.ModuleList(nn.Linear(4 * channels * (columns // 4), hidden) for _ in range(parts))
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(hidden, letters.SIZE)

    def encode(self, pixels: Tensor) -> State:
        """The decoder's initial state.

        Args:
            pixels: from 0, white, to 255, black: uint8, (images, HEIGHT, width).
        """
        inputs = (pixels[:, None].to(self.output.weight.dtype) / BLACK - MEAN) / DEVIATION
        vector = self.encoder(inputs)
        return self.decoder.unflatten([bridge(vector) for bridge in self.bridges])

    def decode(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Read letters.

        Args:
            inputs: ids, (time, images), int64.
            state: the decoder's state before the first input.

        Returns:
            Logits of the letter after each input, (time, images, letters.SIZE), and the state after the last input.
        """
        outputs, state = self.decoder(self.embedding(inputs), state)
        return self.output(self.dropout(outputs)), state

    def forward(self, pixels: Tensor, targets: Tensor) -> Tensor:
        """Logits of the targets by teacher forcing, (time, images, letters.SIZE).

        Args:
            pixels: as for `encode`.
            targets: ids of the captions, padded with END, (time, images), int64.
        """
        start = torch.full_like(targets[:1], letters.START)
        return self.decode(torch.cat([start, targets[:-1]]), self.encode(pixels))[0]

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy in nats of the letters of a batch and of the END after each caption, by teacher forcing."""
        logits = self(batch.pixels, batch.targets).flatten(0, 1).index_select(0, batch.places)
        targets = batch.targets.flatten()[batch.places]
        return Loss(nn.functional.cross_entropy(logits, targets, reduction="sum"), len(targets))


def _initialise(decoder: RecurrentStack, hidden: int) -> None:
    for name, parameter in decoder.named_parameters():
        if "weight_hh" in name:
            for gate in parameter.data.split(hidden):
                nn.init.orthogonal_(gate)
        elif "bias_ih" in name and decoder.architecture == "gru":
            # PyTorch's order of gates is reset, update, new; an open update gate keeps the state.
            nn.init.ones_(parameter.data[hidden : 2 * hidden])
