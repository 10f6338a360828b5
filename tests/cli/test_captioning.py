"""`anamnesis caption`: the captions of image files, line by line."""

import toys as toy

from anamnesis.tasks.captioning.evaluation import as_png
from anamnesis.tasks.captioning.model.images import open_captioned

MODEL = "captioning-gru"


def test_each_file_has_its_caption_or_an_error(run, toys, tmp_path):
    model, settings = toys.loaded(MODEL), toy.settings(MODEL)
    pixels = open_captioned(toys.tokens(MODEL), "test", settings.images)[:3].pixels
    expected = {beam: [best[0].text for best in model.caption(pixels, beam)] for beam in (1, 2)}
    folder = toys.root / "pictures"
    folder.mkdir(exist_ok=True)
    for number, file in enumerate([*map(as_png, pixels), b"three"]):
        (folder / f"{number}.png").write_bytes(file)

    def caption(*arguments):
        done = run("caption", *arguments, model=MODEL, folder=folder)
        return done.exit_code, done.stdout.splitlines(), done.stderr.splitlines()

    assert caption("0.png", "1.png", "2.png") == (0, expected[2], [])
    assert caption("--beam", "1", "2.png", "0.png")[1] == [expected[1][2], expected[1][0]]
    blocks = [[f"{each.score:.4f}\t{each.text}" for each in captions] for captions in model.caption(pixels[:2], 2, 2)]
    assert caption("--n-best", "2", "0.png", "1.png")[1] == [*blocks[0], "", *blocks[1]]
    code, lines, errors = caption("0.png", "3.png", "1.png", "none.png")
    assert (code, lines) == (1, [expected[2][0], "", expected[2][1], ""])
    assert errors[0].startswith("error: 3.png: not an image that can be read; allowed: ")
    assert errors[1] == "error: none.png: cannot be read: No such file or directory"
