"""The registered form of a model: texts in, texts out. MLflow runs this file as it stands, and pickles nothing.

MLflow copies this file into the model's folder and calls it when the model is loaded, so at the top level it holds only
the class and the call that hands it over.
"""

from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class ServedModel(PythonModel):
    """Answers each text by a model: with its continuation, the word for its blank, its translation, its label.

    An image or a film is a text, too: the base64 of its file. So is a series: its numbers, with commas between them.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's files; a damaged or altered one raises an error that names it."""
        import importlib
        import json
        from pathlib import Path

        folder = Path(context.artifacts["model"])
        task = json.loads((folder / "model.json").read_text(encoding="utf-8"))["task"]
        self._serving = importlib.import_module(f"anamnesis.{task}.serving")
        self._model = self._serving.load(folder)

    def predict(  # type: ignore[override]  # the hints are the signature, and MLflow lets `context` be left out
        self, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[str]:
        """The answer to each text.

        Args:
            model_input: what the model goes on from (an empty one starts a new text), or what it was made to answer.
            params: of a language model `length` in tokens, `temperature` (above 0), `top_k` (0: all tokens), `greedy`,
                `seed`. Every text is answered from the same seed, so an answer does not depend on the texts beside it.
                Of a translator or a captioner `beam`; of a forecaster `steps`.
        """
        answers: list[str] = self._serving.answer(self._model, model_input, params or {})
        return answers


set_model(ServedModel())
