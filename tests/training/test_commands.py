"""The commands that train: how they end at a signal, on a full disk, at a wrong argument."""

import os
import re
import resource
import signal
import time

import pytest
from training_runs import TINY

from mb_support.files import paths
from mb_support.model.checkpoints import CheckpointError
from mb_support.training import RECIPES, all_runs
from mb_support.training import __main__ as command_line
from mb_support.training import run as training


class Running:
    """A training of `make_all` that ends when it is asked to."""

    def __init__(self, name, threads):
        self.name, self.asked = name, []

    def poll(self):
        return 130 if self.asked else None

    def send_signal(self, number):
        self.asked.append(number)

    def wait(self):
        assert self.asked == [signal.SIGTERM]


@pytest.mark.parametrize("sent, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_all_trainings_reaches_each_and_ends_quietly(
    tmp_path, monkeypatch, capsys, sent, status
):
    for name in ("TRAININGS", "CHECKPOINTS", "RESULTS"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    monkeypatch.setattr(all_runs, "_start", Running)
    before = signal.getsignal(sent)
    monkeypatch.setattr(time, "sleep", lambda seconds: os.kill(os.getpid(), sent))
    assert all_runs.make_all(n_jobs=2) == status
    assert "stopped: small-0, small-1; start again" in capsys.readouterr().err
    assert signal.getsignal(sent) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "small-fixed-0", "--steps", "3"], "--steps goes with --size"),
        (["--name", "small-0", "--seed", "0"], "--seed goes with --size"),
        (["--size", "small", "--steps", "-5"], "--steps must be at least 1; got -5"),
        (["--size", "small", "--data", "d.npz", "--passes", "0"], "--passes must be at least 1"),
        (["--size", "small", "--data", "d.npz", "--regime", "wild"], "choose one"),
        (["--size", "small", "--passes", "3"], "--passes goes with --data"),
    ],
)
def test_what_a_command_would_not_heed_is_refused(capsys, arguments, message):
    with pytest.raises(SystemExit):
        command_line.main(arguments)
    assert message in capsys.readouterr().err


def test_a_place_of_something_else_is_refused_before_anything_is_trained(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(command_line, "train", None)  # never reached
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    for place, message in (("mine", "holds 'thesis.txt'"), ("mine/thesis.txt", "is a file")):
        with pytest.raises(SystemExit):
            command_line.main(["--size", "small", "--output", str(tmp_path / place)])
        assert message in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="choose another folder"):
        training.save_checkpoint(None, {}, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


def test_a_signal_before_the_first_step_or_after_the_last_leaves_no_traceback(
    tmp_path, monkeypatch, capsys
):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "train", interrupted)
    assert command_line.main(["--size", "small", "--work", str(tmp_path)]) == 130
    assert capsys.readouterr().err == (
        f"stopped; start again to go on from the last checkpoint in {tmp_path}\n"
    )


@pytest.mark.parametrize("arguments", [["--size", "small"], ["--all"]], ids=lambda a: a[0])
def test_the_command_line_wants_at_least_one_thread(capsys, arguments):
    with pytest.raises(SystemExit):
        command_line.main([*arguments, "--threads", "0"])
    assert "--threads must be at least 1; got 0" in capsys.readouterr().err


def test_a_full_disk_at_the_very_end_is_said_and_the_model_before_stays(tmp_path):
    model = training.new_model(TINY)
    training.save_checkpoint(model, {"seed": 0}, tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="could not be written to .*model: .*Make room"):
            training.save_checkpoint(model, {"seed": 1}, tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_command_line_refuses_an_unknown_size(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["--size", "huge"])
    assert "unknown size 'huge'" in capsys.readouterr().err


def test_help_tells_steps_and_duration_of_each_size(capsys, monkeypatch, tmp_path):
    with pytest.raises(SystemExit):
        command_line.main(["--help"])
    said = capsys.readouterr().out
    for size, config in RECIPES.items():
        assert re.search(rf"{size} +{config.n_steps} steps, about \d+ minutes on two cores", said)
    monkeypatch.setattr(paths, "RESULTS", tmp_path)  # as in a package by itself
    assert command_line.durations().count(" steps") == len(RECIPES)
