"""Build the book and open every page in Chromium; says clearly when there is no browser."""

import argparse
import os
import subprocess
import sys

import chromium
from build_book import build
from chapters import ROOT, ChapterError

from mb_support.profiles import PROFILES


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", choices=sorted(PROFILES), default="smoke")
    profile = parser.parse_args().profile
    if not chromium.install():
        print("make test-browser: SKIPPED, no Chromium here and none that may be installed")
        return
    try:
        html = build(profile)
    except ChapterError as error:
        sys.exit(f"\n{error}")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "tests/browser"]
    environment = os.environ | {"BOOK_HTML": str(html)}
    if subprocess.run(command, cwd=ROOT, env=environment).returncode:
        sys.exit("\nmake test-browser: failed")
    print(f"\nmake test-browser: everything passed; screenshots: {ROOT / '_build/screenshots'}")


if __name__ == "__main__":
    main()
