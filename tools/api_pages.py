"""The reference pages of the package, written from its folders: every module, in order of use."""

from pathlib import Path

#: {page: its folders and files}; a folder stands for all of its modules.
PAGES = {
    "api_physics": ("potential", "states", "simulation", "datasets"),
    "api_exact": ("reference", "observer"),
    "api_model": ("model", "training"),
    "api_use": ("generation", "classification", "statistics", "checks"),
    "api_studies": ("studies",),
    "api_figures": ("plotting", "profiles", "compiled", "files"),
}


def modules_of(package, name):
    """Dotted names of the modules of a folder or file of the package, without the faces."""
    folder = package / name
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    parts = [path.relative_to(package.parent).with_suffix("").parts for path in files]
    return [".".join(part) for part in parts if part[-1] != "__init__"]


def write_api_pages(package, site):
    """Write `book/_generated/<page>.md` for each page; text that is unchanged is kept."""
    for page, names in PAGES.items():
        text = ""
        for module in (module for name in names for module in modules_of(package, name)):
            title = module.partition(".")[2]
            text += f"## `{title}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n\n"
        target = Path(site) / "book" / "_generated" / f"{page}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
