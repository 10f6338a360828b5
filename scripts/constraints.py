"""Print constraints.txt: the exact versions of all packages that the project needs, from this environment."""

import tomllib
from importlib.metadata import distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Tools of the environment, not dependencies.
TOOLS = {"pip", "setuptools", "wheel"}


def find_versions(project: Path) -> dict[str, str]:
    """The versions of the installed packages that a pyproject.toml requires, directly or through other packages."""
    metadata = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    lines = [
        *metadata["dependencies"],
        *(line for extra in metadata["optional-dependencies"].values() for line in extra),
    ]
    installed = {canonicalize_name(each.metadata["Name"]) for each in distributions()}
    waiting = [(Requirement(line), "") for line in lines]
    versions: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        if name not in installed:
            raise SystemExit(f"error: {requirement} is not installed here")
        # A local version label (1.0+cpu) exists in one package index only.
        versions[name] = distribution(name).version.partition("+")[0]
        for each in {"", *requirement.extras} - {known for known_name, known in seen if known_name == name}:
            seen.add((name, each))
            waiting.extend((Requirement(line), each) for line in distribution(name).requires or [])
    return {name: version for name, version in versions.items() if name not in TOOLS}


if __name__ == "__main__":
    print("# Every package that `make` installs, exactly. Written by: python scripts/constraints.py > constraints.txt")
    for name, version in sorted(find_versions(Path(__file__).parent.parent / "pyproject.toml").items()):
        print(f"{name}=={version}")
