"""Write the executed notebooks to a branch of their own, for Binder and Colab.

The branch holds the whole checkout plus `notebooks/*.ipynb`, so that either service finds the
package and the checkpoints beside the notebooks. Each notebook begins with a cell that makes
Colab ready and does nothing elsewhere.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from chapters import ROOT, chapter_names, notebook_path

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from book_pages import NOTEBOOKS_BRANCH, github_address  # noqa: E402

COLAB = """\
# On Colab: fetch the repository and what Colab does not have. Elsewhere: nothing to do.
import sys
if "google.colab" in sys.modules:
    !git clone -q --depth 1 --branch {branch} {address} /content/book
    %pip install -q transformers=={transformers} accelerate deeptime
    sys.path.insert(0, "/content/book")"""


def prepared(path, address):
    """Notebook as text, with the cell for Colab in front."""
    lock = (ROOT / "requirements.lock").read_text()
    transformers = next(x for x in lock.splitlines() if x.startswith("transformers=="))
    notebook = nbformat.read(path, as_version=4)
    source = COLAB.format(
        branch=NOTEBOOKS_BRANCH, address=address, transformers=transformers.split("==")[1]
    )
    notebook.cells.insert(0, nbformat.v4.new_code_cell(source, id="colab"))
    return nbformat.writes(notebook)


def main():
    names, address = chapter_names(), github_address(ROOT)
    if not address:
        sys.exit("no GitHub repository is set as origin, so there is nowhere to push")
    missing = [name for name in names if not notebook_path(name, "poster").exists()]
    if missing:
        sys.exit(f"not executed yet: {missing}; run `make book` first")

    def git(*arguments, folder=ROOT):
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, text=True, capture_output=True).stdout.strip()

    author = ["-c", "user.name=The authors of mb_support", "-c", "user.email=team@example.org"]
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        git("worktree", "add", "-q", "--detach", str(tree), "HEAD")
        try:
            for name in names:
                text = prepared(notebook_path(name, "poster"), address)
                (tree / "notebooks" / f"{name}.ipynb").write_text(text)
            git("add", "-f", "notebooks", folder=tree)
            message = f"Executed notebooks of {git('rev-parse', '--short', 'HEAD')}"
            git(*author, "commit", "-q", "-m", message, folder=tree)
            git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{NOTEBOOKS_BRANCH}", folder=tree)
        finally:
            git("worktree", "remove", "--force", str(tree))
    print(f"pushed {len(names)} notebooks: {address}/tree/{NOTEBOOKS_BRANCH}")


if __name__ == "__main__":
    main()
