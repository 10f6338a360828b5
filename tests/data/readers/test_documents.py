"""Labelled documents."""

import pytest

from anamnesis.errors import AnamnesisError


def test_a_published_test_split_stays(read):
    head = "Category\tText\nd\tstring\nclass\t\n\n"
    train = [(f"c{n % 2}", f"text {n}") for n in range(100)]
    test = [("c0", "Text  7"), ("c1", "new"), ("c1", "new")]
    keys = {"reader": "documents", "label": "Category", "text": ["Text"], "split": {"valid": 0.2}}
    splits, counts = read(
        keys,
        ("a-train.tab", head + "".join(f"{label}\t{content} \n" for label, content in train), "train"),
        ("a-test.tab", head + "".join(f"{label}\t{content}\n" for label, content in test), "test"),
    )
    assert [tuple(row) for row in splits["test"]] == test
    assert sorted(map(tuple, splits["train"] + splits["valid"])) == sorted(set(train) - {("c1", "text 7")})
    assert counts["train"]["removed_as_duplicates"] == 1
    assert sum(row[0] == "c0" for row in splits["valid"]) == 10


def test_several_columns_without_a_header_and_a_heading_in_some_files(read, join):
    rows = [f'"{n % 3 + 1}","Title {n}","Said ""{n}"",\nnext line"' for n in range(40)]
    columns = {"columns": ["label", "title", "body"], "heading": ["Class", "Title", "Body"]}
    keys = {"reader": "documents", **columns, "text": ["title", "body"]}
    splits, counts = read(
        keys,
        ("with.csv", "\n".join(["Class,Title,Body", *rows[:30]]), "train"),
        ("without.csv", "\n".join(rows[30:]), "test"),
    )
    assert sorted(join(splits)) == sorted([f"{n % 3 + 1}", f'Title {n} Said "{n}",\nnext line'] for n in range(40))
    assert counts["test"]["rows"] == 10
    with pytest.raises(AnamnesisError, match=r"x.csv: line 2: 2 columns; 3 are expected"):
        read(keys, ("x.csv", "1,a,b\n2,c\n"))
    with pytest.raises(AnamnesisError, match=r"d.csv: 2 columns are named 'text'"):
        read({"reader": "documents"}, ("d.csv", "label,text,text\n"))
