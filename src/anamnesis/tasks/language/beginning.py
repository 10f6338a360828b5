"""What a model reads before the first token of a text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer


def beginning(tokenizer: "Tokenizer") -> int | None:
    """The id after which a new text can begin: `<s>`; else the line end, if it is a token; else None."""
    if tokenizer.start_id is not None:
        return tokenizer.start_id
    ids = tokenizer.encode("\n").tolist()
    return ids[0] if len(ids) == 1 and ids[0] != tokenizer.unknown_id else None
