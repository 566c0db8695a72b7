"""The runner of the chapters, tried on a small project of its own."""

import json

import chapters
import check_book
import compare_builds
import nbformat
import pytest
import references
from try_chapter import parsed

from mb_support.files.sources import imported_by

HEADER = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A chapter

# %% tags=["parameters"]
profile = "smoke"
seed = 7

# %%
"""


@pytest.fixture
def project(tmp_path):
    """A project of two chapters: write their cells with `project.write(name, code)`."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "mb_support").mkdir()
    for name in ("requirements.lock", "mb_support/module.py", "results", "checkpoints"):
        (tmp_path / name).write_text("")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "chapters.py").write_text("")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n- caption: One\n  chapters:\n"
        "  - file: notebooks/01_first\n  - file: notebooks/02_second\n  - file: book/prose\n"
    )
    for name in ("01_first", "02_second"):
        write(tmp_path, name, "# NBVAL_CHECK_OUTPUT\nprint(profile, seed)")
    return tmp_path


def write(project, name, code):
    (project / "notebooks" / f"{name}.py").write_text(HEADER + code + "\n")


def printed(project, name, profile):
    notebook = nbformat.read(chapters.notebook_path(name, profile, project), as_version=4)
    return "".join(o.text for c in notebook.cells for o in c.get("outputs", []) if "text" in o)


def test_chapters_run_with_the_profile_and_leave_a_record(project):
    assert chapters.run("poster", root=project) == ["01_first", "02_second"]
    assert printed(project, "02_second", "poster") == "poster 7\n"
    record = json.loads(chapters.record_path("02_second", "poster", project).read_text())
    assert record["parameters"] == {"profile": "poster", "seed": 7}
    assert record["seconds"] > 0 and record["commit"] == "unknown"


def test_only_what_changed_runs_again(project):
    chapters.run("smoke", root=project)
    assert chapters.run("smoke", root=project) == []
    write(project, "02_second", "print('new')")
    assert chapters.run("smoke", root=project) == ["02_second"]
    write(project, "01_first", "print('new')")
    assert chapters.run("smoke", root=project) == ["01_first"]


def test_what_a_reader_wrote_into_a_notebook_is_not_lost(project, capsys):
    chapters.run("smoke", only=["02_second"], root=project)
    notebook = chapters.notebook_path("02_second", "smoke", project)
    for name, text in (("02_second.edited.ipynb", "mine"), ("02_second.edited2.ipynb", "more")):
        notebook.write_text(text)
        assert chapters.run("smoke", only=["02_second"], root=project) == ["02_second"]
        assert notebook.with_name(name).read_text() == text
        assert name in capsys.readouterr().out
    assert chapters.run("smoke", only=["02_second"], root=project) == []


@pytest.mark.parametrize("changed", chapters.SHARED_INPUTS)
def test_every_shared_input_is_in_the_digest(project, changed):
    before = chapters.chapter_digests("smoke", project)
    path = project / changed
    (path / "new.py" if path.is_dir() else path).write_text("changed")
    after = chapters.chapter_digests("smoke", project)
    assert all(before[name] != after[name] for name in before)


def test_a_chapter_depends_on_the_modules_that_it_imports_and_on_no_others(project):
    package = project / "mb_support"
    (package / "figures").mkdir()
    texts = {
        "__init__": '_PUBLIC = {"physics": ["force"], "learning": ["train"]}\n',
        "physics": "from .figures.style import colour\n",
        "learning": "",
        "module": "",
        "figures/__init__": "",
        "figures/style": "",
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    write(project, "01_first", "from mb_support import force")
    write(project, "02_second", "from mb_support.learning import train")

    def changed_by(name):
        before = chapters.chapter_digests("smoke", project)
        (package / f"{name}.py").write_text(texts[name] + "# changed\n")
        after = chapters.chapter_digests("smoke", project)
        return [chapter for chapter in before if before[chapter] != after[chapter]]

    assert changed_by("physics") == changed_by("figures/style") == ["01_first"]
    assert changed_by("learning") == ["02_second"]
    assert changed_by("module") == []
    assert changed_by("__init__") == ["01_first", "02_second"]


def test_a_figure_belongs_to_few_chapters_of_the_book():
    package = chapters.ROOT / "mb_support"
    drawn_by = {
        name: [
            chapter
            for chapter in chapters.chapter_names()
            if package / "plotting" / f"{name}.py"
            in imported_by(chapters.ROOT / "notebooks" / f"{chapter}.py", package)
        ]
        for name in ("attention", "leak", "kinetics")
    }
    assert drawn_by == {
        "attention": ["07_attention"],
        "leak": ["08_leak"],
        "kinetics": ["09_kinetics"],
    }


@pytest.mark.slow
def test_profiles_do_not_overwrite_each_other(project):
    chapters.run("smoke", only=["01_first"], root=project)
    chapters.run("poster", only=["01_first"], root=project)
    assert printed(project, "01_first", "smoke") == "smoke 7\n"
    assert printed(project, "01_first", "poster") == "poster 7\n"


def test_the_longest_chapters_begin_first_and_are_chapters_of_the_book():
    names = chapters.chapter_names()
    assert set(chapters.LONGEST) < set(names)
    begun = sorted(names, key=chapters._priority)
    assert begun[: len(chapters.LONGEST)] == list(chapters.LONGEST)
    assert begun[len(chapters.LONGEST) :] == sorted(set(names) - set(chapters.LONGEST))


@pytest.mark.slow
def test_equal_runs_give_equal_files(project):
    chapters.run("smoke", only=["01_first"], root=project)
    first = chapters.notebook_path("01_first", "smoke", project).read_bytes()
    chapters.run("smoke", only=["01_first"], force=True, root=project)
    assert chapters.notebook_path("01_first", "smoke", project).read_bytes() == first


def test_a_failing_chapter_is_named_with_its_cell_and_error(project):
    write(project, "01_first", "first_line = 1\nraise RuntimeError('the reason')")
    with pytest.raises(chapters.ChapterError) as caught:
        chapters.run("smoke", only=["01_first"], root=project)
    for part in ("01_first", "first_line = 1", "RuntimeError: the reason"):
        assert part in str(caught.value)
    assert not chapters.notebook_path("01_first", "smoke", project).exists()
    assert not chapters.is_current("01_first", "any", "smoke", project)


@pytest.mark.slow
def test_a_kernel_that_does_not_start_is_started_again_but_not_for_ever(project, monkeypatch):
    run, tried = chapters.papermill.execute_notebook, []

    def loses_its_ports(*args, **options):
        tried.append(args)
        if len(tried) < n_lost + 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return run(*args, **options)

    monkeypatch.setattr(chapters.papermill, "execute_notebook", loses_its_ports)
    target, n_lost = chapters.notebook_path("01_first", "poster", project), 2
    chapters.execute("01_first", target, {"profile": "poster"}, project)
    assert printed(project, "01_first", "poster") == "poster 7\n" and len(tried) == 3
    tried, n_lost = [], 3
    with pytest.raises(chapters.ChapterError, match="01_first.*\n.*did not start 3 times"):
        chapters.execute("01_first", target, {"profile": "poster"}, project)


def test_an_unknown_chapter_is_refused(project):
    with pytest.raises(ValueError, match="unknown chapters.*09_none"):
        chapters.run("smoke", only=["09_none"], root=project)


def test_unexecuted_and_failed_notebooks_are_reported(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("look = 1")])
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert "never executed: look = 1" in check_book.notebook_problems(tmp_path / "a.ipynb")[0]
    notebook.cells[0].execution_count = 1
    notebook.cells[0].outputs = [
        nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    ]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert "holds an error" in check_book.notebook_problems(tmp_path / "a.ipynb")[0]


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://example.org/x.js"></script>',
        '<link rel="stylesheet" href="//example.org/x.css">',
        '<img alt="a" src="http://example.org/x.png">',
        "<style>@import 'https://example.org/x.css';</style>",
        '<script type="module">import x from "https://example.org/x.js"</script>',
        '<main><img src="local.png"></main>',
        '<a href="gone.html">gone</a>',
        '<a href="#gone">gone</a>',
    ],
)
def test_pages_that_need_the_network_or_lead_nowhere_are_reported(tmp_path, html):
    (tmp_path / "page.html").write_text(html)
    assert len(check_book.html_problems(tmp_path)) == 1


def test_a_sound_page_has_no_problems(tmp_path):
    (tmp_path / "page.html").write_text(
        '<main id="top"><a href="#top">up</a> <a href="https://example.org">out</a></main>'
    )
    assert check_book.html_problems(tmp_path) == []


def test_reference_outputs_come_back_into_the_chapter(project):
    chapters.run("smoke", only=["01_first"], root=project)
    reference = references.update("01_first", project)
    source = project / "notebooks" / "01_first.py"
    cells = references.comparison_notebook(source, reference).cells
    assert [c.outputs[0].text for c in cells if references.is_marked(c)] == ["smoke 7\n"]
    assert references.differences("01_first", root=project) == []
    stored = nbformat.read(reference, as_version=4)
    stored.cells[0].outputs[0].text = "smoke 8\n"
    nbformat.write(stored, reference)
    (difference,) = references.differences("01_first", root=project)
    assert "print(profile, seed)" in difference and "smoke 8" in difference


def test_a_marked_cell_without_stored_output_is_refused(project):
    chapters.run("smoke", only=["01_first"], root=project)
    reference = references.update("01_first", project)
    write(project, "01_first", "# NBVAL_CHECK_OUTPUT\nprint(seed, profile)")
    with pytest.raises(references.ReferenceError, match=r"print\(seed, profile\)"):
        references.comparison_notebook(project / "notebooks" / "01_first.py", reference)


def test_a_chapter_that_marks_nothing_is_refused(project):
    write(project, "01_first", "print(1)")
    with pytest.raises(references.ReferenceError, match="nothing is compared"):
        references.comparison_notebook(project / "notebooks" / "01_first.py", project / "none")


def test_files_that_differ_between_two_builds_are_named(tmp_path):
    for build, text in (("one", "a"), ("two", "b")):
        (tmp_path / build / "pages").mkdir(parents=True)
        (tmp_path / build / "pages" / "same.html").write_text("same")
        (tmp_path / build / "pages" / "other.html").write_text(text)
        (tmp_path / build / f"{build}.html").write_text("alone")
    found = compare_builds.differences(tmp_path / "one", tmp_path / "two")
    assert found == ["one.html", "pages/other.html", "two.html"]


def test_parameters_to_try_are_literals_fractions_or_texts():
    known = {"beta": None, "profile": "smoke", "n": 1}
    values = parsed(["beta=1/20", "profile=poster", "n=3"], known)
    assert values == {"beta": 0.05, "profile": "poster", "n": 3}
    for wrong in ("bta=1", "beta", " =1"):
        with pytest.raises(ValueError, match="sets no parameter of the chapter"):
            parsed([wrong], known)
