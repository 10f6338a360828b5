"""A trained language model, ready to use."""

from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.models import ModelFolder
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.text import TOKENIZER
from anamnesis.tasks.language.settings import NGram, Reader


def load(content: ModelFolder) -> LanguageModel:
    """The language model of a model folder, in evaluation mode.

    Raises:
        AnamnesisError: the tokenizer is damaged, or the arrays are not those of the model that the card describes.
    """
    folder, card, settings = content.folder, content.card, content.experiment.model
    alphabet = card.get("alphabet")
    if not isinstance(alphabet, int) or alphabet < 1:
        raise AnamnesisError(f"{folder}: model.json: alphabet: found {alphabet!r}; allowed: a number of characters")
    vocabulary = tokenizer.load(folder / TOKENIZER)
    if isinstance(settings, Reader):
        from anamnesis.tasks.language.model.predictor import load_recurrent

        return load_recurrent(folder, settings, content.weights, card, vocabulary, content.device)
    try:
        if isinstance(settings, NGram):
            from anamnesis.tasks.language.model.ngram import NGramModel

            return NGramModel(card, content.weights, vocabulary, settings.order)
        from anamnesis.tasks.language.model.uniform import UniformModel

        return UniformModel(card, vocabulary)
    except AnamnesisError as error:
        raise AnamnesisError(f"{folder}: {error}") from None
