"""The answers of a served model, with MLflow's errors in place of the project's own."""

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
    """One line on why a request has no answer; MLflow's server puts the texts of the request before it otherwise."""

    def serialize_as_json(self) -> str:
        """The body of the HTTP answer: the one line, without the texts and without a stack trace."""
        self.message = str(self)
        return str(super().serialize_as_json())


def answer(task: Any, model: Any, texts: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """As `serving.answer`.

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
        # The stack trace is for the server's log: it holds paths of this machine.
        logging.getLogger(__name__).exception("the model failed")
        raise RefusedError("the model failed; the server's log says why", INTERNAL_ERROR) from None


def is_stopping() -> bool:
    """Whether the web server that this process runs was asked to end; uvicorn waits for all its requests then.

    Uvicorn, which MLflow serves with, handles SIGTERM by a method of its server and notes the signal there.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True
