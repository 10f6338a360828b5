"""The registered form of a model: texts in, texts out. MLflow runs this file as it stands, and pickles nothing.

MLflow copies this file into the model's folder and calls it when the model is loaded, so at the top level it holds only
the class and the call that hands it over.
"""

from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class ServedModel(PythonModel):
    """Answers each text by a model: with its continuation, the word for its blank, its translation, its label.

    An image or a video is a text, too: the base64 of its file. So is a series: its numbers, with commas between them.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's files; a damaged or altered one raises an error that names it."""
        from pathlib import Path

        from anamnesis import models, serving

        folder = Path(context.artifacts["model"])
        self._model = models.load(folder)
        self._task = serving.module(self._model.card["task"])

    def predict(  # type: ignore[override]  # the hints are the signature, and MLflow lets `context` be left out
        self, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[str]:
        """The answer to each text. An empty text has an empty answer, but a language model begins a new text.

        Args:
            model_input: at most 1,000 texts of at most 100,000 characters each (files: 64,000,000).
            params: of a language model `length` in tokens (1 to 10,000), `temperature` (0.000001 to 1,000,000), `top_k`
                (0 to 1,000,000; 0: all tokens), `greedy`, `seed` (0 or more). Every text is answered from the same
                seed, so an answer does not depend on the texts beside it. Of a translator or a captioner `beam` (1 to
                100); of a forecaster `steps` (1 to 10,000). Of a classifier or a cloze model `top` (0 to 100): how many
                labels or words to give with their probabilities, as a JSON object; 0: the likeliest alone.

        Raises:
            MlflowException: a text or an option is not allowed (INVALID_PARAMETER_VALUE), or the answers take longer
                than 30 seconds, or those that the variable ANAMNESIS_TIME_LIMIT says (DEADLINE_EXCEEDED).
        """
        from anamnesis.tracking import answers

        return answers.answer(self._task, self._model, model_input, params or {})


set_model(ServedModel())
