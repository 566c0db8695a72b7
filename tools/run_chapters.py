"""Run chapters without building the book.

Examples
--------
    .venv/bin/python tools/run_chapters.py --profile smoke
    .venv/bin/python tools/run_chapters.py --profile poster 05_generation --force
"""

import argparse
import sys

from chapters import ChapterError, notebook_path, run

from mb_support.profiles import PROFILES


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="*", help="names as in notebooks/, without .py")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="smoke")
    parser.add_argument("--force", action="store_true", help="run what is up to date too")
    arguments = parser.parse_args()
    try:
        run(arguments.profile, only=arguments.chapters, force=arguments.force)
    except (ChapterError, ValueError) as error:
        sys.exit(f"\n{error}")
    print(f"notebooks: {notebook_path('', arguments.profile).parent}")


if __name__ == "__main__":
    main()
