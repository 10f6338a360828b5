"""The errors a user can cause and mend: each is one line that names the culprit and what is allowed."""


class AnamnesisError(Exception):
    """Something in the user's hands is wrong; `str(error)` is the one line shown, without a traceback."""

    exit_code = 1


class ParamsError(AnamnesisError):
    """params.yaml, corpora.yaml, or an argument that names something in them, is not valid."""

    exit_code = 2
