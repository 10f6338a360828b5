"""Run every stage and experiment of the smoke profile in a temporary clone, and check the results.

Exits with an error if anything is missing, or if a second run finds something to do.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from anamnesis import params

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("experiments", "runs", "metrics", "params", "tags", "model_versions", "registered_model_aliases")


def main() -> None:
    """Create the clone, run the pipeline in it, print the problems, and remove the clone."""
    folder = Path(tempfile.mkdtemp(prefix="anamnesis-smoke-"))
    try:
        problems = check(folder / "clone", folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print(f"smoke: {problem}", file=sys.stderr)
    if problems:
        raise SystemExit(1)
    print("smoke: every stage ran, and a second run found nothing to do")


def check(clone: Path, scratch: Path) -> list[str]:
    """Run the pipeline in `clone`; returns one line for each problem."""
    environment = _environment(clone, scratch)

    def run(*command: str, show: bool = False) -> str:
        output = None if show else subprocess.PIPE
        done = subprocess.run(command, cwd=clone, env=environment, stdout=output, text=True)
        if done.returncode != 0:
            print(done.stdout or "")
            raise SystemExit(f"smoke: {' '.join(command)} ended with exit code {done.returncode}")
        return done.stdout or ""

    anamnesis = (sys.executable, "-m", "anamnesis.cli", "--profile", "smoke")
    _copy(clone)
    run(*anamnesis, "profile", "smoke")
    run("git", "init", "--quiet")
    run("git", "add", "--all")
    run("git", "-c", "user.name=smoke", "-c", "user.email=smoke@localhost", "commit", "--quiet", "-m", "smoke")
    folder = clone / "profiles" / "smoke"
    run(*anamnesis, "repro", "-j", "2", show=True)

    problems = []
    settings = params.load(folder / "params.yaml")
    paths = [f"metrics/{name}.json" for name in settings.experiments]
    paths += [f"models/{name}/model.json" for name in settings.experiments]
    paths += ["reports/index.html", "reports/leaderboard.csv", "reports/registry.json"]
    problems += [f"{path} is missing" for path in paths if not (folder / path).is_file()]
    changed = [line[3:] for line in run("git", "status", "--porcelain").splitlines()]
    problems += [f"git status lists {path}" for path in changed if path != "profiles/smoke/dvc.lock"]
    if "Data and pipelines are up to date." not in run(sys.executable, "-m", "dvc", "repro", str(folder / "dvc.yaml")):
        problems.append("a second `dvc repro` found something to do")
    if "Nothing to do" not in run(*anamnesis, "repro", "-j", "2"):
        problems.append("a second `anamnesis repro` found something to do")
    before = _rows(clone / "mlflow.db")
    run(*anamnesis, "sync")
    run(*anamnesis, "sync")
    after = _rows(clone / "mlflow.db")
    problems += [
        f"`anamnesis sync` added {after[table] - before[table]} {table}"
        for table in TABLES
        if before[table] != after[table]
    ]
    if before["runs"] != len(settings.experiments):
        problems.append(f"MLflow holds {before['runs']} runs of {len(settings.experiments)} experiments")
    if not before["model_versions"]:
        problems.append("no model was registered")
    return problems


def _environment(clone: Path, scratch: Path) -> dict[str, str]:
    """Environment variables for the clone: its own code, MLflow database and DVC state, but shared downloads."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = str(clone / "src")
    environment["DVC_SITE_CACHE_DIR"] = str(scratch / "dvc")
    environment["OMP_NUM_THREADS"] = "1"
    return environment


def _copy(clone: Path) -> None:
    """Copy the files that git would commit from the working tree, so that uncommitted changes are tested, too."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        # The lock files of other profiles belong to results that the clone does not have.
        if (ROOT / name).exists() and Path(name).name != "dvc.lock":
            target = clone / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)


def _rows(database: Path) -> dict[str, int]:
    connection = sqlite3.connect(database)
    try:
        return {table: connection.execute(f"select count(*) from {table}").fetchone()[0] for table in TABLES}
    finally:
        connection.close()


if __name__ == "__main__":
    main()
