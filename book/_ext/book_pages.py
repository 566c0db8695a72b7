"""What the theme and its helpers do not do by themselves, on every page."""

import ast
import itertools
import re
import subprocess
from pathlib import Path

import plotly
from numpydoc.xref import DEFAULT_LINKS
from sphinx.util.fileutil import copy_asset

import mb_support

#: Branch with executed notebooks, which `make notebooks-branch` writes.
NOTEBOOKS_BRANCH = "notebooks"
#: What is not prose on a page.
VERBATIM = "|".join(f"<{tag}\\b.*?</{tag}>" for tag in ("pre", "code", "script", "style", "svg"))


def github_address(folder):
    """Address of the GitHub repository that a checkout came from, or None."""
    command = ["git", "-C", str(folder), "remote", "get-url", "origin"]
    try:
        origin = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"github\.com[:/]+([\w.-]+/[\w.-]+?)(?:\.git)?/?$", origin)
    return f"https://github.com/{found[1]}" if found else None


def launch_buttons(app, config):
    """Offer Binder, Colab and the source where the checkout has a home on GitHub.

    Every fork then leads to its own notebooks, and a private copy shows no dead buttons.
    """
    address = github_address(app.srcdir)
    if address:
        config.html_theme_options |= {
            "repository_url": address,
            "repository_branch": NOTEBOOKS_BRANCH,
            "path_to_docs": "",
            "use_repository_button": True,
            "use_issues_button": True,
            "launch_buttons": {
                "binderhub_url": "https://mybinder.org",
                "colab_url": "https://colab.research.google.com",
                "notebook_interface": "jupyterlab",
            },
        }


def linked_types(app, config):
    """Link types of parameters to the classes of this package.

    Those of others, of Python itself too, are plain words: their addresses would have to be fetched
    from the network.
    """
    config.numpydoc_xref_ignore = "all"  # that has no alias
    config.numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS} | classes()


def classes():
    """{name: dotted name} of the classes of the package that have an entry and a name for them."""
    package, found = Path(mb_support.__file__).parent, {}
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and ast.get_docstring(node) and node.name[0] != "_":
                found.setdefault(node.name, []).append(f"{module}.{node.name}")
    return {name: places[0] for name, places in found.items() if len(places) == 1}


def without_thebe(app, pagename, templatename, context, doctree):
    """Keep sphinx-thebe off the pages: it would run code through a server on the network."""
    for kind in ("script_files", "css_files"):
        context[kind] = [
            asset
            for asset in context[kind]
            if "thebe" not in f"{asset} {getattr(asset, 'attributes', {})}".lower()
        ]


def readable_aloud(app, pagename, templatename, context, doctree):
    """Correct roles that mislead a screen reader.

    docutils calls a block of citations a list, but gives its entries a role that no list has. Wide
    tables scroll, and the keyboard has to reach them. And the theme's arrows that unfold a part of
    the contents have no name.
    """
    if "body" in context:
        body = context["body"].replace('role="list" class="citation-list"', "")
        body = body.replace('class="dataframe"', 'class="dataframe" tabindex="0"')  # they scroll
        body = both_inks(one_line_of_names(plain_marks(body))).replace("<td></td>", "<td>–</td>")
        body = re.sub(r'(?<=<span class="pre">)[\w.-]+/[^<\s]+', breakable, body)
        context["body"] = unbroken_intervals(minus_signs(body))
    contents = context["generate_toctree_html"]

    def named(kind, **options):
        tree = contents(kind, **options)
        for summary in tree.select("summary") if hasattr(tree, "select") else ():
            chapter = summary.find_parent("li").find("a").get_text(strip=True)
            summary["aria-label"] = f"Pages under {chapter}"
        return tree

    context["generate_toctree_html"] = named


def breakable(path):
    """A path in code that may be broken after each of its folders."""
    return path[0].replace("/", "/<wbr>")


def in_prose(change, body):
    """Change each piece of text between tags, outside code."""
    parts = re.split(rf"({VERBATIM}|<[^>]*>)", body, flags=re.DOTALL)
    parts[::2] = map(change, parts[::2])
    return "".join(parts)


def minus_signs(body):
    """Write numbers below zero with a minus, not a hyphen, outside code; and zeros without sign."""
    minus = "\N{MINUS SIGN}"

    def change(text):
        text = re.sub(r"(?<![^\s\[({])-(?=[\d.]*\d)", minus, text)
        return re.sub(rf"{minus}(?=0(?:\.0+)?(?![\d.]*\d))", "", text)

    return in_prose(change, body)


def both_inks(body):
    """Call black ink white on dark pages, where it is; the style sheet shows one of the words."""
    ink = r'<span class="on-light">\1lack</span><span class="on-dark">{}hite</span>'

    def change(text):
        text = re.sub(r"\b(b)lack\b", ink.format("w"), text)
        return re.sub(r"\b(B)lack\b", ink.format("W"), text)

    return in_prose(change, body)


def one_line_of_names(body):
    """Put the names of a table's rows beside those of its columns: pandas gives them a line."""

    def merged(head):
        *above, columns, names = [re.findall(r"<th.*?</th>", row, re.S) for row in rows(head[0])]
        n = sum(not cell.endswith("></th>") for cell in names)
        if n == 0 or any(not cell.endswith("></th>") for cell in names[n:]):
            return head[0]
        lines = [*above, names[:n] + columns[n:]]
        return "".join(f"<tr>{''.join(line)}</tr>" for line in lines)

    def rows(text):
        return re.findall(r"<tr.*?</tr>", text, re.S)

    return re.sub(
        r"(?<=<thead>).*?(?=</thead>)",
        lambda head: merged(head) if len(rows(head[0])) > 1 else head[0],
        body,
        flags=re.S,
    )


def unbroken_intervals(body):
    """Keep [low, high], (low to high) and value ± error on one line each."""
    number = r"[+−-]?[\d.,]*\d"
    for pattern in (
        rf"\[{number}, {number}\]",
        rf"\({number} to {number}\)",
        rf"{number} ± {number}",
        r"\d(?:</span>)* (?=%|per cent|±)",
        r"± (?=<span[^>]*>\d)",
        r"\(\d (?=seeds?\))",
        r"\bn = \d",
        r"Fig\. \d",
    ):
        body = re.sub(pattern, lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), body)
    return body


def plain_marks(body):
    """Write marks of papers in docstrings as numbers, each with a name of its own.

    numpydoc lengthens them to [R7759529296d5-1], and shortens them again only on pages that are not
    put together from parts, as ours are; each part counts its names from one.
    """
    names = itertools.count(1)
    return re.sub(
        r'(href="#r[0-9a-f]+-\w+") id="id\d+"><span>\[R[0-9a-f]+-(\w+)\]',
        lambda mark: f'{mark[1]} id="mark-{next(names)}"><span>[{mark[2]}]',
        body,
    )


def plain_formulas(app, what, name, obj, options, lines):
    """Read formulas in docstrings as they are meant.

    Docstrings are written to be read in a terminal: |x| and lambda_ are formulas there, and would
    be markup here. A mark such as [1]_ whose paper is listed elsewhere is a number, and the initial
    of a paper's first author does not begin a list.
    """
    text = "\n".join(lines)
    listed = set(re.findall(r"^\s*\.\. \[([\w-]+)\]", text, re.M))
    parts = re.split(r"(``.*?``|`[^`]*`)", text, flags=re.S)
    for index in range(0, len(parts), 2):  # code stays as it is
        part = re.sub(r"(?<!\\)\|", r"\\|", parts[index])
        part = re.sub(r"\b([A-Za-z]\w*)_(?![\w`])", r"\1\\_", part)
        parts[index] = re.sub(
            r"\[(\w+)\]_", lambda mark: mark[0] if mark[1] in listed else f"[{mark[1]}]", part
        )
    text = re.sub(r"(?m)^(\s*\.\. \[[\w-]+\] )(?=[A-Z]\. )", r"\1\\", "".join(parts))
    lines[:] = text.split("\n")


def interactive_figures(app, pagename, templatename, context, doctree):
    """Give a page with interactive figures its own plotly: pages load nothing from a network."""
    if 'class="interactive"' in context.get("body", ""):
        app.add_js_file("plotly.min.js")


def search_from_disk(app, pagename, templatename, context, doctree):
    """Let a search without a server list pages only: a browser may not fetch their summaries."""
    if pagename == "search":
        summaries = "DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY"
        app.add_js_file(None, body=f'if (location.protocol === "file:") {summaries} = false;')


def copy_plotly(app, error):
    """Put plotly's script where those pages look for it."""
    if error is None and app.builder.format == "html":
        script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
        copy_asset(str(script), str(Path(app.outdir) / "_static"))


def plain_sources(app, pagename, templatename, context, doctree):
    """Take the links back out of pages of sources: some lead to names that are only imported."""
    if pagename.startswith("_modules/"):
        context["body"] = re.sub(r'<a class="viewcode-back".*?</a>', "", context["body"])


def setup(app):
    """Register with Sphinx; pages are repaired after everything that adds to them."""
    app.connect("autodoc-process-docstring", plain_formulas, priority=1)  # before numpydoc
    app.connect("config-inited", launch_buttons, priority=1)
    app.connect("config-inited", linked_types, priority=1)  # before numpydoc reads them
    app.connect("html-page-context", interactive_figures)
    app.connect("html-page-context", plain_sources)
    app.connect("html-page-context", search_from_disk)
    app.connect("build-finished", copy_plotly)
    app.connect("html-page-context", without_thebe, priority=900)
    app.connect("html-page-context", readable_aloud, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
