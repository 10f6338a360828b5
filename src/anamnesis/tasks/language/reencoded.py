"""A split of a token store in the tokens of another tokenizer, as a model that started elsewhere reads it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.store import array_blocks, open_split, read_stats, text_blocks
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.base import Tokenizer

TOKENIZER = "tokenizer.json"


def read_split(store: Path, split: str, vocabulary: Tokenizer) -> tuple[NDArray[np.integer], dict[str, Any]]:
    """The ids of a split in the tokens of `vocabulary`, and what there is to count, as in stats.json.

    The counts `characters` and `text_sha256` are the store's: the text is the same. So every model pays for the same
    number of characters, and for what its own tokens leave out as `bits.py` says, at prices of the store's training
    split. That an unknown character is not among those of that split is charged where it cannot be told.

    Args:
        store: the token store's folder.
        split: train, valid or test.
        vocabulary: the tokenizer of a model; that of the store itself gives the store's own arrays.

    Raises:
        AnamnesisError: a file is missing or damaged, or the ids of the store do not say what its text was.
    """
    own, counts = tokenizer.load(store / TOKENIZER), read_stats(store)["splits"][split]
    if same(own, vocabulary):
        return open_split(store, split), counts
    # An unknown character becomes U+FFFD, one for one, and so is unknown again.
    text: Iterable[str]
    if own.kind == "characters":
        text = (own.decode(part.tolist()) for part in array_blocks(open_split(store, split)))
    else:
        text = text_blocks(store, split)
    parts: list[NDArray[np.integer]] = []
    unknown_characters = 0
    for chunk in vocabulary.chunks(text):
        parts.append(chunk.ids.astype(np.min_scalar_type(vocabulary.vocabulary_size)))
        unknown_characters += chunk.unknown_characters
    ids = np.concatenate(parts)
    starts = 0 if vocabulary.start_id is None else int(np.count_nonzero(ids == vocabulary.start_id))
    unknown = 0 if vocabulary.unknown_id is None else int(np.count_nonzero(ids == vocabulary.unknown_id))
    return ids, {
        **{key: counts[key] for key in ("characters", "text_sha256")},
        "tokens": len(ids),
        "targets": len(ids) - max(starts, 1),
        "unknown_tokens": unknown,
        "unknown_characters": unknown_characters,
        "unseen_characters": unknown_characters if own.unknown_id is None else counts["unseen_characters"],
    }


def same(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether two tokenizers give every text the same ids."""
    return (one.kind, one.tokens, one.saved()) == (other.kind, other.tokens, other.saved())
