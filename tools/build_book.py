"""Run the chapters of a profile, build the book from them, and check what came out.

Ends by saying where the book is. Nothing is done that is up to date already.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import figures
from api_pages import write_api_pages
from chapters import ROOT, ChapterError, chapter_names, notebook_path, run, site_root, tree_digest
from check_book import html_problems, notebook_problems
from provenance import write_provenance

from mb_support.profiles import PROFILES

#: What the pages are made of besides the executed notebooks.
SITE_FILES = ("_config.yml", "_toc.yml", "book", "CONTRIBUTING.md", "CITATION.cff", "LICENSE")
IGNORED = shutil.ignore_patterns("_generated", "__pycache__")
WARNING = "This is a quick test build: its numbers come from tiny runs."


def stage(profile):
    """Copy the sources of the pages beside the notebooks of a profile; `poster` needs no copy."""
    site = site_root(profile)
    if site == ROOT:
        return site
    for name in SITE_FILES:
        source, target = ROOT / name, site / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=IGNORED)
        elif source.exists():
            shutil.copy2(source, target)
    config = (site / "_config.yml").read_text()
    config = config.replace('announcement: ""', f'announcement: "{WARNING}"')
    # pages of sources take as long as all others together
    config = re.sub(r"\n *- sphinx.ext.viewcode.*", "", config)
    (site / "_config.yml").write_text(config)
    for stale in set(site.glob("notebooks/*.ipynb")) - {
        notebook_path(name, profile) for name in chapter_names()
    }:
        if ".edited" not in stale.suffixes[0]:  # a reader's own
            stale.unlink()
    return site


def html_folder(profile):
    """Where the pages of a profile are built."""
    return site_root(profile) / "_build" / "html"


def pages_digest(profile):
    """Digest of everything the pages are made of."""
    notebooks = [notebook_path(name, profile) for name in chapter_names()]
    pages = [site_root(profile) / name for name in SITE_FILES]
    code = [ROOT / name for name in ("mb_support", "tools", "requirements.lock")]
    return tree_digest(path for path in [*pages, *code, *notebooks] if path.exists())


def sphinx(site, log_path):
    """Build the pages with warnings as errors; on failure show the warnings and stop."""
    shutil.rmtree(site / "_build" / "html", ignore_errors=True)
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(site)]
    command += ["--all", "-W", "-n", "--keep-going"]
    environment = os.environ | {"PYTHONHASHSEED": "0", "NO_COLOR": "1"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    log_path.parent.mkdir(parents=True, exist_ok=True)
    printed = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)  # colours mean nothing in a file
    log_path.write_text(printed)
    if done.returncode:
        lines = printed.splitlines()
        shown = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-30:]
        raise ChapterError("\n".join(["the pages do not build:", *shown, f"full log: {log_path}"]))


def build(profile, force=False):
    """Bring the book of a profile up to date; returns its folder of pages."""
    started = time.perf_counter()
    run(profile, force=force)
    site, html = stage(profile), html_folder(profile)
    write_provenance(profile, site)
    write_api_pages(ROOT / "mb_support", site)
    figures.write_all(profile, site)
    stamp, digest = ROOT / "_build" / "records" / profile / "pages.sha256", pages_digest(profile)
    if not force and html.exists() and stamp.exists() and stamp.read_text() == digest:
        print("pages up to date", flush=True)
        return html
    stamp.unlink(missing_ok=True)
    problems = [
        problem
        for name in chapter_names()
        for problem in notebook_problems(notebook_path(name, profile))
    ]
    if problems:
        raise ChapterError("\n".join(["notebooks not fit for the book:", *problems]))
    print("building the pages ...", end=" ", flush=True)
    pages_started = time.perf_counter()
    sphinx(site, ROOT / "_build" / "records" / profile / "sphinx.log")
    print(f"{time.perf_counter() - pages_started:.1f} s", flush=True)
    problems = html_problems(html)
    if problems:
        raise ChapterError("\n".join(["pages not fit to read from disk:", *problems]))
    (html / ".nojekyll").touch()
    stamp.write_text(digest)
    print(f"built in {time.perf_counter() - started:.1f} s", flush=True)
    return html


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", choices=sorted(PROFILES), default="poster")
    parser.add_argument("--force", action="store_true", help="redo what is up to date too")
    arguments = parser.parse_args()
    try:
        html = build(arguments.profile, arguments.force)
    except ChapterError as error:
        sys.exit(f"\n{error}")
    print(f"\nThe book ({arguments.profile}): {html / 'index.html'}")


if __name__ == "__main__":
    main()
