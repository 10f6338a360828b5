"""A script that prints a digest of what each reader makes of files of which a source names the split of some."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from anamnesis import files
from anamnesis.data.readers import digits, documents, pairs, series, stories
from anamnesis.data.settings import Digits, Documents, File, Pairs, Series, SplitName, Stories
from anamnesis.data.sources.sources import Part

SPLITS: list[SplitName | None] = [None, "train", "valid", "train", None, "valid"]
COMMON = {"source": File(kind="file", path="x"), "minimum": 3}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)

        def parts(name: str, content: Callable[[int], str], splits: list[SplitName | None] = SPLITS) -> list[Part]:
            result = []
            for number, split in enumerate(splits):
                path = folder / f"{number}-{name}"
                path.write_text(content(number))
                result.append(Part(f"{number}/{name}", path, "", split))
            return result

        def table(header: str, row: Callable[[int], str]) -> Callable[[int], str]:
            return lambda part: "".join(f"{line}\n" for line in (header, *(row(20 * part + n) for n in range(20))))

        def pixels(number: int) -> str:
            return ",".join(map(str, [number // 17, number % 17, *[0] * 62, number % 10]))

        translations = [
            part
            for language in ("en", "nl")
            for part in parts(f"{language}.json", lambda n, code=language: json.dumps({str(n): f"{code} {n}"}))
        ]
        labelled = table("label,text", lambda n: f"a,{n}")
        lines = parts("p.txt", table("a\tb", lambda n: f"left {n}\tright {n}"))
        for reader, corpus, given in (
            (stories, Stories(reader="works", **COMMON), parts("w.txt", lambda n: f"Work {n}\n" * 40)),
            (
                documents,
                Documents(reader="documents", **COMMON),
                parts("d.csv", labelled),
            ),
            (pairs, Pairs(reader="pairs", **COMMON), translations),
            (pairs, Pairs(reader="pairs", **COMMON), lines),
            (
                digits,
                Digits(reader="digits", **COMMON),
                parts("i.csv", table(pixels(200), pixels), SPLITS[:2] + SPLITS[3:5]),
            ),
            (
                series,
                Series(reader="series", **COMMON),
                parts("s.csv", table("time,value", lambda n: f"{n},1"), [None, "train", None]),
            ),
        ):
            reader.read(corpus, given, folder)
            written = [path for split in ("train", "valid", "test") for path in sorted(folder.glob(f"{split}.*"))]
            print(corpus.reader, *map(files.sha256_file, written))
            for path in written:
                path.unlink()


if __name__ == "__main__":
    main()
