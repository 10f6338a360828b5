"""Errors that a user can cause and correct: each is one line that names the key or file and the allowed values."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

LONGEST_LIST = 20
# User name and password in an address: the text between `//` and the last `@` before the path. A password that is not
# percent-encoded may contain `/`, `?` or `#`; the text after the colon is then not a port.
_USER_INFORMATION = re.compile(
    r"""(?<=//)(?:[^/?#\s"<>]*@|[^/?#\s:@"<>\[]{0,256}:(?![0-9]*(?:[/?#\s]|$))[^\s"<>]{0,256}@)"""
)
# Query parameters that give access, by words in their names.
_SECRET_PARAMETER = re.compile(
    r"""([?&;](?:[\w.%-]{0,64}?(?:token|secret|signature|credential|passw(?:or)?d|api_?-?key|auth)[\w.%-]{0,64}"""
    r"""|sig|key|pwd|pass)=)[^&;#\s"'<>]+""",
    re.IGNORECASE,
)


def hide_passwords(text: str) -> str:
    """The text without `user:password@` in its addresses, and with `***` instead of tokens in their queries.

    Call this before you print, log or write a text that may contain an address or the message of another library's
    exception. The errors below call it themselves.
    """
    return _SECRET_PARAMETER.sub(r"\1***", _USER_INFORMATION.sub("", text))


class AnamnesisError(Exception):
    """An error that the user can correct; `str(error)` is one line without a password."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        # A key, a file name or another library's message may contain line breaks.
        super().__init__(hide_passwords(" ".join(message.splitlines())))


class ParamsError(AnamnesisError):
    """An invalid value in params.yaml or corpora.yaml, or an invalid argument of a command."""

    exit_code = 2


def suggest(name: str, allowed: Iterable[object]) -> str:
    """'did you mean NEAREST?', or the allowed names, to end an error about an unknown name.

    Of more than `LONGEST_LIST` names, three are listed.
    """
    names = sorted(map(str, allowed))
    if near := get_close_matches(name, names, n=1):
        return f"did you mean {near[0]!r}?"
    if len(names) > LONGEST_LIST:
        return f"allowed: one of {len(names)} names, such as {', '.join(names[:3])}"
    return f"allowed: {', '.join(names) or '(none)'}"
