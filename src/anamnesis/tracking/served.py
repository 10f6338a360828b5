"""The registered form of a model: texts in, texts out. MLflow runs this file as it stands, and pickles nothing.

MLflow copies this file into the model's folder and calls it when the model is loaded, so at the top level it holds only
the class and the call that hands it over.
"""

from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class ServedModel(PythonModel):
    """Answers each text with its continuation by a language model."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's files; a damaged or altered one raises an error that names it."""
        import importlib
        import json
        from pathlib import Path

        folder = Path(context.artifacts["model"])
        task = json.loads((folder / "model.json").read_text(encoding="utf-8"))["task"]
        self._model = importlib.import_module(f"anamnesis.{task}.saved").load(folder)

    def predict(  # type: ignore[override]  # the hints are the signature, and MLflow lets `context` be left out
        self, model_input: list[str], params: dict[str, Any] | None = None
    ) -> list[str]:
        """The continuation of each text, without the text itself.

        Args:
            model_input: texts to go on from; an empty one starts a new text.
            params: `length` in tokens, `temperature` (above 0), `top_k` (0: all tokens), `greedy`, `seed`. Every text
                is continued from the same seed, so an answer does not depend on the texts beside it.
        """
        from anamnesis.language.generation import generate

        given = params or {}
        options: dict[str, Any] = {
            "length": int(given.get("length", 200)),
            "temperature": float(given.get("temperature", 1.0)),
            "top_k": int(given.get("top_k", 0)) or None,
            "greedy": bool(given.get("greedy", False)),
            "seed": int(given.get("seed", 0)),
        }
        return ["".join(generate(self._model, text, **options)) for text in model_input]


set_model(ServedModel())
