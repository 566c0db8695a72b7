"""Write requirements.lock: the exact versions of everything the project needs.

Run it with the project's own environment (`make lock`) after a dependency changed there. Only
packages reachable from `pyproject.toml` are written, so what somebody else happened to install
stays out.
"""

import importlib.metadata
import platform
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("book", "test")  # "bench" is for the optional comparisons of `make benchmark`
HEADER = """\
# Exact versions of everything, written by `make lock`; installed with --no-deps, then pip check.
# torch comes without its "+cpu" suffix: `make` looks for the CPU build first.
"""


def closure(requirements):
    """Installed versions of `requirements` and all they need, as {name: version}."""
    found, queue = {}, [(Requirement(text), "") for text in requirements]
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        distribution = importlib.metadata.distribution(name)
        if not requirement.specifier.contains(distribution.version, prereleases=True):
            raise SystemExit(f"{name} {distribution.version} is installed, wanted: {requirement}")
        for wanted_extra in ("", *sorted(requirement.extras)):
            if (name, wanted_extra) in found:
                continue
            found[name, wanted_extra] = distribution.version
            queue += [(Requirement(text), wanted_extra) for text in distribution.requires or ()]
    return {name: version.split("+")[0] for (name, _), version in found.items()}


def wanted():
    """Requirements of the project, its build backend, the book and the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"]
    direct = project["build-system"]["requires"] + project["project"]["dependencies"]
    return direct + [requirement for extra in EXTRAS for requirement in optional[extra]]


def main():
    versions = closure(wanted())
    lines = [f"{name}=={version}" for name, version in sorted(versions.items())]
    (ROOT / "requirements.lock").write_text(HEADER + "\n".join(lines) + "\n")
    print(f"requirements.lock: {len(lines)} packages, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
