"""dvc.lock in blocks: each stays with its stage, in whatever order the stages end."""

from anamnesis.engine.lockfile import LockFile, loading, state_folder


def entry(number: int) -> dict:
    return {"cmd": f"echo {number}", "outs": [{"path": f"o{number}", "md5": str(number), "size": number}]}


def test_stages_that_end_in_another_order_than_planned_keep_their_entries(tmp_path):
    from dvc.repo import Repo
    from dvc.utils.serialize import load_yaml

    Repo.init(str(tmp_path), no_scm=True).close()
    path, state = tmp_path / "dvc.lock", tmp_path / "state"
    folder, plan = state_folder(state, path), ["a", "b", "c"]
    first = LockFile(path, {}, folder)
    for name, number in (("c", 3), ("a", 1)):
        first.set(name, entry(number))
    first.write(plan)
    first.close(well=False)
    contents: dict = {}
    with Repo(str(tmp_path)) as repo, loading(state, contents):
        from dvc.dvcfile import Lockfile

        Lockfile(repo, str(path)).load()
    second = LockFile(path, contents[str(path)], folder)
    second.set("b", entry(2))
    second.set("a", entry(9))
    second.write(plan)
    assert list(load_yaml(str(path))["stages"]) == plan
    assert load_yaml(str(path))["stages"] == {"a": entry(9), "b": entry(2), "c": entry(3)}
    # Also where the content is given in another order than the file has.
    third = LockFile(path, {"schema": "2.0", "stages": {"c": entry(3), "b": entry(2), "a": entry(9)}}, folder)
    third.set("c", entry(7))
    third.write(plan)
    assert load_yaml(str(path))["stages"] == {"a": entry(9), "b": entry(2), "c": entry(7)}
