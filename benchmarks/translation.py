"""Speed and memory of the translators: training against a bare loop, batches of searches against single ones.

The sentences are made up. They count down: the last word of a sentence is one of twenty for 1, the one before it one of
twenty for 2, and so on; the rest of the vocabulary is never said. What is trained here learns in four short epochs how
such a translation goes on and when it ends, so that the searches are as long as real ones, while which of the words
comes next stays open as it does in a language.
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
# Target tokens of a batch, as in params.yaml; batches of an epoch, about.
TOKENS, BATCHES = 600, 60
SENTENCES, BEAM = 128, 5


def translation() -> list[Result]:
    """Training tokens a second, translated sentences a second, and the memory of a training step."""
    import torch

    torch.set_num_threads(1)
    return [*_training(), _memory()]


def _lengths(count: int, seed: int) -> "NDArray[np.int64]":
    """Tokens of sentences without the end: 2 to `LONGEST`, half of them up to 9, one in twenty above 25."""
    import numpy as np

    drawn = np.exp(np.random.default_rng(seed).normal(np.log(9), 0.62, count))
    return drawn.round().astype(np.int64).clip(2, LONGEST)


def _sentences(lengths: "NDArray[np.int64]", seed: int) -> "list[NDArray[np.int64]]":
    """Sentences that count down, each (tokens + 1,) with `</s>`, whose id is 2, as its last."""
    import numpy as np

    random = np.random.default_rng(seed)
    made = []
    for length in lengths.tolist():
        numbers = np.arange(length, 0, -1) - 1
        words = 3 + numbers * WORDS_FOR_A_NUMBER + random.integers(WORDS_FOR_A_NUMBER, size=length)
        made.append(np.append(words, 2))
    return made


def _batches(seed: int | None) -> "PairBatches":
    from anamnesis.tasks.translation.model.batches import PairBatches

    lengths = _lengths(BATCHES * TOKENS // 12, 1)
    return PairBatches(_sentences(lengths, 2), _sentences(lengths, 3), 1, TOKENS, seed)


def _network() -> "EncoderDecoder":
    """The network of en-nl-attention: a GRU each way, additive attention, tied weights, smoothed labels."""
    import torch

    from anamnesis.tasks.translation.model.network import EncoderDecoder
    from anamnesis.tasks.translation.settings import Attentive

    torch.manual_seed(1)
    settings = Attentive(architecture="attention", cell="gru", hidden=HIDDEN, dropout=0.2, label_smoothing=0.1)
    return EncoderDecoder(settings, VOCABULARY, VOCABULARY)


def _training() -> list[Result]:
    """Target tokens a second of our training against a bare loop; then the speed of searches with what it learned."""
    import torch

    from anamnesis.tasks.translation.model.batches import PairBatches
    from anamnesis.training.plan import NetworkPlan, perplexities
    from anamnesis.training.settings import Trainer, Training

    settings = Training(epochs=1, learning_rate=0.004, clip_norm=1.0, schedule={"kind": "cosine"})
    tokens = int(_batches(1).target_lengths.sum())
    short = _sentences(_lengths(2, 4), 5)
    scratch = Path(tempfile.mkdtemp())
    # Both learn on from turn to turn.
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
    """Sentences a second of a beam search over all of them at once, against one after the other."""
    from anamnesis.data.tokenizers.words import SPECIAL, Words
    from anamnesis.tasks.translation.model.languages import Language
    from anamnesis.tasks.translation.model.translator import NetworkTranslator
    from anamnesis.tasks.translation.settings import Search

    # Words of letters only, which the tokenizer leaves whole.
    letters = str.maketrans("0123456789", "abcdefghij")
    language = Language(Words([*SPECIAL, *(f"w{number}".translate(letters) for number in range(VOCABULARY - 3))]))
    translator = NetworkTranslator({}, language, language, network, Search(beam=BEAM))
    lengths = _lengths(SENTENCES, 6)
    texts = [language.decode(ids) for ids in _sentences(lengths, 7)]
    written = [len(found[0].ids) for found in translator.translate(texts, BEAM)]
    together, alone = alternate(
        lambda: translator.translate(texts, BEAM),
        lambda: [translator.translate([text], BEAM) for text in texts],
        rounds=5,
    )
    return Result(
        f"beam {BEAM}, {SENTENCES} sentences (mean {lengths.mean():.0f} tokens in, {sum(written) / len(written):.0f} "
        "out) at once against one by one",
        f"{SENTENCES / together:,.1f} sentences/s",
        f"{SENTENCES / alone:,.1f} sentences/s",
        alone / together,
        5.0,
        True,
    )


def _memory() -> Result:
    """The most memory that a training step takes beside weights, gradients and moments, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak, softmax, forbidden = pool.apply(_peak)
    return Result(
        f"memory of a training step, against tokens x vocabulary (x source: {forbidden / 2**20:,.0f} MiB)",
        f"{peak / 2**20:,.0f} MiB",
        f"{softmax / 2**20:,.0f} MiB",
        peak / softmax,
        10.0,
        False,
    )


def _peak() -> tuple[float, float, float]:
    """Bytes by which the resident set grows in a step, and those of float32 in the sizes that are told apart.

    The batch is that of an epoch for which (tokens, source, vocabulary), which no step may make, is median.
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
    # The first step makes what stays.
    step(batches[0])
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    step(batch)
    softmax = len(batch.targets) * VOCABULARY * 4
    return _resident("VmHWM") - before, softmax, softmax * len(batch.source)


def _resident(key: str) -> int:
    """A size from the system's account of this process, in bytes; `VmHWM` is the largest so far."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{key}:"))
    return int(found.split()[1]) * 1024
