"""Unpack ONNX Runtime Web into book/_explore/onnxruntime-web, pinned by its checksum.

Only to take another version, with npm and a network:

    npm pack onnxruntime-web@1.30.0
    .venv/bin/python tools/vendor_onnxruntime.py onnxruntime-web-1.30.0.tgz

Of the package two files are kept: the WebAssembly build for one processor thread, compressed, and
the script that starts it. The book's build turns them into a script that a page can read from disk
(`book/_ext/explorable.py`).
"""

import base64
import hashlib
import io
import lzma
import sys
import tarfile
from pathlib import Path

from chapters import ROOT

VERSION = "1.30.0"
#: As it is published (`npm view onnxruntime-web dist.integrity`).
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8p"
    "ZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
FOLDER = ROOT / "book" / "_explore" / "onnxruntime-web"


def check_integrity(archive, integrity=INTEGRITY):
    """Raise `ValueError` unless an archive's bytes are those that were pinned."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != integrity:
        raise ValueError(f"the archive must have checksum {integrity}; got {found}")


def write(archive, folder=FOLDER):
    """Write the files that the book keeps of the package's archive, given as bytes."""
    check_integrity(archive)
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        for name in (SCRIPT, WASM):
            content = package.extractfile(f"package/dist/{name}").read()
            if name == WASM:
                name, content = f"{name}.xz", lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(Path(sys.argv[1]).read_bytes())
    print(FOLDER)
