"""Files are replaced whole or not at all."""

import os

import pytest

from mb_support.files.whole_files import replace_file


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path):
    path = tmp_path / "new_folder" / "file.pt"
    for text in ("first", "second"):
        with replace_file(path) as fresh:
            assert fresh.suffix == ".pt" and fresh.parent == path.parent
            fresh.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    assert os.listdir(path.parent) == ["file.pt"]


def test_an_error_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "file.pt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), replace_file(path) as fresh:
        fresh.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["file.pt"]


def test_others_may_read_it_as_they_may_read_other_files(tmp_path):
    with replace_file(tmp_path / "file") as fresh:
        fresh.write_text("x")
    (tmp_path / "other").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("name", ["file/inside.pt", "folder"])
def test_what_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=f"{name} cannot be written: "):
        with replace_file(tmp_path / name) as fresh:
            fresh.touch()
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
