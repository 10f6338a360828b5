"""The output of `anamnesis repro`, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from anamnesis.engine.display import build_table, format_time, last_sample, open_display
from anamnesis.engine.executor import Stage
from anamnesis.engine.run import describe_plan
from anamnesis.engine.scheduler import Progress

SAMPLES = "== after epoch 1 ==\nThe the\n\n== untouched ==\nThe \x1b[31mgame\nis  afoot. %s\n"


def progress_of(name, state, seconds=0.0, text="", up_to_date=False) -> Progress:
    return Progress(Stage(name, frozenset(), "", up_to_date), state, seconds, text)


@pytest.fixture
def progress() -> list[Progress]:
    return [
        progress_of("fetch@a", "cached", up_to_date=True),
        progress_of("fetch@b", "done", 3.21, "5 [bold] characters"),
        progress_of("train@a", "running", 75, "epoch 3/20"),
        progress_of("train@b", "failed", 2, "error: no"),
        progress_of("evaluate@a", "waiting"),
        progress_of("evaluate@b", "skipped", text="needs train@b"),
    ]


def test_table_counts_all_stages_and_lists_the_most_important_ones(progress):
    def lines(height: int | None) -> list[str]:
        console = Console(file=io.StringIO(), width=80)
        console.print(build_table(progress, height))
        return [line.rstrip() for line in console.file.getvalue().splitlines()]

    title, *rows = lines(None)
    assert title.split("  ") == ["1 failed", "1 running", "1 done", "1 cached", "1 skipped", "1 waiting"]
    assert rows[0].endswith("done     3.2 s  5 [bold] characters")
    assert rows[1].endswith("running   1:15  epoch 3/20")
    names = ["fetch@b", "train@a", "train@b", "evaluate@a", "evaluate@b"]
    for height, listed in ((None, names), (3, names[:3]), (2, names[1:3])):
        assert [row.split()[0] for row in lines(height)[1:]] == listed


def test_a_long_text_shortens_no_name_state_or_time(progress):
    progress[1].text = "a summary that is longer than the window " * 5
    console = Console(file=io.StringIO(), width=80)
    console.print(build_table(progress, None))
    row = console.file.getvalue().splitlines()[1]
    assert row.startswith("fetch@b     done     3.2 s  a summary that is longer")
    assert row.endswith("…")


def test_elsewhere_each_finished_stage_has_one_plain_line(tmp_path, progress):
    console = Console(file=io.StringIO(), width=20)
    with open_display(console, tmp_path) as show:
        show(progress)
        show(progress)
        progress[2].state, progress[2].text = "done", "a summary that is much longer than the window is wide"
        show(progress)
    assert console.file.getvalue().splitlines() == [
        "1 of 6 stages are up to date",
        "done    fetch@b 3.2 s  5 [bold] characters",
        "failed  train@b 2.0 s  error: no",
        "skipped evaluate@b  needs train@b",
        "done    train@a 1:15  a summary that is much longer than the window is wide",
    ]


def test_on_a_terminal_the_last_table_stays(tmp_path, progress):
    console = Console(file=io.StringIO(), width=80, height=30, force_terminal=True)
    with open_display(console, tmp_path) as show:
        show(progress)
    last = console.file.getvalue().split("1 failed")[-1]
    assert "train@a" in last
    assert "evaluate@b" in last


@pytest.mark.parametrize("terminal", [False, True])
def test_an_evaluated_model_shows_its_scores_and_its_last_sample_once(tmp_path, terminal):
    (tmp_path / "models" / "a").mkdir(parents=True)
    (tmp_path / "models" / "a" / "samples.txt").write_text(SAMPLES % ("x" * 200))
    evaluated = progress_of("evaluate@a", "done", 2.0, "test perplexity 3.9")
    sample = r"The \x1b[31mgame is afoot. " + "x" * (100 - 27) + "..."
    console = Console(file=io.StringIO(), width=200, height=30, force_terminal=terminal, color_system=None)
    with open_display(console, tmp_path) as show:
        show([evaluated])
        show([evaluated])
    assert console.file.getvalue().count(sample) == 1
    assert "test perplexity 3.9" in console.file.getvalue()
    # A baseline writes no samples, and other stages are not models.
    assert last_sample(progress_of("evaluate@b", "done"), tmp_path) == ""
    assert last_sample(progress_of("train@a", "done"), tmp_path) == ""


def test_plan_and_times_in_words(progress):
    stages = [each.stage for each in progress]
    plan = "1 corpus to fetch, 2 models to train, 2 models to evaluate: about 25 min"
    assert describe_plan(stages, 1500, 2).startswith(plan)
    assert "about some seconds, 4 at once" in describe_plan(stages, 3, 4)
    assert [format_time(seconds) for seconds in (0.04, 59.94, 60, 3725)] == ["0.0 s", "59.9 s", "1:00", "62:05"]
