"""A script that prints digests of the splits that readers write where the source names the splits of some files."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from anamnesis import files
from anamnesis.data.readers.digits import Digits
from anamnesis.data.readers.documents import Documents
from anamnesis.data.readers.pairs import Pairs
from anamnesis.data.readers.series import Series
from anamnesis.data.readers.stories import Stories
from anamnesis.data.sources.local import Part
from anamnesis.data.sources.settings import File, SplitName

NAMES: list[SplitName | None] = [None, "train", "valid", "train", None, "valid"]
COMMON = {"source": File(kind="file", path="x"), "minimum": 3}


def table(header: str, row: Callable[[int], str]) -> Callable[[int], str]:
    """A function from the number of a file to its content: different rows for each file."""
    return lambda file: "".join(f"{line}\n" for line in (header, *(row(20 * file + n) for n in range(20))))


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def parts(name: str, content: Callable[[int], str], names: list[SplitName | None] = NAMES) -> list[Part]:
            result = []
            for number, split in enumerate(names):
                path = folder / f"{number}-{name}"
                path.write_text(content(number))
                result.append(Part(f"{number}/{name}", path, "", split))
            return result

        def pixels(number: int) -> str:
            return ",".join(map(str, [number // 17, number % 17, *[0] * 62, number % 10]))

        def strings(language: str) -> Callable[[int], str]:
            return lambda number: json.dumps({str(number): f"{language} {number}"})

        for corpus, sources in (
            (Stories(reader="works", **COMMON), parts("w.txt", lambda n: f"Work {n}\n" * 40)),
            (Documents(reader="documents", **COMMON), parts("d.csv", table("label,text", lambda n: f"a,{n}"))),
            (Pairs(reader="pairs", **COMMON), parts("en.json", strings("en")) + parts("nl.json", strings("nl"))),
            (Pairs(reader="pairs", **COMMON), parts("p.txt", table("a\tb", lambda n: f"left {n}\tright {n}"))),
            (Digits(reader="digits", **COMMON), parts("i.csv", table(pixels(200), pixels), NAMES[:2] + NAMES[3:5])),
            (
                Series(reader="series", **COMMON),
                parts("s.csv", table("time,value", lambda n: f"{n},1"), [None, "train", None]),
            ),
        ):
            corpus.read(sources, folder)
            written = [path for split in ("train", "valid", "test") for path in sorted(folder.glob(f"{split}.*"))]
            print(corpus.reader, *map(files.sha256_file, written))
            for path in written:
                path.unlink()


if __name__ == "__main__":
    main()
