"""Documents as the token ids that a model reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores import store
from anamnesis.data.stores.documents import Documents
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.tasks.classification.settings import LanguageModel, Model

TOKENIZER = "tokenizer.json"


def encode(settings: Model, tokenizer: Tokenizer, text: str) -> NDArray[Any]:
    """The token ids (tokens,) that a model reads of a text; none where the text holds no token.

    A model of characters reads each run of white space as one space: line lengths and indents of an edition would give
    an author away.

    Args:
        settings: the experiment's `model` block.
        tokenizer: the model's tokenizer; a language model has its own.
    """
    if settings.token_kind == "words":
        return tokenizer.encode_document(text).ids
    longest = settings.longest if isinstance(settings, LanguageModel) else None
    return tokenizer.encode(" ".join(text.split())[:longest])


def open_split(folder: Path, split: str, settings: Model, tokenizer: Tokenizer) -> Documents:
    """The documents of a split in the tokens of a model, with their labels.

    Args:
        folder: the token store; its own tokenizer tells words or characters, as `settings.token_kind` says.
        split: train, valid or test.
        settings: the experiment's `model` block.
        tokenizer: the model's tokenizer.

    Raises:
        AnamnesisError: a file is missing or damaged, or the store holds no documents.
    """
    documents = store.open_documents(folder, split)
    if settings.token_kind == "words":
        return documents
    own = tokenizers.load(folder / TOKENIZER)
    texts = (documents.text(number, own) for number in range(len(documents)))
    return join([encode(settings, tokenizer, text) for text in texts], documents.labels)


def join(ids: Sequence[NDArray[Any]], labels: NDArray[Any]) -> Documents:
    """Documents from the ids of each (tokens,) and their labels (documents,)."""
    return Documents(np.concatenate(ids), np.cumsum([0, *map(len, ids)], dtype=np.int64), labels)
