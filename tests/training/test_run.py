"""Trainings: the same on any number of processes, and never lost to an interruption."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import training_runs
from safetensors.torch import load_file, save_file
from training_runs import TINY

from mb_support import REGIMES, TrajectoryTransformer
from mb_support.datasets import store
from mb_support.files import paths
from mb_support.model import checkpoints
from mb_support.model.checkpoints import CheckpointError, CheckpointWarning, newest_whole_checkpoint
from mb_support.training import RECIPES, TrainingConfig, all_runs, trainings
from mb_support.training import __main__ as command_line
from mb_support.training import run as training

SHORT = replace(TINY, stages=((16, 16), (24, 8)))

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["mb_support.training.run"])


def start(target, *args):
    """A process that runs `target`, and the pipe on which it reports each step."""
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*args, sending))
    process.start()
    sending.close()
    return process, receiving


def wait_for_step(process, steps, n):
    """Until `n` steps were begun, or the process ended; returns whether it still runs."""
    try:
        for _ in range(n):
            steps.recv()
    except EOFError:
        process.join()
    return process.is_alive()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    process, steps = start(training_runs.run, folder, TINY)
    while wait_for_step(process, steps, 1000):
        pass
    return folder


def final(folder):
    return torch.load(Path(folder) / "final.pt")


@pytest.mark.slow
def test_kills_do_not_change_a_single_bit(uninterrupted, tmp_path):
    chance = random.Random(4)
    n_kills = 0
    while n_kills < 3:
        process, steps = start(training_runs.run, tmp_path, TINY)
        assert wait_for_step(process, steps, chance.randint(2, 14)), "ended before the kills"
        time.sleep(chance.uniform(0, 0.05))  # anywhere in a step, or in writing a checkpoint
        process.kill()
        process.join()
        n_kills += 1
    process, steps = start(training_runs.run, tmp_path, TINY)
    wait_for_step(process, steps, 1000)
    assert process.exitcode == 0
    resumed, expected = final(tmp_path), final(uninterrupted)
    for name, weight in expected["weights"].items():
        assert torch.equal(resumed["weights"][name], weight), name


@pytest.mark.slow
def test_two_processes_with_the_same_global_batch_optimise_the_same(uninterrupted, tmp_path):
    script = Path(training_runs.__file__)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        + [str(script), str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = final(uninterrupted), final(tmp_path)
    assert len(one["losses"]) == TINY.n_steps == 50
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=2e-5)
    for name, weight in one["weights"].items():
        # The softmax does not see a key's bias: its gradient is rounding noise alone, which
        # Adam scales up to full steps. It changes no output of the model.
        atol = 50 * TINY.learning_rate if name.endswith("key.bias") else 1e-5
        torch.testing.assert_close(two["weights"][name], weight, rtol=1e-5, atol=atol)
    walks = torch.randn(3, 24, 2, generator=torch.Generator().manual_seed(0)).cumsum(dim=1)
    outputs = []
    for weights in (one["weights"], two["weights"]):
        model = training.new_model(TINY).eval()
        model.load_state_dict(weights)
        outputs.append(model(walks))
    torch.testing.assert_close(outputs[0].state_logits, outputs[1].state_logits)
    torch.testing.assert_close(outputs[0].next_frames, outputs[1].next_frames)
    # and a run begun by two processes can be ended by one
    assert newest_whole_checkpoint(tmp_path).name == "checkpoint-50"


@pytest.mark.parametrize(
    "sent, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
@pytest.mark.slow
def test_a_signal_saves_the_last_step_and_leaves_the_finished_model_alone(tmp_path, sent, status):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.safetensors").write_text("a finished model")
    process, steps = start(training_runs.run_command_line, tmp_path)
    assert wait_for_step(process, steps, 4)
    os.kill(process.pid, sent)
    last = 3
    try:
        while True:
            last = steps.recv()
    except EOFError:
        process.join()
    assert process.exitcode == status
    assert newest_whole_checkpoint(tmp_path / "work").name == f"checkpoint-{last + 1}"
    assert (tmp_path / "out" / "model.safetensors").read_text() == "a finished model"


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")
    training_runs.run(folder, SHORT)
    return folder


@pytest.fixture
def interrupted(short_run, tmp_path):
    """A run of 6 steps whose last checkpoints are those of steps 2 and 4."""
    shutil.copytree(short_run, tmp_path / "run")
    (tmp_path / "run" / "checkpoint-6").rename(tmp_path / "run" / "checkpoint-2")
    state = tmp_path / "run" / "checkpoint-2" / "trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"global_step": 2}))
    checkpoints.write_manifest(state.parent)
    return tmp_path / "run"


def cut(name, n_left):
    def damage(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:n_left])

    return damage


def fill_with_nan(folder):
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors")
    checkpoints.write_manifest(folder)


def remove(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def zero_out(folder):
    path = folder / "optimizer.pt"
    path.write_bytes(bytes(path.stat().st_size))


RUN_DAMAGE = {
    "weights truncated": (cut("model.safetensors", 5000), "model.safetensors.*truncated"),
    "weights empty": (cut("model.safetensors", 0), "model.safetensors.*truncated"),
    "NaN weights": (fill_with_nan, "NaN"),
    "optimizer truncated": (cut("optimizer.pt", 5000), "optimizer.pt"),
    "optimizer full of zeros": (zero_out, "optimizer.pt"),
    "written by an older version, truncated": (
        lambda folder: (remove("manifest.json")(folder), cut("optimizer.pt", 5000)(folder)),
        "optimizer.pt is truncated",
    ),
    "random state missing": (remove("rng_state.pth"), "lacks rng_state.pth"),
    "killed before the state": (remove("trainer_state.json", "manifest.json"), "lacks trainer_st"),
    "state truncated": (cut("trainer_state.json", 50), "trainer_state.json is not readable"),
    "half-written folder": (
        remove("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"),
        "lacks optimizer.pt",
    ),
}


@pytest.mark.parametrize("kind", RUN_DAMAGE)
def test_resume_falls_back_on_the_checkpoint_before_and_says_so(interrupted, kind):
    damage, message = RUN_DAMAGE[kind]
    damage(interrupted / "checkpoint-4")
    with pytest.warns(CheckpointWarning, match=f"(?s)not going on from step 4.*{message}"):
        assert newest_whole_checkpoint(interrupted) == interrupted / "checkpoint-2"
    assert (interrupted / "damaged-4").is_dir()  # kept, in case it can be mended


def test_a_resumed_run_ends_as_if_nothing_had_been_damaged(short_run, tmp_path):
    folder = Path(shutil.copytree(short_run, tmp_path / "run"))
    expected = final(folder)
    (folder / "final.pt").unlink()
    cut("optimizer.pt", 5000)(folder / "checkpoint-6")
    with pytest.warns(CheckpointWarning, match="step 6"):
        training_runs.run(folder, SHORT)
    for name, weight in expected["weights"].items():
        assert torch.equal(final(folder)["weights"][name], weight), name


def test_a_full_disk_stops_the_run_with_a_clear_error_and_costs_no_checkpoint(short_run, tmp_path):
    folder = Path(shutil.copytree(short_run, tmp_path / "run"))
    expected = final(folder)
    shutil.rmtree(folder / "checkpoint-6")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))  # less than optimizer.pt
    try:
        with pytest.raises(CheckpointError, match="step 6 could not be written.*Make room"):
            training_runs.run(folder, SHORT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.warns(CheckpointWarning, match="not going on from step 6"):
        training_runs.run(folder, SHORT)
    for name, weight in expected["weights"].items():
        assert torch.equal(final(folder)["weights"][name], weight), name


def test_a_finished_run_is_not_trained_again(short_run, tmp_path):
    folder = Path(shutil.copytree(short_run, tmp_path / "run"))
    model, record = training_runs.run(folder, SHORT)
    for name, weight in final(short_run)["weights"].items():
        assert torch.equal(model.state_dict()[name], weight)


def test_a_run_with_other_settings_is_not_mixed_in(short_run, tmp_path):
    folder = Path(shutil.copytree(short_run, tmp_path / "run"))
    other = replace(SHORT, learning_rate=1e-3)
    with pytest.raises(ValueError, match="other settings .learning_rate was 0.003, is 0.001"):
        training.train(other, folder)
    assert newest_whole_checkpoint(folder).name == "checkpoint-6"
    # how often a run is scored and saved may change
    training.train(replace(SHORT, save_every=3), folder)
    training.train(replace(other, stages=((16, 4),)), folder, resume=False)
    assert newest_whole_checkpoint(folder).name == "checkpoint-1"


def test_training_reads_a_store(tmp_path):
    config = replace(REGIMES["metastable"], n_frames=24)
    store.write_store(tmp_path / "set", config, 10, seed=3, chunks=(4, 24))
    model, record = training_runs.run(tmp_path / "run", SHORT, data=tmp_path / "set")
    assert record["data"] == str(tmp_path / "set")
    assert np.isfinite(final(tmp_path / "run")["losses"]).all()
    with pytest.raises(ValueError, match="data was"):
        training.train(SHORT, tmp_path / "run")


def test_worker_processes_share_a_stream_without_overlap_or_gap():
    stream = training.training_stream(SHORT)
    batches = torch.utils.data.DataLoader(stream, batch_size=4, num_workers=2)
    for number, batch in enumerate(batches):
        expected = stream.__getitems__(list(range(4 * number, 4 * number + 4)))
        for key in batch:
            assert torch.equal(batch[key], torch.stack([record[key] for record in expected]))
    assert number == SHORT.n_steps - 1


def test_the_saved_checkpoint_is_the_poster_model_with_record_and_checksums(short_run, tmp_path):
    model, record = training_runs.run(Path(shutil.copytree(short_run, tmp_path / "run")), SHORT)
    training.save_checkpoint(model, record, tmp_path / "out")
    training.save_checkpoint(model, record, tmp_path / "out")  # takes the place of the first
    assert [p.name for p in tmp_path.glob("out*")] == ["out"]
    loaded = TrajectoryTransformer.from_pretrained(tmp_path / "out")
    assert type(model) is TrajectoryTransformer
    assert set(loaded.state_dict()) == set(model.state_dict())
    record = checkpoints.read_record(tmp_path / "out")
    assert TrainingConfig.from_dict(record["config"]) == SHORT
    assert record["frames_seen"] == 4 * (16 * 4 + 24 * 2)
    assert {"machine", "versions", "commit", "curve", "processes"} <= set(record)
    assert set(json.loads((tmp_path / "out" / "manifest.json").read_text())) == {
        "config.json",
        "model.safetensors",
        "training.json",
    }


def test_training_begins_with_random_weights_and_every_weight_learns(tmp_path):
    model, _ = training.train(SHORT, tmp_path, progress=False)
    assert type(model) is TrajectoryTransformer
    assert all(weight.requires_grad for weight in model.parameters())
    begun = training.new_model(SHORT).state_dict()
    still = [n for n, w in model.state_dict().items() if torch.equal(w.cpu(), begun[n])]
    assert not still
    assert not torch.equal(
        training.new_model(replace(SHORT, seed=1)).state_dict()[
            "encoder.layer.0.output.dense.weight"
        ],
        begun["encoder.layer.0.output.dense.weight"],
    )


def test_the_loss_of_a_training_is_the_posters(tmp_path):
    batch = torch.utils.data.default_collate(training.training_stream(SHORT).__getitems__(range(4)))
    assert set(batch) == {"trajectories", "labels"}  # nothing else is ever told
    model = training.new_model(SHORT).train()
    output = model(**batch)
    torch.testing.assert_close(output.loss, output.trajectory_loss + output.classification_loss)


def test_the_learning_rate_warms_up_and_falls_with_the_frames_shown():
    config = replace(TINY, stages=((16, 120), (48, 40)), warmup_steps=5)
    rates = np.array([config.rate_of_step(step) for step in range(config.n_steps + 1)])
    np.testing.assert_allclose(rates[:5], np.arange(1, 6) / 5, rtol=0.05)
    assert (np.diff(rates[5:]) < 0).all()
    # after 30 of 40 steps half of the frames have been shown: the cosine is half-way
    assert rates[30] == pytest.approx(0.02 + 0.98 / 2)
    assert rates[-1] == pytest.approx(0.02)
    # by steps the cosine is half-way after half of the steps, whatever their length
    by_steps = replace(config, decay_by="steps")
    assert by_steps.rate_of_step(20) == pytest.approx(0.02 + 0.98 / 2)
    assert by_steps.rate_of_step(40) == pytest.approx(0.02)
    assert by_steps.rate_of_step(30) < rates[30]


def test_a_record_without_the_schedule_is_one_by_frames():
    before = asdict(TINY)
    del before["decay_by"]
    assert TrainingConfig.from_dict(before) == TINY


def test_the_checkpoint_is_the_median_of_the_trainings_that_are_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "TRAININGS", tmp_path / "trainings")
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    found = {"small-0": 0.96, "small-2": 0.95, "small-3": 0.97, "small-4": 0.94, "large-0": 0.9}
    for name, accuracy in found.items():
        folder = tmp_path / "trainings" / name / "model"
        folder.mkdir(parents=True)
        record = {"config": asdict(trainings()[name]), "curve": [{"eval_accuracy": accuracy}]}
        (folder / "training.json").write_text(json.dumps(record))
    other = replace(trainings()["small-1"], learning_rate=1.0)  # made with other settings
    shutil.copytree(folder.parent, tmp_path / "trainings" / "small-1")
    record = {"config": asdict(other), "curve": [{"eval_accuracy": 0.99}]}
    (tmp_path / "trainings" / "small-1" / "model" / "training.json").write_text(json.dumps(record))
    chosen = [all_runs.median_seed(size) for size in ("small", "medium", "large")]
    assert chosen == ["small-2", None, "large-0"]
    elsewhere = tmp_path / "disk" / "large"  # where a checkpoint is a link, it stays one
    elsewhere.mkdir(parents=True)
    (elsewhere / "left.txt").write_text("of an earlier edition")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "large").symlink_to(elsewhere)
    for _ in range(2):
        all_runs.choose_checkpoints()
        assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["large", "small"]
        assert (tmp_path / "checkpoints" / "large").is_symlink()
        assert [p.name for p in elsewhere.iterdir()] == ["training.json"]


def test_a_fixed_set_is_gone_through_in_a_new_order_on_each_pass(tmp_path):
    config = replace(SHORT, n_distinct=4, stages=((512, 16),))
    stream = training.training_stream(config)
    passes = [stream.__getitems__(range(first, first + 4)) for first in range(0, 16, 4)]
    sums = [[float(item["trajectories"].sum()) for item in items] for items in passes]
    assert all(sorted(found) == sorted(sums[0]) for found in sums)
    assert len({tuple(found) for found in sums}) > 1


def test_dropout_is_that_of_the_settings():
    model = training.new_model(replace(SHORT, dropout=0.1))
    assert model.config.hidden_dropout_prob == model.config.attention_probs_dropout_prob == 0.1
    assert training.new_model(SHORT).config.hidden_dropout_prob == 0.0


def test_a_shortened_recipe_keeps_its_proportions_and_ends_its_schedule():
    short = command_line.shortened(RECIPES["small"], 90)
    assert short.n_steps == pytest.approx(90, abs=3)
    assert [f for f, _ in short.stages] == [f for f, _ in RECIPES["small"].stages]
    assert short.rate_of_step(short.n_steps) == pytest.approx(0.02)


def test_trainings_of_the_book_have_one_recipe_a_size_and_differ_in_their_seed():
    named = trainings()
    for size, recipe in RECIPES.items():
        seeds = [named[n] for n in named if n.removeprefix(f"{size}-").isdigit()]
        assert len(seeds) >= 2
        assert {replace(config, seed=0) for config in seeds} == {recipe}
    assert named["small-wild-0"].regime == "wild"
    assert named["small-data-1000"].n_distinct == 1000


@pytest.mark.parametrize(
    "change, message",
    [
        ({"size": "huge"}, "unknown size 'huge'"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1; got 0"),
        ({"save_every": 0}, "save_every must be an integer of at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive and finite; got 0.0"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1; got 1.0"),
        ({"n_distinct": 0}, "n_distinct must be an integer of at least 1; got 0"),
        ({"decay_by": "epochs"}, 'decay_by must be "frames" or "steps"'),
        ({"stages": ((16, 1),)}, "n_trajectories >= batch_size"),
        ({"stages": (16, 64)}, "n_trajectories >= batch_size"),
        ({"stages": (("long", 64),)}, "n_trajectories >= batch_size"),
        ({"batch_size": 4.0}, "batch_size must be an integer"),
        ({"warmup_steps": 0}, "warmup_steps must be an integer of at least 1"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"learning_rate": "fast"}, "learning_rate must be one positive number"),
        ({"learning_rate": np.inf}, "learning_rate must be positive and finite"),
        ({"dropout": "some"}, "dropout must be one zero or positive number; got 'some'"),
        ({"size": ["small"]}, "unknown size"),
        ({"regime": "hot"}, "unknown regime 'hot'"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


def test_settings_in_numbers_of_numpy_are_written_as_json():
    config = replace(
        TINY, seed=np.int64(3), learning_rate=np.float32(0.5), stages=np.array([[16, 64]])
    )
    assert TrainingConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config


def test_an_unknown_setting_in_a_record_is_refused():
    with pytest.raises(ValueError, match="unknown training settings.*momentum"):
        TrainingConfig.from_dict(asdict(TINY) | {"momentum": 0.9})


def test_a_batch_that_processes_cannot_share_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="batch_size 4 cannot be shared by 3 processes"):
        training.arguments_of_run(TINY, tmp_path)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no GPU: training on one is not tried"
)
def test_a_gpu_is_used_for_training_evaluation_and_generation(tmp_path):
    from mb_support import generate, predict_states

    model, record = training_runs.run(tmp_path, SHORT)
    assert record["machine"] == torch.cuda.get_device_name()
    model = model.cuda().eval()
    walks = torch.randn(3, 24, 2, generator=torch.Generator().manual_seed(0)).cumsum(dim=1)
    on_cpu = TrajectoryTransformer(model.config).eval()
    on_cpu.load_state_dict({k: v.cpu() for k, v in model.state_dict().items()})
    probabilities = predict_states(model, walks)[1]
    np.testing.assert_allclose(probabilities, predict_states(on_cpu, walks)[1], atol=1e-3)
    long = generate(model, walks, 5)
    np.testing.assert_allclose(long.cpu(), generate(on_cpu, walks, 5), atol=1e-2)
