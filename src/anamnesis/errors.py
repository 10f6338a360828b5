"""The errors a user can cause and mend: each is one line that names the culprit and what is allowed."""

import re

# In an address, whatever stands between `//` and the last `@` before the path is a user's name and password. A password
# that is not percent-encoded may hold `/`, `?` or `#`: what follows the colon is then no port.
_USER_INFORMATION = re.compile(
    r"""(?<=//)(?:[^/?#\s"<>]*@|[^/?#\s:@"<>\[]{0,256}:(?![0-9]*(?:[/?#\s]|$))[^\s"<>]{0,256}@)"""
)
# Parameters of an address's query that give access, by the words that their names consist of.
_SECRET_PARAMETER = re.compile(
    r"""([?&;](?:[\w.%-]{0,64}?(?:token|secret|signature|credential|passw(?:or)?d|api_?-?key|auth)[\w.%-]{0,64}"""
    r"""|sig|key|pwd|pass)=)[^&;#\s"'<>]+""",
    re.IGNORECASE,
)


def hide_passwords(text: str) -> str:
    """The text, with `user:password@` taken out of every address in it, and `***` in place of a token in its query.

    Call it on any text that may hold an address or another library's exception, before the text is printed, logged
    or written. The errors below do so themselves.
    """
    return _SECRET_PARAMETER.sub(r"\1***", _USER_INFORMATION.sub("", text))


class AnamnesisError(Exception):
    """Something in the user's hands is wrong; `str(error)` is the one line shown, without a traceback or a password."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        # A key, a file's name or another library's message may hold line breaks.
        super().__init__(hide_passwords(" ".join(message.splitlines())))


class ParamsError(AnamnesisError):
    """params.yaml, corpora.yaml, or an argument that names something in them, is not valid."""

    exit_code = 2
