"""Small repairs to what the theme and its helpers put on every page."""


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

    docutils calls a block of citations a list, but gives its entries a role that no list has.
    """
    if "body" in context:
        context["body"] = context["body"].replace('role="list" class="citation-list"', "")


def setup(app):
    """Register the repairs with Sphinx, after everything that adds to the pages."""
    app.connect("html-page-context", without_thebe, priority=900)
    app.connect("html-page-context", readable_aloud, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
