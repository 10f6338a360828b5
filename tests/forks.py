"""Processes for tests, forked from one that has loaded the heavy packages.

A process that starts from nothing spends most of its time on imports. A forked process begins behind them, and is a
process all the same: its folder, environment, streams and exit code are its own, and it can be killed.
"""

import atexit
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from anamnesis import numerics

# Modules that commands and stages import. They import others themselves.
LOADED = (
    "anamnesis.cli",
    "anamnesis.tasks.language.model.predictor",
    "anamnesis.tasks.language.scoring",
    "anamnesis.report.leaderboard",
    "anamnesis.tracking.sync",
    "anamnesis.tasks.translation.model.training",
    "anamnesis.tasks.translation.model.translator",
    "mlflow.pyfunc",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
)
SECONDS = 120


def run(
    code: str,
    *arguments: str,
    folder: Path,
    stdin: str = "",
    environment: dict[str, str] | None = None,
    at_once: int = 1,
) -> "list[subprocess.CompletedProcess[str]]":
    """Run Python code in `at_once` processes side by side, and wait for them.

    Args:
        code: what each process runs.
        arguments: `sys.argv`; where there are several processes, {} stands for the number of each.
        folder: the working directory.
        stdin: what each process reads from standard input.
        environment: all variables but those of `numerics.PINNED`; by default those of this process.
        at_once: the number of processes.
    """
    variables = dict(os.environ if environment is None else environment) | numerics.PINNED
    with tempfile.TemporaryDirectory() as streams:
        jobs = []
        for number in range(at_once):
            paths = [Path(streams, f"{number}.{name}") for name in ("in", "out", "err")]
            for path, text in zip(paths, (stdin, "", ""), strict=True):
                path.write_text(text)
            given = [argument.format(number) if at_once > 1 else argument for argument in arguments]
            jobs.append({"arguments": given, "streams": [str(path) for path in paths]})
        codes = _ask({"code": code, "folder": str(folder), "environment": variables, "jobs": jobs})
        done = []
        for job, exit_code in zip(jobs, codes, strict=True):
            output, errors = (Path(path).read_text() for path in job["streams"][1:])
            done.append(subprocess.CompletedProcess(job["arguments"], exit_code, output, errors))
        return done


def _ask(request: dict[str, Any]) -> list[int]:
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    reply = server.stdout.readline()
    assert reply, "the process that forks has ended"
    codes: list[int] = json.loads(reply)
    return codes


@functools.cache
def _server() -> "subprocess.Popen[str]":
    """The process that forks. It ends with this one, whose requests it reads."""
    pipe = subprocess.PIPE
    environment = os.environ | numerics.PINNED | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    # With -P, modules of this folder do not hide installed ones.
    server = subprocess.Popen(
        [sys.executable, "-P", __file__], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    atexit.register(server.kill)
    return server


def _serve() -> dict[str, Any]:
    """Fork for every request and reply with the exit codes; in a forked process, return its job."""
    for line in sys.stdin:
        request = json.loads(line)
        children = []
        for job in request.pop("jobs"):
            child = os.fork()
            if child == 0:
                return request | job
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)
    os._exit(0)


def _run(job: dict[str, Any]) -> int:
    """Run a job as the interpreter runs a script; return its exit code."""
    # Ends a process that hangs.
    signal.alarm(SECONDS)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, path in enumerate(job["streams"]):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv[:] = job["arguments"]
    try:
        exec(job["code"], {"__name__": "__main__"})
        return 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    for module in LOADED:
        import_module(module)
    # Skip garbage collection and interpreter shutdown: both would copy most of the shared memory.
    gc.collect()
    gc.freeze()
    result = _run(_serve())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(result)
