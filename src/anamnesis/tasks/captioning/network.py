"""The network that reads an image: a convolutional encoder, and a recurrent decoder that starts from its vector."""

import torch
from torch import Tensor, nn

from anamnesis.nn.stack import RecurrentStack, State, flatten
from anamnesis.tasks.captioning import letters
from anamnesis.tasks.captioning.batches import Batch
from anamnesis.tasks.captioning.rows import BLACK, HEIGHT
from anamnesis.tasks.captioning.settings import Network

# Of a training image's pixels, about.
MEAN, DEVIATION = 0.15, 0.33


class Captioner(nn.Module):
    """One image in, many letters out (as Vinyals et al. 2015, "Show and Tell", but with the image as the first state).

    The encoder is three convolutions of 3 x 3 with ReLU, max-pooling of 2 x 2 between them. The last is as high as what
    is left of the image, so that a column of its features sees about two digits, at full height. All columns together
    are the image's vector v. What starts the decoder is W v, one such W for each part of its state, and without the
    tanh that a state has otherwise, so that no gradient is lost where that is flat. All that the decoder ever knows of
    the image is in there.

    What is to be said last must be remembered longest. So the recurrent weights start as rotations (Saxe et al. 2014),
    and a GRU's update gate open to the state, as an LSTM's forget gate does.

    Args:
        settings: the experiment's `model` block.
        columns: the images' width.
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
                # PyTorch's own start lets the signal fade from layer to layer (He et al. 2015, section 2.2).
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.embedding = nn.Embedding(letters.SIZE, settings.embedding)
        self.decoder = RecurrentStack(settings.architecture.removeprefix("cnn-"), settings.embedding, hidden)
        _remember(self.decoder, hidden)
        parts = len(flatten(self.decoder.initial_state(1)))
        self.bridges = nn.ModuleList(nn.Linear(4 * channels * (columns // 4), hidden) for _ in range(parts))
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(hidden, letters.SIZE)

    def encode(self, pixels: Tensor) -> State:
        """The state that starts the decoder.

        Args:
            pixels: from 0, white, to 255, black: uint8, (images, HEIGHT, width).
        """
        # As training's pixels are: a mean of about 0, a variance of about 1.
        inputs = (pixels[:, None].to(self.output.weight.dtype) / BLACK - MEAN) / DEVIATION
        vector = self.encoder(inputs)
        return self.decoder.unflatten([bridge(vector) for bridge in self.bridges])

    def decode(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Read letters, each after the true one before it, in one call of the recurrent layer.

        Args:
            inputs: ids (time, images), int64.
            state: of the decoder before them.

        Returns:
            Logits of the letter after each (time, images, letters.SIZE), and the state after the last.
        """
        outputs, state = self.decoder(self.embedding(inputs), state)
        return self.output(self.dropout(outputs)), state

    def forward(self, pixels: Tensor, targets: Tensor) -> Tensor:
        """Teacher forcing: the logits of every letter of the captions.

        Args:
            pixels: as `encode` takes them.
            targets: ids (time, images), int64, the end behind each caption, and anything behind that.

        Returns:
            (time, images, letters.SIZE); behind a caption's end they mean nothing.
        """
        start = torch.full_like(targets[:1], letters.START)
        return self.decode(torch.cat([start, targets[:-1]]), self.encode(pixels))[0]

    def loss(self, batch: Batch) -> Tensor:
        """The cross-entropy of all letters of a batch, the ends as such: a sum, in nats."""
        logits = self(batch.pixels, batch.targets).flatten(0, 1).index_select(0, batch.places)
        return nn.functional.cross_entropy(logits, batch.targets.flatten()[batch.places], reduction="sum")


def _remember(decoder: RecurrentStack, hidden: int) -> None:
    for name, parameter in decoder.named_parameters():
        if "weight_hh" in name:
            for gate in parameter.data.split(hidden):
                nn.init.orthogonal_(gate)
        elif "bias_ih" in name and decoder.architecture == "gru":
            # PyTorch's gates stand in the order reset, update, new; an open update gate keeps the state.
            nn.init.ones_(parameter.data[hidden : 2 * hidden])
