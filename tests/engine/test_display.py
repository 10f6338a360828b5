"""What the person who waits sees."""

import io

from rich.console import Console

from anamnesis.engine.display import clock, display, last_sample, table
from anamnesis.engine.executor import Stage
from anamnesis.engine.run import announce
from anamnesis.engine.scheduler import Progress


def some() -> list[Progress]:
    def one(name, state, current=False, seconds=0.0, text=""):
        return Progress(Stage(name, frozenset(), "", current), state, seconds, text)

    return [
        one("fetch@a", "cached", current=True),
        one("fetch@b", "done", seconds=3.21, text="5 [bold] characters"),
        one("train@a", "running", seconds=75, text="epoch 3/20"),
        one("train@b", "failed", seconds=2, text="error: no"),
        one("evaluate@a", "waiting"),
        one("evaluate@b", "skipped", text="needs train@b"),
    ]


def shown(progress: list[Progress], height: int | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(table(progress, height))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_table_counts_all_and_lists_what_was_not_up_to_date():
    title, *rows = shown(some())
    assert title.split("  ") == ["1 failed", "1 running", "1 done", "1 cached", "1 skipped", "1 waiting"]
    assert [row.split()[0] for row in rows] == ["fetch@b", "train@a", "train@b", "evaluate@a", "evaluate@b"]
    assert rows[0].endswith("done     3.2 s  5 [bold] characters")
    assert rows[1].endswith("running   1:15  epoch 3/20")


def test_table_in_a_low_window_keeps_what_fails_and_runs():
    _, *rows = shown(some(), 3)
    assert [row.split()[0] for row in rows] == ["fetch@b", "train@a", "train@b"]
    _, *rows = shown(some(), 2)
    assert [row.split()[0] for row in rows] == ["train@a", "train@b"]


def test_elsewhere_one_plain_line_for_each_finished_stage(tmp_path):
    console = Console(file=io.StringIO(), width=20)
    progress = some()
    with display(console, tmp_path) as show:
        show(progress)
        show(progress)
        progress[2].state = "done"
        progress[2].text = "a summary that is much longer than the window is wide"
        show(progress)
    assert console.file.getvalue().splitlines() == [
        "1 of 6 stages are up to date",
        "done    fetch@b 3.2 s  5 [bold] characters",
        "failed  train@b 2.0 s  error: no",
        "skipped evaluate@b  needs train@b",
        "done    train@a 1:15  a summary that is much longer than the window is wide",
    ]


def test_on_a_terminal_the_last_table_stays(tmp_path):
    console = Console(file=io.StringIO(), width=80, height=30, force_terminal=True)
    with display(console, tmp_path) as show:
        show(some())
    last = console.file.getvalue().split("1 failed")[-1]
    assert "train@a" in last
    assert "evaluate@b" in last


def test_clock():
    assert [clock(seconds) for seconds in (0.04, 59.94, 60, 3725)] == ["0.0 s", "59.9 s", "1:00", "62:05"]


SAMPLES = "== after epoch 1 ==\nThe the\n\n== untouched ==\nThe \x1b[31mgame\nis  afoot. %s\n"


def test_a_finished_model_shows_its_scores_and_what_it_wrote_last(tmp_path):
    (tmp_path / "models" / "a").mkdir(parents=True)
    (tmp_path / "models" / "a" / "samples.txt").write_text(SAMPLES % ("x" * 200))
    done = Progress(Stage("evaluate@a", frozenset(), "", False), "done", 2.0, "test perplexity 3.9")
    sample = r"The \x1b[31mgame is afoot. " + "x" * (100 - 27) + "..."
    assert last_sample(done, tmp_path) == sample
    for terminal in (False, True):
        console = Console(file=io.StringIO(), width=200, height=30, force_terminal=terminal, color_system=None)
        with display(console, tmp_path) as show:
            show([done])
            show([done])
        written = console.file.getvalue()
        assert written.count(sample) == 1
        assert "test perplexity 3.9" in written
    # A baseline writes nothing, and other stages are not models.
    assert last_sample(Progress(Stage("evaluate@b", frozenset(), "", False), "done"), tmp_path) == ""
    assert last_sample(Progress(Stage("train@a", frozenset(), "", False), "done"), tmp_path) == ""


def test_a_run_says_first_what_it_will_do():
    stages = [one.stage for one in some()]
    assert announce(stages, 1500, 2).startswith(
        "1 corpus to fetch, 2 models to train, 2 models to evaluate: about 25 min"
    )
    assert "about some seconds, 4 at once" in announce(stages, 3, 4)
