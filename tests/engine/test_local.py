"""Tasks on this machine: each ends with its own exit code, leaves its log, and stops when it must."""

import time
from pathlib import Path

import pytest

from anamnesis.engine import finished
from anamnesis.engine.executor import Task
from anamnesis.engine.local import LocalExecutor


def task(root: Path, name: str, command: str) -> Task:
    return Task(name, command, root, root, "key", (f"{name}.txt",), {"WHO": name})


@pytest.fixture
def executor(monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/sh")
    executor = LocalExecutor(4, warm=False)
    yield executor
    executor.stop()


def test_every_task_ends_with_its_own_code(tmp_path, executor, monkeypatch):
    # Many that start and end at the same time: an exit code is told once, and must reach the right future.
    monkeypatch.chdir(tmp_path)
    codes = [number % 3 for number in range(40)]
    tasks = [task(tmp_path, f"t{number}", f"echo $WHO > $WHO.txt; exit {code}") for number, code in enumerate(codes)]
    futures = [executor.submit(one) for one in tasks]
    assert [future.result(timeout=120).code for future in futures] == codes
    noted = [finished.is_noted(tmp_path, one.name, "key", one.outputs) for one in tasks]
    assert noted == [code == 0 for code in codes]
    assert not finished.is_noted(tmp_path, "t0", "another key", tasks[0].outputs)
    (tmp_path / "t0.txt").write_text("touched")
    assert not finished.is_noted(tmp_path, "t0", "key", tasks[0].outputs)


def test_what_a_command_writes_is_in_its_log(tmp_path, executor):
    one = task(tmp_path, "sub/dvc.yaml:train@a", "echo out; echo err >&2; read line; echo [$line]")
    assert executor.submit(one).result(timeout=60).code == 0
    assert one.log == tmp_path / ".anamnesis" / "logs" / "sub.dvc.yaml.train@a.log"
    assert one.log.read_text().splitlines() == [f"> {one.command}", "out", "err", "[]"]


def test_stop_ends_what_runs(tmp_path, executor):
    one = task(tmp_path, "long", "trap 'echo stopped; exit 9' TERM; echo started; while true; do sleep 0.05; done")
    future = executor.submit(one)
    end = time.monotonic() + 60
    while not one.log.exists() or "started" not in one.log.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    executor.stop()
    assert future.result(timeout=60).code != 0
    assert not finished.is_noted(tmp_path, "long", "key", one.outputs)
