"""Put what the explorable page needs into the book: a page that runs a model, read from disk.

A browser does not let a page on a disk fetch other files, but it does run scripts. So everything is
written as scripts: the model and exact fields, and ONNX Runtime Web with its WebAssembly inside.
"""

import base64
import gzip
import json
import lzma
from pathlib import Path

#: In the order in which they are run; the last one starts the page.
SCRIPTS = ("data.js", "dynamics.js", "reader.js", "drawing.js", "page.js")


def text_of(content):
    """Bytes as base64."""
    return base64.b64encode(content).decode()


def data_script(folder):
    """Script that holds the exact fields and the model, from the folder where both are kept."""
    exact = (Path(folder) / "exact.json").read_text().strip()
    model = text_of((Path(folder) / "small.onnx").read_bytes())
    return f'window.Explorable = {{ exact: {exact}, model: "{model}" }};\n'


def runtime_script(folder):
    """Script that holds ONNX Runtime Web: its own script as a text, and the WebAssembly in gzip."""
    folder = Path(folder) / "onnxruntime-web"
    starter = (folder / "ort.wasm.bundle.min.mjs").read_text(encoding="utf-8")
    starter = starter.partition("//# sourceMappingURL")[0]
    wasm = lzma.decompress((folder / "ort-wasm-simd-threaded.wasm.xz").read_bytes())
    packed = text_of(gzip.compress(wasm, compresslevel=9, mtime=0))
    licence = (folder / "LICENSE").read_text().replace("*/", "")
    return (
        f"/* ONNX Runtime Web\n\n{licence}*/\n"
        f'Explorable.runtime = {{ script: {json.dumps(starter)}, wasm: "{packed}" }};\n'
    )


def page_scripts(app, pagename, templatename, context, doctree):
    """Give these scripts and their style to the page that explores, and to no other."""
    if app.builder.name == "html" and 'class="explorable"' in context.get("body", ""):
        app.add_css_file("explore/explore.css")
        for name in SCRIPTS:
            app.add_js_file(f"explore/{name}", loading_method="defer")


def write_scripts(app, error):
    """Write the scripts that hold data beside those that are written by hand."""
    source, target = Path(app.srcdir, "book/_explore"), Path(app.outdir, "_static/explore")
    if error is None and app.builder.name == "html" and source.exists():
        target.mkdir(parents=True, exist_ok=True)
        (target / "data.js").write_text(data_script(source), encoding="utf-8")
        (target / "runtime.js").write_text(runtime_script(source), encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", page_scripts)
    app.connect("build-finished", write_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
