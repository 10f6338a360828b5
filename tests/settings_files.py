"""The files of a test's project that hold its settings."""

from pathlib import Path
from typing import Any

from anamnesis import params


def write_settings(root: Path, content: dict[str, Any]) -> None:
    """Write the params.yaml and corpora.yaml with this content, as `params.read` gives it, into a project's folder."""
    for name, text in params.dump(content).items():
        (root / name).write_text(text, encoding="utf-8")
