"""Run every stage and every experiment of the smoke profile in a temporary clone, and check what they leave.

Exits non-zero, and says why, when anything is missing or a second run finds something to do.
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
    """Make the clone, run, check, and remove it."""
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
    """Run the pipeline in `clone`; what is wrong afterwards, one line each."""
    environment = _environment(clone, scratch)

    def run(*command: str, shown: bool = False) -> str:
        output = None if shown else subprocess.PIPE
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
    run(*anamnesis, "repro", "-j", "2", shown=True)

    problems = []
    settings = params.load(folder / "params.yaml")
    wanted = [f"metrics/{name}.json" for name in settings.experiments]
    wanted += [f"models/{name}/model.json" for name in settings.experiments]
    wanted += ["reports/index.html", "reports/leaderboard.csv", "reports/registry.json"]
    problems += [f"{path} was not made" for path in wanted if not (folder / path).is_file()]
    changed = [line[3:] for line in run("git", "status", "--porcelain").splitlines()]
    problems += [f"git finds {path} changed or new" for path in changed if path != "profiles/smoke/dvc.lock"]
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
    """The clone's own code, tracking database and DVC state; downloads come from the user's cache."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = str(clone / "src")
    environment["DVC_SITE_CACHE_DIR"] = str(scratch / "dvc")
    environment["OMP_NUM_THREADS"] = "1"
    return environment


def _copy(clone: Path) -> None:
    """What git would commit of the working tree, so that a change is tried before it is committed."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        # The full budgets' results would be of no use.
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
