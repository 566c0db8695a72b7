"""Show figures as wide as they were drawn, and in the dark theme their second picture."""

import base64
import hashlib
import json
import re
from pathlib import Path

from mb_support.plotting.pictures import FULL_WIDTH, RESOLUTION

#: As in `mb_support.plotting.pictures`.
MIME = "application/vnd.mb-support.dark+png"


def find_dark_figures(app):
    """Collect {digest of a figure: its dark picture} from the executed notebooks."""
    app.dark_figures = {}
    for path in sorted(Path(app.srcdir, "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for data in (output.get("data", {}) for output in cell.get("outputs", [])):
                if MIME in data:
                    light = base64.b64decode("".join(data["image/png"]))
                    dark = base64.b64decode("".join(data[MIME]))
                    app.dark_figures[hashlib.sha256(light).digest()] = dark


def add_dark_figures(app, pagename, templatename, context, doctree):
    """Put the dark picture beside the light one; the style sheet shows one of them."""
    twins, share = {}, {}
    for source, name in getattr(app.builder, "images", {}).items():
        content = Path(app.srcdir, source).read_bytes()
        if dark := app.dark_figures.get(hashlib.sha256(content).digest()):
            pixels = int.from_bytes(content[16:20], "big")  # the header of a PNG begins with it
            share[name] = min(1.0, pixels / (FULL_WIDTH * RESOLUTION))
            twins[name] = Path(name).with_suffix("").name + "-dark.png"
            target = Path(app.outdir, "_images", twins[name])
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(dark)

    def both(mark):  # the theme's own classes, only-light and only-dark, would hide captions
        name = mark[0].rpartition("_images/")[2].partition('"')[0]
        if name not in twins:
            return mark[0]
        wide = mark[0].replace("<img ", f'<img style="--share: {share[name]:.3f}" ', 1)
        wide = wide.replace('"dark-light', '"dark-light narrow') if share[name] < 0.5 else wide
        light = wide.replace("dark-light", "dark-light on-light")
        dark = wide.replace("dark-light", "dark-light on-dark")
        return light + dark.replace(f"_images/{name}", f"_images/{twins[name]}")

    if "body" in context:
        context["body"] = re.sub(r'<img [^>]*"dark-light"[^>]*>', both, context["body"])


def setup(app):
    """Register with Sphinx."""
    app.connect("builder-inited", find_dark_figures)
    app.connect("html-page-context", add_dark_figures, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
