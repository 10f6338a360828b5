"""docs/params.md is up to date with the schema."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_reference_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "params_reference.py"))
    written = (ROOT / "docs" / "params.md").read_text(encoding="utf-8")
    assert written == script["reference"](), "run: python scripts/params_reference.py > docs/params.md"
    assert "| `hidden` | whole number >= 1, <= 65536 |" in written
