"""dvc.lock as blocks of text: each stage keeps its entry, in whatever order stages end."""

from dvc.utils.serialize import load_yaml

from anamnesis.engine.lockfile import LockFile


def entry(number: int) -> dict:
    return {"cmd": f"echo {number}", "outs": [{"path": f"o{number}", "md5": str(number), "size": number}]}


def test_stages_keep_their_entries_whatever_the_order_of_the_parsed_content(tmp_path):
    path, plan = tmp_path / "dvc.lock", ["a", "b", "c"]

    def write(content: dict, **numbers: int) -> None:
        lock = LockFile(path, content, tmp_path / "state")
        for name, number in numbers.items():
            lock.set_entry(name, entry(number))
        lock.write(plan)

    write({}, c=3, a=1)
    write({"stages": {"a": entry(1), "c": entry(3)}}, b=2, a=9)
    assert list(load_yaml(str(path))["stages"]) == plan
    write({"stages": {"c": entry(3), "b": entry(2), "a": entry(9)}}, c=7)
    assert load_yaml(str(path))["stages"] == {"a": entry(9), "b": entry(2), "c": entry(7)}
