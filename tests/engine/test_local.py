"""The executor of this machine: exit codes, logs, marks of successful commands, and stopping."""

import pytest

from anamnesis.engine import completion
from anamnesis.engine.executor import Task
from anamnesis.engine.local import LocalExecutor


@pytest.fixture
def executor(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHELL", "/bin/sh")
    executor = LocalExecutor(4, warm=False)
    yield executor
    executor.stop()


@pytest.fixture
def task(tmp_path):
    return lambda name, command: Task(name, command, tmp_path, tmp_path, "key", (f"{name}.txt",), {"WHO": name})


def test_each_task_has_its_own_exit_code_and_a_mark_if_it_succeeds(tmp_path, executor, task):
    # The operating system tells each exit code only once, so many tasks start and end at the same time.
    codes = [number % 3 for number in range(40)]
    tasks = [task(f"t{number}", f"echo $WHO > $WHO.txt; exit {code}") for number, code in enumerate(codes)]
    assert [future.result(timeout=120).code for future in [executor.submit(each) for each in tasks]] == codes
    marks = [completion.is_marked(tmp_path, each.name, "key", each.outputs) for each in tasks]
    assert marks == [code == 0 for code in codes]
    assert not completion.is_marked(tmp_path, "t0", "another key", tasks[0].outputs)
    (tmp_path / "t0.txt").write_text("changed")
    assert not completion.is_marked(tmp_path, "t0", "key", tasks[0].outputs)


def test_log_holds_the_command_and_its_output(tmp_path, executor, task):
    echo = task("sub/dvc.yaml:train@a", "echo out; echo err >&2; read line; echo [$line]")
    assert executor.submit(echo).result(timeout=60).code == 0
    assert echo.log == tmp_path / ".anamnesis" / "logs" / "sub.dvc.yaml.train@a.log"
    assert echo.log.read_text().splitlines() == [f"> {echo.command}", "out", "err", "[]"]
