"""The answers of a served model, with errors as MlflowException."""

import logging
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    DEADLINE_EXCEEDED,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    TEMPORARILY_UNAVAILABLE,
)

from anamnesis import deadline, serving
from anamnesis.errors import AnamnesisError


class RefusedError(MlflowException):
    """The reason why a request has no answer, in one line. MLflow's server would put the request's texts before it."""

    def serialize_as_json(self) -> str:
        """The body of the HTTP response: the line, without the texts and without a stack trace."""
        self.message = str(self)
        return str(super().serialize_as_json())


def answer(task: Any, model: Any, texts: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """The answers of `serving.answer`.

    Raises:
        RefusedError: the request has no answer.
    """
    try:
        return serving.answer(task, model, texts, options, is_stopping)
    except deadline.TimeLimitError as error:
        raise RefusedError(str(error), DEADLINE_EXCEEDED) from None
    except deadline.StoppingError as error:
        raise RefusedError(str(error), TEMPORARILY_UNAVAILABLE) from None
    except AnamnesisError as error:
        raise RefusedError(str(error), INVALID_PARAMETER_VALUE) from None
    except Exception:
        # Only the server's log gets the stack trace, which contains paths of this machine.
        logging.getLogger(__name__).exception("the model failed")
        raise RefusedError("the model failed; see the server's log", INTERNAL_ERROR) from None


def is_stopping() -> bool:
    """Whether the web server of this process is shutting down.

    Uvicorn, MLflow's web server, then waits for all requests. Its handler of SIGTERM is a method of the server, whose
    attribute `should_exit` it sets.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True
