"""What the book's own Sphinx extension changes on a page."""

import pandas as pd
import pytest
from project import book_extension


@pytest.fixture(scope="module")
def pages():
    return book_extension("book_pages")


def rows_of_head(table, pages):
    head = pages.one_line_of_names(table.to_html()).partition("</thead>")[0]
    return [pd.Series(row).str.findall(r"<th[^>]*>([^<]*)</th>")[0] for row in head.split("</tr>")]


def test_names_of_rows_stand_beside_those_of_columns(pages):
    table = pd.DataFrame({"a": [1], "b": [2]}, index=pd.Index(["x"], name="size"))
    assert rows_of_head(table, pages)[0] == ["size", "a", "b"]
    two = table.set_index([pd.Index(["x"], name="size"), pd.Index([1], name="seed")])
    assert rows_of_head(two, pages)[0] == ["size", "seed", "a", "b"]


def test_two_lines_of_columns_stay_two(pages):
    columns = pd.MultiIndex.from_product([["small", "large"], ["a", "b"]])
    table = pd.DataFrame([[1, 2, 3, 4]], index=pd.Index(["x"], name="layer"), columns=columns)
    first, second = rows_of_head(table, pages)[:2]
    assert first == ["", "small", "large"] and second == ["layer", "a", "b", "a", "b"]
    assert (
        pages.one_line_of_names(table.rename_axis(None).to_html())
        == table.rename_axis(None).to_html()
    )


def test_black_ink_is_white_on_dark_pages_but_not_in_code_or_attributes(pages):
    page = '<img alt="black"><p>Black line; (black).</p><code>black</code> blackboard'
    changed = pages.both_inks(page)
    assert changed.count('class="on-dark">white') == 1 == changed.count('class="on-dark">White')
    assert 'alt="black"' in changed and "<code>black</code> blackboard" in changed


@pytest.mark.parametrize(
    "written, shown",
    [("is -1.5 and", "is −1.5 and"), ("-0.00 here", "0.00 here"), ("10-20", "10-20")],
)
def test_numbers_below_zero_have_a_minus_and_zeros_no_sign(pages, written, shown):
    assert pages.minus_signs(f"<p>{written}</p>") == f"<p>{shown}</p>"


def test_intervals_are_not_broken(pages):
    for text in ("[0.1, 0.2]", "(1 to 2)", "1 ± 2", "5 per cent", "Fig. 3"):
        assert " " not in pages.unbroken_intervals(text).replace("per cent", "")
