"""The pyfunc of a registered model, from code: it answers texts with texts and needs no pickle.

MLflow copies this file into the pyfunc and runs it when the model is loaded, so the top level has only the class and
the call of `set_model`.
"""

from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class ServedModel(PythonModel):
    """Answers each text with its continuation, the word for its blank, its translation, caption, label or forecast.

    The text of an image or a video is the base64 of its file; the text of a series is its numbers, between commas.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model.

        Raises:
            AnamnesisError: a file is damaged or altered; the message names it.
        """
        from pathlib import Path

        from anamnesis import models, serving

        folder = Path(context.artifacts["model"])
        self._model = models.load(folder)
        self._task = serving.module(self._model.card["task"])

    def predict(  # type: ignore[override]  # the hints are the signature, and MLflow lets `context` be left out
        self, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[str]:
        """The answer to each text. An empty text has an empty answer; a language model starts a new text.

        Args:
            model_input: at most 1,000 texts of at most 100,000 characters each (files: 64,000,000).
            params: options. Of a language model: `length` in tokens (1 to 10,000), `temperature` (0.000001 to
                1,000,000), `top_k` (0 to 1,000,000; 0: all tokens), `greedy`, `seed` (0 or more). Every text has the
                same seed, so its answer does not depend on the other texts. Of a translation or captioning model:
                `beam` (1 to 100). Of a forecaster: `steps` (1 to 10,000). Of a classifier or a cloze model: `top` (0 to
                100), the number of labels or words in a JSON object with their probabilities; 0: the most probable one
                as text.

        Raises:
            MlflowException: a text or an option is not allowed (INVALID_PARAMETER_VALUE), or the answers take longer
                than 30 seconds or than ANAMNESIS_TIME_LIMIT (DEADLINE_EXCEEDED).
        """
        from anamnesis.tracking import answers

        return answers.answer(self._task, self._model, model_input, params or {})


set_model(ServedModel())
