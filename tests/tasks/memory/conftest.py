"""A small project folder with a token store, and settings small enough for seconds."""

from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.tasks.memory.settings import Experiment


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/tokens/manual: 6,000 characters of English to train on, 1,000 each to hold out."""
    root = tmp_path_factory.mktemp("project")
    text = "".join(topics[name] for name in sorted(topics))
    sources = {}
    for split, share in (("train", text[:6000]), ("valid", text[6000:7000]), ("test", text[7000:8000])):
        sources[split] = root / f"{split}.txt"
        sources[split].write_text(share, encoding="utf-8")
    settings = TypeAdapter(Tokens).validate_python({"corpus": "manual", "kind": "characters"})
    store.write(root / "data" / "tokens" / "manual", settings, sources)
    return root


@pytest.fixture
def project(stores: Path, tmp_path: Path) -> Path:
    """A fresh project folder that shares the token store."""
    (tmp_path / "data").symlink_to(stores / "data")
    return tmp_path


@pytest.fixture(scope="session")
def experiment() -> Callable[..., Experiment]:
    """experiment(architecture, model={...}, recall={...}, ...): settings with small budgets."""

    def make(architecture: str = "gru", **changes: Any) -> Experiment:
        content: dict[str, Any] = {
            "task": "memory",
            "tokens": "manual",
            "model": {"architecture": architecture},
            "parameters": 1000,
            "features": 8,
            "training": {"batch": 16, "learning_rate": 0.01},
            "text": {"unroll": 20, "length": 12, "segments": 5},
            "recall": {"lags": [2, 3, 5], "seeds": 2, "steps": 60, "check": 20, "sequences": 50, "alphabet": 3},
        }
        for key, value in changes.items():
            content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
        return Experiment.model_validate(content)

    return make
