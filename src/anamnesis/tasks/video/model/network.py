"""Networks that tell what a video shows: convolutions and an LSTM, and each of the two alone."""

import torch
from torch import Tensor, nn

from anamnesis.nn.cells import new_layer
from anamnesis.tasks.video.settings import Cnn, Convolutions, Lstm, Model

# Mean and standard deviation of a pixel, 1 being black, in videos as they usually are.
MEAN, DEVIATION, BLACK = 0.1, 0.25, 255.0
# Pixels of the squares in which a frame is seen coarsely.
SQUARE = 4


class FrameNetwork(nn.Module):
    """What a convolutional network sees in one frame (batch, 1, size, size): a vector (batch, features).

    One half says what is there, wherever it is: two convolutions with ReLU, pooling of 2x2 between them, and of each
    channel the largest value in the field. The other says where the ink is: the means of squares of 4x4 pixels. Each
    has a fully connected layer with ReLU. Then layer normalisation (Ba et al. 2016), or an LSTM's gates would be
    saturated from the start. Weights begin as in He et al. 2015, equation 10.
    """

    def __init__(self, settings: Convolutions, size: int) -> None:
        super().__init__()
        channels, found, half = settings.channels, settings.channels * 4, settings.features // 2
        self.maps = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, found, 5, padding=2),
            nn.ReLU(),
        )
        self.coarse = nn.AvgPool2d(SQUARE)
        self.what = nn.Linear(found, settings.features - half)
        self.where = nn.Linear((size // SQUARE) ** 2, half)
        self.after = nn.Sequential(nn.ReLU(), nn.LayerNorm(settings.features), nn.Dropout(settings.dropout))
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 1, size, size) -> (batch, features)."""
        what, where = self.maps(frames).amax((2, 3)), self.coarse(frames).flatten(1)
        return self.after(torch.cat([self.what(what), self.where(where)], 1))


class VideoNetwork(nn.Module):
    """Videos in, logits of their classes out.

    cnn-lstm: the same convolutional network looks at every frame, an LSTM reads what it saw, and its last hidden state
    tells the class (Donahue et al. 2015, section 3). cnn: the convolutional network on the middle frame. lstm: the LSTM
    on the pixels of each frame.

    A class is a pair, and its logit the sum of the logits of the pair's parts: what is learnt of a 7 that moves left
    serves a 7 that moves right.

    Args:
        settings: the experiment's `model` block.
        size: height and width of the field.
        parts: how many digits and how many directions there are.
    """

    def __init__(self, settings: Model, size: int, parts: tuple[int, int]) -> None:
        super().__init__()
        self.parts = parts
        self.frame = None if isinstance(settings, Lstm) else FrameNetwork(settings, size)
        features = size * size if isinstance(settings, Lstm) else settings.features
        self.lstm = None if isinstance(settings, Cnn) else new_layer("lstm", features, settings.hidden)
        # The vector of a frame has its own dropout.
        self.dropout = nn.Dropout(0.0 if self.lstm is None else settings.dropout)
        self.output = nn.Linear(features if self.lstm is None else self.lstm.outputs, sum(parts))

    def forward(self, videos: Tensor) -> Tensor:
        """Logits (batch, digits * directions) of videos (batch, frames, size, size): uint8, 0 white to 255 black."""
        if self.lstm is None:
            middle = videos.shape[1] // 2
            videos = videos[:, middle : middle + 1]
        frames = (videos.transpose(0, 1) / BLACK - MEAN) / DEVIATION
        if self.frame is None:
            seen = frames.flatten(2)
        else:
            # All frames of all videos are one batch: nothing that is seen in one depends on another.
            seen = self.frame(frames.flatten(0, 1)[:, None]).unflatten(0, frames.shape[:2])
        last = seen[-1]
        if self.lstm is not None:
            _, (last, _) = self.lstm(seen, self.lstm.initial_state(len(last)))
        digits, directions = self.output(self.dropout(last)).split(self.parts, 1)
        return (digits[:, :, None] + directions[:, None]).flatten(1)
