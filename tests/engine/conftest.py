"""A small project with the pipeline's shape, whose stages are shell scripts."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

CORPORA = """
corpora:
  hello: {reader: text, source: {kind: literal, text: hello, same: true}}
"""

PARAMS = """
profile: laptop
tokens:
  hello-characters: {corpus: hello, kind: characters}
experiments:
"""

EXPERIMENT = """
  hello-%s: {task: language, tokens: hello-characters, seed: %d, model: {architecture: uniform}}
"""

STAGES = """
vars: [corpora.yaml]
stages:
  fetch:
    foreach: ${corpora}
    do: {cmd: "sh pipelines/work.sh fetch ${key}", deps: [pipelines/work.sh],
         params: [{corpora.yaml: ["corpora.${key}"]}], outs: ["data/raw/${key}"]}
  tokenize:
    foreach: ${tokens}
    do: {cmd: "sh pipelines/work.sh tokenize ${key} data/raw/${item.corpus}", deps: ["data/raw/${item.corpus}"],
         params: ["tokens.${key}"], outs: ["data/tokens/${key}"]}
  train:
    foreach: ${experiments}
    do: {cmd: "sh pipelines/work.sh train ${key} data/tokens/${item.tokens}", deps: ["data/tokens/${item.tokens}"],
         params: ["experiments.${key}"], outs: ["models/${key}"]}
  evaluate:
    foreach: ${experiments}
    do: {cmd: "sh pipelines/work.sh evaluate ${key} models/${key}", deps: ["models/${key}"],
         metrics: ["metrics/${key}.json"], outs: ["predictions/${key}"]}
  compare: {cmd: sh pipelines/work.sh compare all metrics, deps: [metrics], outs: [reports/leaderboard.csv]}
"""

WORK = """
set -e
kind=$1 name=$2 input=$3 root=.
for each; do if [ "$last" = --profile ]; then root=profiles/$each; fi; last=$each; done
mkdir -p .anamnesis
echo "$kind $name" >> .anamnesis/ran
if [ -e before-$kind-$name.sh ]; then . ./before-$kind-$name.sh; fi
cd $root
case $kind in
  fetch) mkdir -p data/raw/$name; echo text > data/raw/$name/train.txt;;
  tokenize) mkdir -p data/tokens/$name; cat $input/train.txt > data/tokens/$name/ids;;
  train) mkdir -p models/$name; cat $input/ids > models/$name/weights; echo $name >> models/$name/weights;;
  evaluate) mkdir -p metrics predictions/$name; cat $input/weights > predictions/$name/text
            echo "{\\"length\\": $(wc -c < $input/weights)}" > metrics/$name.json;;
  compare) mkdir -p reports; cat metrics/*.json > reports/leaderboard.csv;;
esac
echo "$kind $name: made it"
"""

IGNORED = "data/\nmodels/\nmetrics/\npredictions/\nreports/\n.anamnesis/\nbefore-*.sh\n*.pid\nmet-*\n"

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Project:
    """The project's folder, with the commands that tests run in it."""

    def __init__(self, root: Path, experiments: list[str]) -> None:
        self.root = root
        for folder in (".dvc", ".anamnesis", "pipelines"):
            (root / folder).mkdir(parents=True)
        for name, text in {
            ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
            ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
            ".gitignore": IGNORED,
            "dvc.yaml": STAGES,
            "corpora.yaml": CORPORA,
            "pipelines/work.sh": WORK,
        }.items():
            (root / name).write_text(text)
        self.experiments(experiments)
        self.git("init", "-q")
        self.commit()

    def experiments(self, names: list[str]) -> None:
        """Write the params.yaml with these experiments."""
        (self.root / "params.yaml").write_text(PARAMS + "".join(EXPERIMENT % (name, len(name)) for name in names))

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "state")

    def before(self, kind: str, name: str, script: str) -> None:
        """Let a stage run these shell lines first."""
        (self.root / f"before-{kind}-{name}.sh").write_text(script)

    def popen(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `anamnesis.engine.run.repro` in a process; the arguments are the number of jobs and the targets."""
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(self.root), *arguments],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A process that is started in the background or by `nohup` may ignore these signals.
            preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in SIGNALS],
        )

    def repro(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        process = self.popen(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def dvc(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def ran(self) -> list[str]:
        """The stages whose commands have started since the last call, in order."""
        log = self.root / ".anamnesis" / "ran"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


DRIVER = """
import sys
from pathlib import Path
from rich.console import Console
from anamnesis import console
from anamnesis.engine.run import repro
root, jobs, *names = sys.argv[1:]
console.run(lambda: print("changed:", repro(Path(root), names, int(jobs), Console())))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", ["a", "bb", "ccc"])
