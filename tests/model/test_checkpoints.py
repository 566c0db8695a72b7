"""Damaged checkpoints give one clear sentence or a stated fallback, and never cost a good one."""

import json
import os
import shutil
import traceback
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mb_support import TrajectoryConfig, TrajectoryTransformer
from mb_support.model import checkpoint_sizes, checkpoints, load_checkpoint
from mb_support.model.checkpoints import CheckpointError, CheckpointWarning

TINY = dict(
    hidden_size=4,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=32,
)


@pytest.fixture(scope="module")
def tiny_model():
    torch.manual_seed(0)
    return TrajectoryTransformer(TrajectoryConfig(**TINY)).eval()


@pytest.fixture(scope="module")
def pristine(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine") / "model"
    tiny_model.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(pristine, tmp_path):
    return Path(shutil.copytree(pristine, tmp_path / "model"))


def edit_config(folder, **changes):
    path = folder / "config.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def edit_weights(folder, change):
    # keeps the manifest true, so that the check of the weights themselves is what is tested
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    checkpoints.write_manifest(folder)


def truncated(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def zero_bytes(folder):
    (folder / "model.safetensors").write_bytes(b"")


def zeroed(folder):
    # what a power cut leaves: the right size, and nothing in it behind the header
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-200] + bytes(200))


def wrong_size(folder):
    edit_config(folder, hidden_size=8)


def foreign_config(folder):
    edit_config(folder, model_type="bert")


def foreign_weights(folder):
    edit_weights(folder, lambda weights: weights.update({"pooler.weight": torch.ones(4, 4)}))


def lost_weights(folder):
    edit_weights(folder, lambda weights: weights.pop("inputs_to_hidden_dim.bias"))


def nan_weights(folder):
    edit_weights(folder, lambda weights: weights["inputs_to_hidden_dim.bias"].fill_(float("nan")))


def missing_config(folder):
    (folder / "config.json").unlink()


def unknown_key(folder):
    edit_config(folder, n_featuers=2)


def impossible_value(folder):
    edit_config(folder, num_attention_heads=3)


def wrong_type(folder):
    edit_config(folder, hidden_size="wide")


def broken_json(folder):
    (folder / "config.json").write_text('{"model_type": "traj')


def half_written(folder):
    (folder / "model.safetensors").unlink()


def empty_folder(folder):
    for path in list(folder.iterdir()):
        path.unlink()


def no_folder(folder):
    shutil.rmtree(folder)


def a_file(folder):
    shutil.rmtree(folder)
    folder.write_text("not a folder")


DAMAGE = {
    truncated: "model.safetensors.*truncated",
    zero_bytes: r"model.safetensors.*truncated.*\(0 bytes\)",
    zeroed: "model.safetensors.*SHA-256",
    wrong_size: r"wrong size: .* is \(4.*asks for \(8",
    foreign_config: "describes a model of type 'bert'",
    foreign_weights: "another model: it has unknown pooler.weight",
    lost_weights: "another model: it lacks inputs_to_hidden_dim.bias",
    nan_weights: "NaN or infinite weights in inputs_to_hidden_dim.bias",
    missing_config: "config.json is missing",
    unknown_key: "unknown settings: n_featuers",
    impossible_value: "config.json",
    wrong_type: "config.json has an impossible setting",
    broken_json: "config.json is not readable as JSON",
    half_written: "model.safetensors is missing",
    empty_folder: "config.json is missing",
    no_folder: "there is no checkpoint",
    a_file: "is a file",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_damaged_checkpoint_is_refused_in_one_clear_sentence(folder, damage):
    damage(folder)
    with pytest.raises(CheckpointError, match=DAMAGE[damage]) as caught:
        TrajectoryTransformer.from_pretrained(folder)
    # nothing of a library is in what the user sees
    shown = "".join(traceback.format_exception(caught.value))
    assert "site-packages" not in shown and "During handling" not in shown


def test_a_whole_checkpoint_gives_the_model_back(folder, tiny_model):
    loaded = TrajectoryTransformer.from_pretrained(folder)
    for name, weight in tiny_model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)


def test_another_library_version_is_said_and_loaded_all_the_same(folder, tiny_model):
    edit_config(folder, transformers_version="99.0.1")
    with pytest.warns(CheckpointWarning, match="written with transformers 99.0.1"):
        loaded = TrajectoryTransformer.from_pretrained(folder)
    assert torch.equal(loaded.inputs_to_hidden_dim.weight, tiny_model.inputs_to_hidden_dim.weight)


def as_ordinary_user(action):
    """Run `action` where permissions count; returns what it raised, or None.

    The superuser reads everything, so as that user a child process first becomes nobody.
    """
    if os.geteuid() != 0:
        try:
            action()
        except Exception as error:
            return error
        return None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        text = ""
        try:
            action()
        except CheckpointError as error:
            text = str(error)
        except BaseException as error:
            text = f"unexpected {error!r}"
        os.write(writing, text.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return CheckpointError(text) if text else None


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "."])
def test_missing_permission_is_called_by_its_name(folder, name):
    for parent in (folder, *folder.parents):  # pytest's folders are closed to others
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
        if parent.name.startswith("pytest-of"):
            break
    (folder / name).chmod(0)
    error = as_ordinary_user(lambda: TrajectoryTransformer.from_pretrained(folder))
    (folder / name).chmod(0o700)
    assert "permission denied" in str(error)


def test_a_replacement_that_fails_leaves_the_good_checkpoint(folder, tiny_model):
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(OSError, match="disk"):
        with checkpoints.replace_folder(folder) as fresh:
            (fresh / "config.json").write_text("{}")
            raise OSError("no space left on the disk")
    assert (folder / "model.safetensors").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_replacement_killed_between_its_renames_falls_back_on_the_old(folder):
    folder.rename(folder.with_name(".model.old"))
    with pytest.warns(CheckpointWarning, match="using the one before"):
        TrajectoryTransformer.from_pretrained(folder)
    # the next replacement must not take the only good copy away before it has a better one
    with pytest.raises(RuntimeError), checkpoints.replace_folder(folder):
        raise RuntimeError
    TrajectoryTransformer.from_pretrained(folder)


def test_saving_again_in_place_stays_loadable(folder, tiny_model):
    (folder / "training.json").write_text("{}")
    checkpoints.write_manifest(folder)
    with torch.no_grad():
        changed = TrajectoryTransformer(tiny_model.config)
    changed.save_pretrained(folder)
    TrajectoryTransformer.from_pretrained(folder)


def test_the_command_line_names_what_is_damaged_and_seals_what_is_whole(folder, capsys):
    (folder / "training.json").write_text("{}")
    (folder / "manifest.json").unlink()
    assert checkpoints.main([str(folder), "--seal"]) == 0
    assert "training.json" in json.loads((folder / "manifest.json").read_text())
    truncated(folder)
    assert checkpoints.main([str(folder)]) == 1
    assert "truncated" in capsys.readouterr().out


def test_a_missing_record_is_said(folder):
    with pytest.raises(CheckpointError, match="training.json is missing"):
        checkpoints.read_record(folder)


# Folders that transformers writes in other ways ---------------------------------------------------

SAVED = {
    "shards": dict(max_shard_size="1KB"),
    "variant": dict(variant="fp16"),
    "shards of a variant": dict(variant="fp16", max_shard_size="1KB"),
    "in place of another": dict(),
}


@pytest.mark.parametrize("how", SAVED)
def test_weights_in_several_files_or_of_a_variant_are_loaded(tmp_path, tiny_model, how):
    if how == "in place of another":
        tiny_model.save_pretrained(tmp_path, max_shard_size="1KB")
    tiny_model.save_pretrained(tmp_path, **SAVED[how])
    variant = SAVED[how].get("variant")
    loaded = TrajectoryTransformer.from_pretrained(tmp_path, variant=variant)
    for name, weight in tiny_model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)
    listed = json.loads((tmp_path / "manifest.json").read_text())
    assert set(listed) >= {path.name for path in tmp_path.glob("model*.safetensors")}


def test_a_subfolder_is_loaded(tmp_path, tiny_model):
    tiny_model.save_pretrained(tmp_path / "a" / "b")
    TrajectoryTransformer.from_pretrained(tmp_path, subfolder="a/b")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        TrajectoryTransformer.from_pretrained(tmp_path, subfolder="c")


def test_a_damaged_shard_is_refused(tmp_path, tiny_model):
    tiny_model.save_pretrained(tmp_path, max_shard_size="1KB")
    path = max(tmp_path.glob("model-*.safetensors"))
    path.write_bytes(path.read_bytes()[:-50] + bytes(50))  # of the right size
    with pytest.raises(CheckpointError, match=r"model-\d+-of-\d+.safetensors.*SHA-256"):
        TrajectoryTransformer.from_pretrained(tmp_path)


def test_a_size_saved_in_shards_is_found(tmp_path):
    model = TrajectoryTransformer(TrajectoryConfig.of_size("small"))
    model.save_pretrained(tmp_path / "small", max_shard_size="50KB")
    assert checkpoint_sizes(tmp_path) == ["small"]
    assert load_checkpoint("small", tmp_path).config.hidden_size == 16


# Places that cannot be moved ----------------------------------------------------------------------


def write_model(fresh, content="new"):
    (fresh / "model.safetensors").write_text(content)
    (fresh / "manifest.json").write_text("{}")


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


NEW = {"model.safetensors": "new", "manifest.json": "{}"}


@pytest.mark.parametrize("is_relative", [False, True])
def test_a_symbolic_link_keeps_its_place(tmp_path, is_relative):
    target, link = tmp_path / "elsewhere" / "small", tmp_path / "small"
    target.mkdir(parents=True)
    (target / "old").write_text("old")
    link.symlink_to("elsewhere/small" if is_relative else target)
    with checkpoints.replace_folder(link) as fresh:
        write_model(fresh)
    assert link.is_symlink() and link.resolve() == target and contents(target) == NEW
    assert [path.name for path in target.parent.iterdir()] == ["small"]
    assert {path.name for path in tmp_path.iterdir()} == {"small", "elsewhere"}


def test_a_link_to_nothing_yet_is_filled_where_it_points(tmp_path):
    (tmp_path / "small").symlink_to(tmp_path / "disk" / "small")
    with checkpoints.replace_folder(tmp_path / "small") as fresh:
        write_model(fresh)
    assert (tmp_path / "small").is_symlink() and contents(tmp_path / "disk" / "small") == NEW


def test_a_link_whose_target_was_being_replaced_falls_back_on_the_old(folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    folder.rename(folder.with_name(".model.old"))
    with pytest.warns(CheckpointWarning, match="using the one before"):
        TrajectoryTransformer.from_pretrained(link)


@pytest.fixture(params=["mount point", "closed parent"])
def fixed_folder(request, tmp_path, monkeypatch):
    """A folder that cannot be renamed; what a rename would do there is an error here."""
    place = tmp_path / "small"
    place.mkdir()
    (place / "training.json").write_text("old")
    (place / "model.safetensors").write_text("old")
    if request.param == "mount point":
        monkeypatch.setattr("os.path.ismount", lambda path: Path(path) == place)
    else:
        monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    rename = Path.rename

    def refuse(self, target):
        if self == place or Path(target).parent == tmp_path:
            raise OSError("device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    return place


def test_a_folder_that_cannot_be_moved_gets_each_file(fixed_folder):
    inode = fixed_folder.stat().st_ino
    with checkpoints.replace_folder(fixed_folder) as fresh:
        write_model(fresh)
        assert contents(fixed_folder.parent / "small" / fresh.name) == NEW
    assert contents(fixed_folder) == NEW and fixed_folder.stat().st_ino == inode


def test_an_error_leaves_a_folder_that_cannot_be_moved_as_it_was(fixed_folder):
    with pytest.raises(OSError, match="disk"), checkpoints.replace_folder(fixed_folder) as fresh:
        write_model(fresh)
        raise OSError("no space left on the disk")
    assert contents(fixed_folder) == {"training.json": "old", "model.safetensors": "old"}
