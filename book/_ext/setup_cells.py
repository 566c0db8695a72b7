"""One bar "Show code" where chapters have several hidden cells without output in a row."""

from docutils import nodes


def hides_code_only(node):
    """Whether a node is a cell whose code is hidden, and which shows nothing else."""
    if not isinstance(node, nodes.container) or node.get("nb_element") != "cell_code":
        return False
    parts = [child.get("nb_element") for child in node.children]
    return node.get("hide_mode") in ("input", "input+output") and parts == ["cell_code_source"]


def join_hidden_cells(app, doctree):
    """Move the code of each such cell into the one before, if that is one too."""
    for node in list(doctree.findall(hides_code_only)):
        place = node.parent.index(node)
        before = node.parent[place - 1] if place else None
        if before is not None and hides_code_only(before):
            before[0].extend(node[0].children)
            node.parent.remove(node)


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-read", join_hidden_cells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
