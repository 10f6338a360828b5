"""Speed and memory of translators: training compared with a bare loop, batches of searches with single searches.

The sentences are random and count down: the last word is one of twenty words for 1, the word before it one of twenty
for 2, and so on. In four short epochs, a network learns when such a sentence ends but not which of the twenty words
comes next, so the searches have realistic lengths.
"""

import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import Result, alternate, train_epoch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anamnesis.tasks.translation.model.batches import PairBatches
    from anamnesis.tasks.translation.model.network import EncoderDecoder

HIDDEN, VOCABULARY, WORDS_FOR_A_NUMBER, LONGEST = 256, 5000, 20, 50
# Target tokens per batch, as in params.yaml, and approximate batches per epoch.
TOKENS, BATCHES = 600, 60
SENTENCES, BEAM = 128, 5


def translation() -> list[Result]:
    """Training tokens per second, translated sentences per second, and peak memory of a training step."""
    import torch

    torch.set_num_threads(1)
    return [*_training(), _memory()]


def _lengths(count: int, seed: int) -> "NDArray[np.int64]":
    """Random lengths of sentences in tokens, without the end token: 2 to `LONGEST`, median 9, 5 % above 25."""
    import numpy as np

    drawn = np.exp(np.random.default_rng(seed).normal(np.log(9), 0.62, count))
    return drawn.round().astype(np.int64).clip(2, LONGEST)


def _sentences(lengths: "NDArray[np.int64]", seed: int) -> "list[NDArray[np.int64]]":
    """Sentences that count down, each of shape (length + 1,), with the id of `</s>`, 2, at the end."""
    import numpy as np

    random = np.random.default_rng(seed)
    sentences = []
    for length in lengths.tolist():
        numbers = np.arange(length, 0, -1) - 1
        words = 3 + numbers * WORDS_FOR_A_NUMBER + random.integers(WORDS_FOR_A_NUMBER, size=length)
        sentences.append(np.append(words, 2))
    return sentences


def _batches(seed: int | None) -> "PairBatches":
    from anamnesis.tasks.translation.model.batches import PairBatches

    lengths = _lengths(BATCHES * TOKENS // 12, 1)
    return PairBatches(_sentences(lengths, 2), _sentences(lengths, 3), 1, TOKENS, seed)


def _network() -> "EncoderDecoder":
    """The network of en-nl-attention: a bidirectional GRU, additive attention, tied weights, label smoothing."""
    import torch

    from anamnesis.tasks.translation.model.network import EncoderDecoder
    from anamnesis.tasks.translation.settings import Attentive

    torch.manual_seed(1)
    settings = Attentive(architecture="attention", cell="gru", hidden=HIDDEN, dropout=0.2, label_smoothing=0.1)
    return EncoderDecoder(settings, VOCABULARY, VOCABULARY)


def _training() -> list[Result]:
    """Target tokens per second of our training and of a bare loop; then the speed of searches with that network."""
    import torch

    from anamnesis.tasks.translation.model.batches import PairBatches
    from anamnesis.training.plan import NetworkPlan, perplexities
    from anamnesis.training.settings import Trainer, Training

    settings = Training(epochs=1, learning_rate=0.004, clip_norm=1.0, schedule={"kind": "cosine"})
    tokens = int(_batches(1).target_lengths.sum())
    short = _sentences(_lengths(2, 4), 5)
    scratch = Path(tempfile.mkdtemp())
    # Each turn continues the training of the previous one.
    trained, network = _network(), _network()

    def ours() -> None:
        plan = NetworkPlan(
            trained,
            lambda batch, state: trained.loss(batch),
            _batches(1),
            PairBatches(short, short, 1, TOKENS, None),
            perplexities,
            headline="valid_perplexity",
            unit="target tokens",
            units=tokens,
        )
        train_epoch("bench", plan, settings, Trainer(), scratch)

    def bare() -> None:
        batches = _batches(1)
        optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
        total = torch.zeros(())
        for batch in batches:
            loss = network.loss(batch)
            optimizer.zero_grad()
            loss.mean.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm or 1e9)
            optimizer.step()
            scheduler.step()
            total += loss.total

    try:
        mine, plain = alternate(ours, bare, rounds=3)
    finally:
        shutil.rmtree(scratch)
    speeds = [tokens / seconds for seconds in (mine, plain)]
    return [
        Result(
            f"training a translator, {HIDDEN} hidden units, against a bare loop",
            f"{speeds[0]:,.0f} target tokens/s",
            f"{speeds[1]:,.0f} target tokens/s",
            speeds[0] / speeds[1],
            0.95,
            True,
        ),
        _decoding(trained.eval()),
    ]


def _decoding(network: "EncoderDecoder") -> Result:
    """Sentences per second of a beam search for all sentences at once, and for one after the other."""
    import numpy as np

    from anamnesis.data.tokenizers.words import SPECIAL, Words
    from anamnesis.tasks.translation.model.languages import Language
    from anamnesis.tasks.translation.model.translator import NetworkTranslator
    from anamnesis.tasks.translation.settings import Search

    # Words that contain only letters, which the tokenizer does not split.
    letters = str.maketrans("0123456789", "abcdefghij")
    language = Language(Words([*SPECIAL, *(f"w{number}".translate(letters) for number in range(VOCABULARY - 3))]))
    translator = NetworkTranslator({}, language, language, network, Search(beam=BEAM))
    lengths = _lengths(SENTENCES, 6)
    texts = [language.decode(ids) for ids in _sentences(lengths, 7)]
    mean_length = np.mean([len(best[0].ids) for best in translator.translate(texts, BEAM)])
    together, alone = alternate(
        lambda: translator.translate(texts, BEAM),
        lambda: [translator.translate([text], BEAM) for text in texts],
        rounds=5,
    )
    return Result(
        f"beam {BEAM}, {SENTENCES} sentences (mean {lengths.mean():.0f} tokens in, {mean_length:.0f} "
        "out) at once against one by one",
        f"{SENTENCES / together:,.1f} sentences/s",
        f"{SENTENCES / alone:,.1f} sentences/s",
        alone / together,
        5.0,
        True,
    )


def _memory() -> Result:
    """Peak memory of a training step beside weights, gradients and optimiser state, in a separate process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak, softmax, expanded = pool.apply(_peak)
    return Result(
        f"memory of a training step, against tokens x vocabulary (x source: {expanded / 2**20:,.0f} MiB)",
        f"{peak / 2**20:,.0f} MiB",
        f"{softmax / 2**20:,.0f} MiB",
        peak / softmax,
        10.0,
        False,
    )


def _peak() -> tuple[float, float, float]:
    """Growth of the resident memory in a training step, and the sizes of two float32 tensors, in bytes.

    The tensors have the shapes (target tokens, vocabulary) and (target tokens, source tokens, vocabulary); a step must
    never allocate the second one. The batch is the median of an epoch by the size of the second tensor.
    """
    import ctypes

    import torch

    torch.set_num_threads(1)
    batches = sorted(_batches(None), key=lambda batch: len(batch.targets) * len(batch.source))
    network = _network()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step(batch: Any) -> None:
        network.loss(batch).mean.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    batch = batches[len(batches) // 2]
    # The first step allocates gradients and optimiser state.
    step(batches[0])
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    step(batch)
    softmax = len(batch.targets) * VOCABULARY * 4
    return _resident("VmHWM") - before, softmax, softmax * len(batch.source)


def _resident(key: str) -> int:
    """A memory size of this process from /proc, in bytes: `VmRSS` is the current one, `VmHWM` the peak."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024
