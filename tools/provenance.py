"""Tables for the page "How this page was made"."""

import importlib.metadata
import json
import os
import platform
import re
from pathlib import Path

from chapters import ROOT, chapter_names, record_path

PACKAGES = ("torch", "transformers", "numpy", "scipy", "numba", "scikit-learn", "deeptime")
PACKAGES += ("matplotlib", "jupyter-book", "Sphinx", "papermill", "jupytext")


def processor():
    """Name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory():
    """Main memory in GiB, where the system tells it."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return "unknown"


def table(header, rows):
    """Rows as a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def made_where(content):
    """What a kept result says of its making: flat, whichever study wrote it."""
    record = content.get("record", content)
    if isinstance(record.get("machine"), dict):  # the benchmark of the simulator, which has parts
        record = record | record["machine"]
        record["commit"] = record["commit"][:10]
        record["machine"] = f"{record['processor']}, {record['cores']} cores"
    if "machine" in record:
        record = record | {"machine": re.sub(r"\(R\)| Processor", "", record["machine"])}
    return record


def seconds_taken(record):
    """Seconds, of a processor where that is known."""
    names = ("processor_time_s", "wall_time_s", "duration_s")
    return next((record[name] for name in names if record.get(name)), 0)


def kept_results(folder=ROOT / "results"):
    """Rows of a table: what is kept, how many parts, on which machines and from which commits."""
    rows = []
    for name in sorted({path.relative_to(folder).parts[0] for path in folder.rglob("*.json")}):
        top = folder / name
        contents = [
            json.loads(p.read_text()) for p in (top.rglob("*.json") if top.is_dir() else [top])
        ]
        records = [made_where(content) for content in contents]
        made = {
            key: ", ".join(sorted({str(r[key]) for r in records if r.get(key)})) or "–"
            for key in ("machine", "commit")
        }
        hours = sum(map(seconds_taken, records)) / 3600
        rows.append(
            (
                f"`results/{name}`",
                len(contents),
                f"{hours:.1f}" if hours >= 0.05 else "–",
                made["machine"],
                made["commit"],
            )
        )
    return rows


def write_provenance(profile, site):
    """Write `book/_generated/provenance.md`, which the page includes; unchanged text is kept."""
    records = [json.loads(record_path(name, profile).read_text()) for name in chapter_names()]
    machine = [
        ("processor", processor()),
        (
            "cores available",
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        ),
        ("memory", memory()),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("Python", platform.python_version()),
        *((name, importlib.metadata.version(name)) for name in PACKAGES),
    ]
    rows = [
        (
            f"{{doc}}`../notebooks/{record['chapter']}`",
            ", ".join(f"{key} = {value}" for key, value in record["parameters"].items()),
            f"{record['seconds']:.1f}",
            record["finished"][:16]
            .replace("T", "\N{NO-BREAK SPACE}")
            .replace("-", "\N{NON-BREAKING HYPHEN}"),
            f"`{record['commit'][:12]}`{record['commit'][40:]}",
        )
        for record in records
    ]
    total = sum(record["seconds"] for record in records)
    text = (
        f"Profile: `{profile}`. All chapters together took {total:.0f} s.\n\n"
        + table(("chapter", "parameters", "seconds", "finished (UTC)", "commit"), rows)
        + "\nWhat takes longer was measured before, and is kept (hours of a processor; of "
        "trainings and benchmarks, of the clock):\n\n"
        + table(("kept", "parts", "hours", "machines", "commits"), kept_results())
        + "\n"
        + table(("machine and software", "value"), machine)
    )
    target = Path(site) / "book" / "_generated" / "provenance.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_text() != text:
        target.write_text(text)
