"""Refitting: only the classifier's head learns, from encodings that are made once."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_runs import TINY
from transformers import default_data_collator

from mb_support import TrajectoryConfig, TrajectoryTransformer, refit, training
from mb_support.curriculum import BALANCING, REFINEMENTS
from mb_support.recipes import learning_curve
from mb_support.start_head import start_readings
from mb_support.states import assign_states, distance_from_ridge

REFIT = replace(
    TINY,
    size="large",
    grown_from="medium",
    stages=((60, 12),),
    start_head=True,
    taught=True,
    guided_fraction=1.0,
    n_passes=10,
)
READINGS = start_readings(*(TrajectoryConfig.of_size(size) for size in ("medium", "large")))


@pytest.fixture(scope="module")
def first():
    return training.new_model(REFIT).plain().eval()


@pytest.fixture(scope="module", autouse=True)
def model_has_its_start_head():
    # what these tests are about comes after it; `test_start_head` is about how it is added
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_grown", lambda small, model, config: small)
        yield


@pytest.fixture(scope="module")
def refitted(first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("refit")
    model, record = training.train(REFIT, folder, begin_with=first, progress=False)
    return folder, model, record


@pytest.fixture(scope="module")
def encoded():
    # of imagined trajectories: encodings that tell the shape, with an error, and the first frame
    generator = np.random.default_rng(7)
    n, error = 1500, 0.02
    shapes = generator.normal([-0.2, 0.7, -1.6, -1.6], [0.4, 0.4, 0.2, 0.2], size=(n, 4))
    raw = generator.uniform([-1.3, 0.0], [0.3, 1.2], size=(n, 2))
    starts = (raw - shapes[:, :2]) / np.exp(shapes[:, 2:])
    told = shapes + error * generator.normal(size=(n, 4))
    scale = np.exp(0.2 * generator.normal(size=(n, 1)))
    written = np.concatenate([scale, scale * starts * [1.2, 0.8]], axis=1)
    readings = READINGS.double().numpy()
    encodings = told @ generator.normal(size=(4, 120))
    encodings -= encodings @ np.linalg.pinv(readings) @ readings
    encodings += written @ np.linalg.pinv(readings).T
    share = np.eye(2)[assign_states(raw)]
    names = ("encodings", "soft_labels", "starts", "shapes")
    values = (encodings.astype(np.float32), share, starts, shapes)
    return dict(zip(names, values, strict=True)), raw, error


def test_only_the_classifier_changes(first, refitted):
    _, model, _ = refitted
    for name, weight in first.state_dict().items():
        moved = not torch.equal(weight, model.state_dict()[name])
        assert moved == name.startswith("state_classifier."), name


def test_the_new_head_puts_the_start_back(encoded, tmp_path):
    known, raw, error = encoded
    head = TrajectoryTransformer(TrajectoryConfig.of_size("large")).state_classifier
    config = replace(REFINEMENTS["large"], n_passes=20)
    refit._fit(head, READINGS, known, config, tmp_path, progress=False)
    with torch.no_grad():
        share_of_a = head(torch.from_numpy(known["encodings"])).softmax(dim=1)[:, 0].numpy()
    height = distance_from_ridge(raw)
    clear = np.abs(height) > 0.2
    assert clear.sum() > 500
    assert np.mean((share_of_a > 0.5)[clear] == (height > 0)[clear]) > 0.995
    # no surer than the shape is known: shares are frequencies
    close = np.abs(height) < 0.1
    calibration = np.mean(share_of_a[close] - (height > 0)[close])
    assert abs(calibration) < 3 * 0.5 / np.sqrt(close.sum())
    assert 0.02 < np.mean(np.minimum(share_of_a, 1 - share_of_a)[close]) < 0.4


def test_what_is_read_knows_its_own_error(encoded):
    known, _, error = encoded
    read = refit._Reading(known, READINGS.double().numpy())
    np.testing.assert_allclose(np.sqrt(np.diag(read._covariance)), error, rtol=0.2)
    np.testing.assert_allclose(read._factors, [1.2, 0.8], rtol=1e-3)


def test_the_record_is_that_of_a_run(refitted):
    _, _, record = refitted
    assert record["trajectories_seen"] == 48 and record["frames_seen"] == 48 * 60
    assert record["wall_time_s"] > 0 and "eval_accuracy" in record["curve"][-1]
    assert learning_curve(record)["scored_frames"].tolist() == [48 * 60]


def test_without_a_start_head_the_classifier_goes_on_with_the_labels(tmp_path):
    config = replace(BALANCING["small"], stages=((60, 8),), n_validation=4, learning_rate=1e-3)
    first = training.new_model(config).plain().eval()
    stream = training.training_stream(config)
    batch = default_data_collator(stream.__getitems__(range(len(stream))))
    assert len(stream) == 128 and "soft_labels" not in batch

    def loss(model):
        with torch.no_grad():
            return float(model(batch["trajectories"], batch["labels"]).classification_loss)

    before = loss(first)
    model, record = training.train(config, tmp_path, begin_with=first, progress=False)
    for name, weight in first.state_dict().items():
        moved = not torch.equal(weight, model.state_dict()[name])
        assert moved == name.startswith("state_classifier."), name
    assert loss(model) < before - 0.05
    assert record["curve"][-2]["classification_loss"] == pytest.approx(loss(model), abs=0.01)
    # in no time it stays where it began: the change of basis is undone
    still = replace(config, learning_rate=1e-12)
    model, _ = training.train(still, tmp_path / "still", begin_with=first, progress=False)
    assert loss(model) == pytest.approx(before, abs=1e-4)


def test_a_classifier_may_go_on_with_trajectories_of_several_lengths(tmp_path, monkeypatch):
    monkeypatch.setattr(refit, "STEPS_KEPT", 3)  # a piece may hold two lengths
    config = replace(BALANCING["small"], stages=((30, 2), (60, 4)), n_validation=4)
    first = training.new_model(config).plain().eval()
    model, record = training.train(config, tmp_path, begin_with=first, progress=False)
    assert record["trajectories_seen"] == 96 and record["frames_seen"] == 32 * 30 + 64 * 60
    stream = training.training_stream(config)
    kept = [np.load(tmp_path / f"encodings-{begin}.npz")["encodings"] for begin in (0, 3)]
    for item, n_frames in ((31, 30), (32, 60)):
        shown = stream[item]["trajectories"][None]
        assert shown.shape[1] == n_frames
        with torch.no_grad():
            encoding = first.encode(first.standardise(shown[:, :-1])[0]).mean(dim=1)[0]
        np.testing.assert_allclose(np.concatenate(kept)[item], encoding, atol=1e-4)


def test_a_classifier_that_prefers_a_state_is_balanced(tmp_path):
    # right in its order, wrong in its share
    generator = np.random.default_rng(3)
    states = generator.integers(2, size=4000)
    encodings = 0.3 * generator.normal(size=(4000, 16)) + np.eye(16)[0] * states[:, None]
    encodings = torch.from_numpy(encodings.astype(np.float32))
    head = TrajectoryTransformer(TrajectoryConfig.of_size("small")).state_classifier

    def preference():
        with torch.no_grad():
            return (head(encodings).argmax(dim=1) == 1).float().mean().item() - states.mean()

    with torch.no_grad():
        head[3].bias += torch.tensor([0.0, 3.0])
    assert preference() > 0.2
    known = {"encodings": encodings.numpy(), "soft_labels": np.eye(2)[states]}
    refit._go_on(head, known, BALANCING["small"], tmp_path, progress=False)
    assert abs(preference()) < 0.02


def test_an_interrupted_refit_goes_on_to_the_same_head(first, refitted, tmp_path, monkeypatch):
    _, whole, _ = refitted
    monkeypatch.setattr(refit, "STEPS_KEPT", 5)
    plain = refit._encoded

    def stops(model, stream, config, steps, folder):
        if steps.start == 10:
            raise KeyboardInterrupt
        return plain(model, stream, config, steps, folder)

    monkeypatch.setattr(refit, "_encoded", stops)
    with pytest.raises(KeyboardInterrupt):
        training.train(REFIT, tmp_path, begin_with=first, progress=False)
    monkeypatch.setattr(refit, "_encoded", plain)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("encodings-*.npz")}
    assert len(kept) == 2
    model, _ = training.train(REFIT, tmp_path, begin_with=first, progress=False)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], weight)


def test_encodings_of_another_run_are_refused_until_it_begins_anew(first, refitted):
    folder, _, _ = refitted
    other = replace(REFIT, seed=2)
    with pytest.raises(ValueError, match="made by a run with other settings"):
        training.train(other, folder, begin_with=first, progress=False)
    training.train(other, folder, begin_with=first, progress=False, resume=False)


def test_a_refit_needs_a_trained_model_and_with_a_start_head_a_teacher():
    with pytest.raises(ValueError, match="goes on with a trained model"):
        replace(REFIT, taught=False)
    with pytest.raises(ValueError, match="guide it all"):
        replace(REFIT, guided_fraction=0.5)


def test_a_refit_shows_all_frames():
    with pytest.raises(ValueError, match="shown whole"):
        replace(REFIT, stages=((60, 12, 48),))
