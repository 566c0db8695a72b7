"""What every chapter has to keep to; `make test` runs them and compares their numbers."""

import ast
import re

import chapters
import jupytext
import prose
import pytest
import references
import yaml
from project import ROOT

from mb_support.training.recipes import N_SEEDS

SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
PROSE = sorted((ROOT / "book").glob("*.md"))
ALLOWED = {
    str(number): reason
    for number, reason in yaml.safe_load((ROOT / "tests/typed_numbers.yml").read_text()).items()
}

each_chapter = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def cells_of(source, kind):
    return [cell for cell in jupytext.read(source).cells if cell.cell_type == kind]


def figure_of(cell):
    return cell.metadata.get("mystnb", {}).get("figure")


def test_the_book_lists_every_chapter_once():
    assert sorted(chapters.chapter_names()) == [path.stem for path in SOURCES]


@each_chapter
def test_chapters_define_no_functions_or_classes(source):
    if source.stem.endswith("own_system"):
        return  # its subject is the reader's own function
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    for cell in cells_of(source, "code"):
        nodes = ast.walk(ast.parse(cell.source))
        assert not [node.lineno for node in nodes if isinstance(node, defined)], cell.source


@each_chapter
def test_chapters_run_on_the_projects_own_kernel(source):
    assert jupytext.read(source).metadata["kernelspec"]["name"] == "python3"


@each_chapter
def test_chapters_have_one_cell_of_literal_parameters(source):
    tagged = [c for c in cells_of(source, "code") if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    values = {}
    for node in ast.parse(tagged[0].source).body:
        assert isinstance(node, ast.Assign), "only assignments of literals"
        values[node.targets[0].id] = ast.literal_eval(node.value)
    assert values["profile"] == "smoke"
    assert isinstance(values.get("seed", 0), int)


#: What `make try` may be given and no chapter can take, by parameter.
OUT_OF_RANGE = {
    "profile": ["tiny", 3],
    "seed": [-1, 1.5, "one", None],
    "beta": [0, -0.1, "cold", 80.0],
    "shown_trajectory": [8, -1, 2.0],
    "n_shown": [0, 2000, "all"],
    "length": [300, 127, "long"],
    "late": [{"metastable": 128}, {"metastable": 0, "wild": 8}, {"metastable": 500, "wild": 8}, 8],
}


@each_chapter
def test_parameters_out_of_range_are_refused_before_anything_is_computed(source):
    cells = [cell.source for cell in cells_of(source, "code")]
    tags = [cell.metadata.get("tags", []) for cell in cells_of(source, "code")]
    number = next(k for k, found in enumerate(tags) if "parameters" in found)
    names = {}
    exec("\n".join(cells[:number]), names)  # imports
    for parameter in chapters.literal_parameters(jupytext.read(source)):
        if (source.stem, parameter) == ("11_speed", "seed"):
            continue  # which says that nothing there is random
        for value in OUT_OF_RANGE[parameter]:
            given = names | chapters.literal_parameters(jupytext.read(source)) | {parameter: value}
            with pytest.raises(ValueError, match=parameter if parameter != "beta" else "beta|dt"):
                exec(cells[number + 1], given)


@each_chapter
def test_chapters_install_nothing_and_hide_nothing(source):
    text = source.read_text()
    for pattern in (r"^[!%]", r"pip install", r"filterwarnings|simplefilter", r"[\"'](/|~/|\.\./)"):
        assert not re.search(pattern, text, re.M), pattern


@each_chapter
def test_cells_read_like_sentences(source):
    lengths = [len(cell.source.splitlines()) for cell in cells_of(source, "code")]
    assert sorted(lengths)[len(lengths) // 2] <= 10
    assert max(lengths) <= 30


@each_chapter
def test_figure_cells_have_a_name_a_caption_and_alternative_text(source):
    drawing = re.compile(r"\bplt\.(show|subplots|figure)\(|\bplot_\w+\(")
    for cell in cells_of(source, "code"):
        if not drawing.search(cell.source):
            continue
        figure = figure_of(cell)
        assert figure, f"no figure metadata: {cell.source.splitlines()[0]}"
        assert re.fullmatch(r"fig-[a-z0-9-]+", figure["name"])
        assert len(figure["caption"]) > 20
        image = cell.metadata["mystnb"]["image"]
        assert len(image["alt"]) > 20
        assert image["classes"] == "dark-light", "`class` is ignored in silence"


@each_chapter
def test_every_figure_is_cited(source):
    # so that the book does not build (unknown reference) once a figure is gone
    names = [figure_of(cell)["name"] for cell in cells_of(source, "code") if figure_of(cell)]
    assert names, "a chapter has a figure"
    text = "\n".join(cell.source for cell in cells_of(source, "markdown"))
    for name in names:
        assert re.search(rf"{{numref}}`[^`]*\b{name}\b", text), name


def test_names_of_figures_are_unique():
    cells = [cell for source in SOURCES for cell in cells_of(source, "code")]
    names = [figure_of(cell)["name"] for cell in cells if figure_of(cell)]
    assert len(set(names)) == len(names)


@each_chapter
def test_glued_numbers_carry_the_name_of_their_chapter(source):
    keys = re.findall(r"\bglue\(\s*f?[\"']([^\"']+)", source.read_text())
    short = source.stem.split("_", 1)[1]
    prefixes = (short, short.split("_")[0])
    assert [key for key in keys if not key.startswith(prefixes)] == []


@each_chapter
def test_chapters_ask_show_and_take_away(source):
    text = "\n".join(cell.source for cell in cells_of(source, "markdown"))
    assert text.startswith("# ")
    assert re.search(r"^(## |\*\*)Takeaway", text, re.M), "no takeaway: what was shown, and not"


@pytest.mark.parametrize("path", [*SOURCES, *PROSE], ids=lambda path: path.stem)
def test_prose_has_no_typed_results(path):
    if path.suffix == ".py":
        text = "\n\n".join(cell.source for cell in cells_of(path, "markdown"))
    else:
        text = path.read_text()
    assert [number for number in prose.typed_numbers(text) if number not in ALLOWED] == []


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.stem)
def test_no_blank_line_cuts_a_table(path):
    lines = path.read_text().splitlines()
    for before, line, after in zip(lines[:-1], lines[1:], [*lines[2:], ""], strict=True):
        if line.startswith("|") and not before.startswith("|"):
            assert re.match(r"\|[-| :]+\|$", after), f"a row without a head: {line[:60]}"


def test_captions_count_the_trainings_that_there_are():
    counted = re.compile(r"small (\d+), medium (\d+), large (\d+)")
    found = {source.stem: set(counted.findall(source.read_text())) for source in SOURCES}
    found["12_molecule"] = set()  # has trainings of its own
    assert set().union(*found.values()) == {tuple(map(str, N_SEEDS.values()))}


def test_every_allowed_number_has_a_reason():
    assert all(len(reason) > 10 for reason in ALLOWED.values())


@pytest.mark.parametrize(
    ("markdown", "numbers"),
    [
        ("an accuracy of 0.93", ["0.93"]),
        ("right in 93 % of cases", ["93%"]),
        ("in $0.93 \\pm 0.01$", ["0.93", "0.01"]),
        ("it took 37 minutes", ["37"]),
        ("{glue:text}`model_accuracy:.3f` of {numref}`fig-12` and `x = 0.5`", []),
        ("two of 3 panels", []),
        ("```python\nx = 0.5\n```", []),
        ("```{note}\nabout 0.5\n```", ["0.5"]),
        ("$$ V = -200 e^{-10} $$ (eq-v)", []),
        ("[page](a.html#12) <https://example.org/2024>", []),
        ("1. first\n2. second", []),
    ],
)
def test_typed_numbers_are_found_and_nothing_else(markdown, numbers):
    assert prose.typed_numbers(markdown) == numbers


@each_chapter
def test_marked_cells_have_stored_outputs(source):
    reference = ROOT / "tests" / "stored_outputs" / f"{source.stem}.ipynb"
    assert references.comparison_notebook(source, reference).cells


def test_there_is_no_reference_without_a_chapter():
    stored = sorted(path.stem for path in (ROOT / "tests" / "stored_outputs").glob("*.ipynb"))
    assert stored == [path.stem for path in SOURCES]
