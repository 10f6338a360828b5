"""Settings of memory experiments that are small enough for seconds."""

import pytest
import toys as toy


@pytest.fixture(scope="session")
def experiment():
    """experiment(architecture, model={...}, recall={...}, ...): settings with small budgets."""

    def make(architecture="gru", **changes):
        blocks = {
            "text": {"unroll": 20, "length": 12, "segments": 5},
            "recall": {"lags": [2, 3, 5], "seeds": 2, "steps": 60, "check": 20, "sequences": 50, "alphabet": 3},
            "model": {"architecture": architecture},
        }
        for key, value in changes.items():
            blocks[key] = blocks.get(key, {}) | value if isinstance(value, dict) else value
        return toy.settings("memory-gru", **blocks)

    return make
