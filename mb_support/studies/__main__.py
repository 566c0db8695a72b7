"""What the chapters keep, measured anew where settings or weights changed, into ``results``.

``python -m mb_support.studies`` measures for every chapter; names of a chapter, and of parts of it,
restrict it: ``python -m mb_support.studies attention small-0 medium-1``.
"""

import argparse
import signal
import sys
from importlib import import_module

import torch

from ..training.run import TrainingStopped

#: {chapter: modules}; `parts` of each module is {name of a part: function that makes and keeps it}.
CHAPTERS = {
    "classification": ("kept_predictions", "baselines", "ceiling"),
    "attention": ("study",),
    "generation": ("study",),
    "leak": ("study",),
    "kinetics": ("study",),
    "collective_variable": ("study",),
    "molecule": ("study",),
}


def parts_of(chapter):
    """{name: function that makes it} of all parts of a chapter, in order."""
    found = {}
    for module in CHAPTERS[chapter]:
        found |= import_module(f"mb_support.studies.{chapter}.{module}").parts()
    return found


def command_parser():
    """Parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mb_support.studies",
        description=__doc__.replace("``", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    of_which = f"{', '.join(CHAPTERS)}; all of them if none"
    parser.add_argument(
        "chapter", nargs="?", choices=list(CHAPTERS), metavar="chapter", help=of_which
    )
    parser.add_argument("parts", nargs="*", help="all parts of the chapter if none")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: 1)")
    return parser


def main(arguments=None):
    """Command line: see the module; returns the exit status."""
    parser = command_parser()
    options = parser.parse_args(arguments)
    if options.threads < 1:
        parser.error(f"--threads must be at least 1; got {options.threads}")
    torch.set_num_threads(options.threads)
    for chapter in [options.chapter] if options.chapter else CHAPTERS:
        known = parts_of(chapter)
        unknown = [name for name in options.parts if name not in known]
        if unknown:
            parser.error(f"{chapter} has no part {unknown[0]!r}: choose of {', '.join(known)}")
        for name in options.parts or known:
            try:
                known[name]()
            except TrainingStopped as stopped:
                print(stopped, file=sys.stderr)
                return 128 + (stopped.number or signal.SIGTERM)
    return 0


if __name__ == "__main__":
    sys.exit(main())
