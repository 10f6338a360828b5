"""The seed profile: settings of experiments that are compared with each other."""

from pathlib import Path

import numpy as np
import pytest

from anamnesis import params, profiles
from anamnesis.tasks.language.model.streams import StreamBatches, WindowBatches

ROOT = Path(__file__).parent.parent
# What sherlock has to train on there.
CHARACTERS = 506_814


@pytest.fixture(scope="module")
def seed() -> params.Params:
    return params.check(profiles.merged(ROOT, "seed"))


def test_windows_and_streams_see_the_same_number_of_characters(seed):
    ids = np.zeros(CHARACTERS, np.uint8)
    by_windows, by_streams = seed.experiments["sherlock-lstm-windows"], seed.experiments["sherlock-lstm"]
    assert by_windows.model == by_streams.model
    windows = WindowBatches(ids, by_windows.batches, None, by_windows.seed)
    streams = StreamBatches(ids, by_streams.batches, None)
    assert windows.drawn == len(windows.starts)
    seen = (
        windows.drawn * by_windows.batches.length * by_windows.training.epochs,
        int(streams.lengths.sum()) * by_streams.training.epochs,
    )
    assert seen[1] == pytest.approx(seen[0], rel=0.01)


def test_the_networks_of_the_tales_differ_in_nothing_but_the_layer(seed):
    for collection, architectures in (("20", ("rnn", "scrn")), ("100", ("rnn", "rnn3", "scrn", "lstm", "gru"))):
        for name in architectures:
            experiment = seed.experiments[f"fairytales{collection}-{name}"]
            assert experiment.model.hidden == 64
            assert (experiment.batches.batch, experiment.batches.steps, experiment.batches.truncate) == (64, 50, None)
            assert experiment.training == seed.experiments["fairytales20-rnn"].training
            assert experiment.training.epochs == 50
            assert experiment.tokens == f"fairytales{collection}-bigrams"
            if name == "scrn":
                assert (experiment.model.context, experiment.model.alpha) == (64, 0.9)


def test_every_file_of_the_web_is_found_in_the_mirror_by_its_own_name(seed):
    """A file is stored once in a mirror, whichever corpora use it."""
    places: dict[str, set[str]] = {}
    for name, corpus in seed.corpora.items():
        for file in getattr(corpus.source, "files", []):
            if getattr(file, "url", None):
                places.setdefault(file.url, set()).add(file.mirror or f"{name}/{file.url.rpartition('/')[2]}")
    assert len(places) == 8
    assert all(len(experiment) == 1 for experiment in places.values())
