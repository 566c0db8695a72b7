"""Build the book twice, chapters included, and report every page that differs.

Only the page that states times of day and durations may differ; everything else has to be equal to
the byte: pages, images, notebooks for download, search index.
"""

import argparse
import filecmp
import shutil
import sys
from pathlib import Path

from build_book import build
from chapters import ROOT, ChapterError

from mb_support.profiles import PROFILES

#: Files in which times and durations are stated, and the index over their words.
MAY_DIFFER = {"book/provenance.html", "searchindex.js"}


def differences(first, second):
    """Relative paths of files that exist in one folder only or differ between the two."""
    first, second = Path(first), Path(second)
    files = {path.relative_to(root) for root in (first, second) for path in root.rglob("*")}
    return sorted(
        str(path)
        for path in files
        if not ((first / path).is_dir() and (second / path).is_dir())
        and not (
            (first / path).is_file()
            and (second / path).is_file()
            and filecmp.cmp(first / path, second / path, shallow=False)
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", choices=sorted(PROFILES), default="smoke")
    profile = parser.parse_args().profile
    before = ROOT / "_build" / "first-build"
    try:
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(build(profile, force=True), before)
        found = set(differences(before, build(profile, force=True))) - MAY_DIFFER
    except ChapterError as error:
        sys.exit(f"\n{error}")
    if found:
        sys.exit("\n".join(["\nthe two builds differ in:", *sorted(found)]))
    print("\nTwo builds gave the same book, apart from the stated times.")


if __name__ == "__main__":
    main()
