"""The page that `dvc plots show` fills, with the drawing code inside, so that it draws without a network.

    python -m anamnesis.report.plots_template

writes it where Git does not look and tells DVC, in its configuration of this clone alone, to use it.
"""

import subprocess
import sys
from pathlib import Path

from anamnesis import console
from anamnesis.errors import AnamnesisError
from anamnesis.files import write_text
from anamnesis.report import scripts

# Below .dvc/tmp, which DVC itself keeps out of Git.
PLACE = Path("tmp") / "plots" / "offline.html"

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>DVC plots</title>
<link rel="icon" href="data:,">
<script>%s</script>
<style>
body { font: 16px system-ui, sans-serif; margin: 2rem; }
body > div { margin-bottom: 3rem; }
table { border-spacing: 15px; }
</style>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def template() -> str:
    """DVC's HTML template: its placeholder for scripts, which would load them from the web, is left out."""
    return PAGE % scripts.bundle()


def install(root: Path = Path(".")) -> Path:
    """Write the template below `root`/.dvc and set `plots.html_template` in .dvc/config.local; returns its path.

    Raises:
        AnamnesisError: `root` is not a DVC project, or DVC refuses the setting.
    """
    folder = root / ".dvc"
    if not folder.is_dir():
        raise AnamnesisError(f"{root}: no DVC project is here; run this in the project's folder")
    write_text(folder / PLACE, template())
    command = [sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", PLACE.as_posix()]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise AnamnesisError(f"dvc config: {' '.join(done.stderr.split())}")
    return folder / PLACE


def main() -> None:
    """Install the template in the current folder's project."""
    print(f"dvc plots show draws offline, with {install()}")


if __name__ == "__main__":
    console.run(main)
