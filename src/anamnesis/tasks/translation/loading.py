"""A trained translator of a model folder."""

from anamnesis import models
from anamnesis.models import ModelFolder
from anamnesis.tasks.translation.model.languages import PAIRS, TOKENIZERS
from anamnesis.tasks.translation.model.translations import Translator
from anamnesis.tasks.translation.settings import Copy, Nearest


def load(found: ModelFolder) -> Translator:
    """The translator of a model folder.

    Raises:
        AnamnesisError: the arrays are not those of the network that the card and the tokenizers describe.
    """
    from anamnesis.tasks.translation.model.baselines import CopyTranslator, NearestTranslator

    settings = found.experiment.model
    match settings:
        case Copy():
            return CopyTranslator(found.card)
        case Nearest():
            from anamnesis.data.stores import tables
            from anamnesis.data.stores.pairs import SIDES

            pairs = list(tables.rows(found.folder / PAIRS, SIDES))
            return NearestTranslator([source for source, _ in pairs], [target for _, target in pairs], found.card)
    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.tasks.translation.model.languages import Language
    from anamnesis.tasks.translation.model.network import EncoderDecoder
    from anamnesis.tasks.translation.model.translator import NetworkTranslator

    source, target = (Language(tokenizer.load(found.folder / name)) for name in TOKENIZERS)
    network = models.load_network(
        found.folder, lambda: EncoderDecoder(settings, source.size, target.size), found.weights, found.device
    )
    return NetworkTranslator(found.card, source, target, network, found.experiment.search)
