"""What is kept of forecasts and continuations, and tables, verdict and figures made of it."""

import matplotlib

matplotlib.use("agg")

import json

import numpy as np
import pytest
from matplotlib import pyplot as plt

from mb_support.generation import generate
from mb_support.model import TrajectoryConfig, TrajectoryTransformer, weights_digest
from mb_support.plotting import generation as plots
from mb_support.plotting.style import SIZE_COLORS
from mb_support.studies.generation import study, tables
from mb_support.studies.generation.continuations import squared_errors

TINY = study.GenerationMeasurement(
    windows=(8, 20),
    n_windows=(6, 4, 2),
    slices=(9, 19),
    slice_length=8,
    prompts=(8, 20),
    n_prompts=(4, 3, 2),
    n_steps=6,
    n_horizons=3,
    blocks=(3, 50),
    n_long=(3, 2, 2),
    n_long_steps=10,
    n_drawn=2,
    grid_step=0.08,
    family="validation",
    index=70,
)


@pytest.fixture(scope="module")
def model():
    config = TrajectoryConfig.of_size("small", initializer_range=0.25, hidden_dropout_prob=0.0)
    return TrajectoryTransformer(config).eval()


@pytest.fixture(scope="module")
def found(model):
    trajectories, solver = TINY.trajectories(), TINY.solver()
    of_model = study.study_model(model, "small", TINY, trajectories, solver)
    return trajectories, of_model, study.study_exact(TINY, trajectories, solver)


def test_what_is_kept_can_be_written_and_is_of_the_trajectories(found, model):
    trajectories, content, exact = found
    json.dumps([content, exact])
    last = 19
    forecast = generate(model, trajectories[:6, 12:20], 1)[:, -1]
    expected = squared_errors(forecast, trajectories[:6, last + 1])
    np.testing.assert_allclose(content["windows"][0], expected, rtol=1e-3)
    copied = squared_errors(trajectories[:, last], trajectories[:, last + 1])
    np.testing.assert_allclose(exact["windows"]["last frame"], copied, rtol=1e-3)
    slice_of = squared_errors(
        generate(model, trajectories[:6, 2:10], 1)[:, -1], trajectories[:6, 10]
    )
    np.testing.assert_allclose(content["slices"][0], slice_of, rtol=1e-3)


def test_continuations_are_scored_against_what_the_particle_did(found, model):
    trajectories, content, exact = found
    row = next(r for r in content["growth"] if (r["n_prompt"], r["frames_per_step"]) == (20, 1))
    made = generate(model, trajectories[:4, :20], 6)
    errors = squared_errors(made[:, 20:], trajectories[:4, 20:26])
    np.testing.assert_allclose(row["errors"], errors[:, np.array(row["horizons"]) - 1].T, rtol=1e-3)
    np.testing.assert_allclose(exact["drawn"], trajectories[:2, 20:30], rtol=1e-3)
    assert [r["frames_per_step"] for r in content["growth"]] == [1, 3, 1, 3]  # 50 does not fit
    assert np.shape(content["growth"][1]["echo"]) == (2, 4)
    assert np.shape(content["long"]["drawn"]) == (2, 10, 2)


def kept(windows, slices, growth, left=(-1, -1), seeds=1):
    """Content of a training, or of several alike."""
    rows = [
        {
            "n_prompt": 100,
            "frames_per_step": 1,
            "horizons": [1, 5],
            "errors": growth,
            "ends": ends(left),
        },
        {
            "n_prompt": 100,
            "frames_per_step": 10,
            "horizons": [1, 5],
            "errors": growth,
            "echo": [[0.8, 1.0], [0.1, 0.3]],
        },
    ]
    settings = {"windows": [50], "slices": [99, 499], "slice_length": 100, "n_long_steps": 400}
    content = {
        "settings": settings,
        "windows": [windows],
        "slices": slices,
        "growth": rows,
        "long": {"n_prompt": 100, "ends": ends(left)},
    }
    return dict.fromkeys(range(seeds), content)


def ends(left):
    return {
        "end": ["at rest" if frame < 0 else "drifted off" for frame in left],
        "left": list(left),
        "off": [0.0 if frame < 0 else 0.5 for frame in left],
        "from_minimum": [0.1, 0.3],
    }


@pytest.fixture
def exact():
    rng = np.random.default_rng(0)
    errors = rng.uniform(1, 2, size=(5, 200)).tolist()
    growth = {"horizons": [1, 5], "exact": errors[:2], "last frame": errors[2:4]}
    growth["mean of the prompt of 100"] = errors[2:4]
    return {
        "windows": {"exact": errors[0], "last frame": errors[1]},
        "slices": [{"exact": errors[2]}, {"exact": errors[3]}],
        "growth": growth,
    }


def trainings_of(exact, later=0.0, **others):
    """A small model twice as wrong as the exact mean, with `later` more for the last slice."""
    first, last = (np.array(s["exact"]) for s in exact["slices"])
    return {
        "small": kept(
            np.multiply(2, exact["windows"]["exact"]).tolist(),
            [(first + 0.1).tolist(), (last + 0.1 + later).tolist()],
            np.multiply(2, exact["growth"]["exact"]).tolist(),
            **others,
        )
    }


@pytest.mark.parametrize(
    ("later", "verdict"), [(0.2, "confirmed"), (-0.2, "refuted"), (0.0, "undecided")]
)
def test_forecasts_deteriorate_where_the_excess_over_the_exact_error_grows(exact, later, verdict):
    noise = np.random.default_rng(1).normal(size=200)
    trainings = trainings_of(exact, later)
    content = trainings["small"][0]
    content["slices"][1] = (np.array(content["slices"][1]) + noise * 0.1).tolist()
    assert tables.deteriorates(trainings, exact) == {"small": verdict}


def test_a_size_is_undecided_where_its_trainings_disagree(exact):
    trainings = trainings_of(exact, 0.2)
    trainings["small"][1] = trainings_of(exact, -0.2)["small"][0]
    assert tables.deteriorates(trainings, exact) == {"small": "undecided"}


def test_the_exact_mean_saves_what_its_errors_say(exact):
    value, low, high = tables.exact_saved(exact)
    assert value == pytest.approx(
        1 - np.mean(exact["windows"]["exact"]) / np.mean(exact["windows"]["last frame"])
    )
    saved = tables.saved(trainings_of(exact, seeds=2), exact)["small"]
    assert saved.shape == (2, 1, 3)
    assert saved[0, 0, 0] == pytest.approx(2 * value - 1)
    ratio = tables.over_exact(trainings_of(exact, seeds=2), exact)["small"]
    np.testing.assert_allclose(ratio, np.full((2, 3), 2.0))  # twice the error, on each trajectory
    table = tables.saved_table(trainings_of(exact, seeds=2), exact)
    assert table.loc["small", "n"] == 200 and table.loc["small", "seeds"] == 2
    assert table.loc["small", "50 frames"].startswith(f"{2 * value - 1:.2f} [")


def test_growth_is_in_units_of_the_exact_error(exact):
    trainings = trainings_of(exact)
    horizons, models, baselines = tables.growth(trainings, exact, 100)
    np.testing.assert_array_equal(horizons, [1, 5])
    assert models["small"].shape == (1, 2, 3)
    np.testing.assert_allclose(models["small"], 2.0)
    assert set(baselines) == {"last frame", "mean of the prompt"}
    for name, ratios in baselines.items():
        ahead = tables.better_until(trainings, exact, 100, name)["small"]
        assert ahead == (5 if min(ratios) > 2 else 1 if ratios[0] > 2 else 0)
    table = tables.growth_table(trainings, exact)
    assert table.loc[(100, 1, "small"), "1 ahead"] == "2.00 [2.00, 2.00]"


def test_ends_are_counted_training_by_training(exact):
    trainings = trainings_of(exact, left=(-1, 7), seeds=2)
    trainings["small"][1] = trainings_of(exact)["small"][0]
    table = tables.ends_table(trainings)
    row = table.loc[("small", 100, 400)]
    assert row["at rest"] == "1,\xa02" and row["continuations"] == 2
    assert row["drifted off"] == "1,\xa00" and row["jumped off"] == "0"
    assert row["left after"] == "7\xa0(7–7)"
    assert row["distance to a minimum"] == "0.10\xa0(0.10–0.20)"
    assert tables.words(trainings, exact)["runaways"] == "small 1, 0 of 2"
    echo = tables.echo_table(trainings)
    row = echo.loc[("small", 100, 10)]
    assert row["frames they sit on"] == "0.90 [0.80, 1.00]" and row["seeds"] == 2


def test_a_size_trained_once_has_intervals_but_no_range(exact):
    one, two = (trainings_of(exact, 0.2, seeds=n) for n in (1, 2))
    two["small"][1] = two["small"][0] | {"windows": [exact["windows"]["exact"]]}
    for number, trainings in enumerate((one, two), start=1):
        words = tables.words(trainings, exact)["skills"]
        assert words.startswith(f"small ({number} seed")
        assert ("to" in words) == (number == 2) and "[" in words
    verdicts = tables.deteriorates(one, exact)
    assert tables.in_words(verdicts, one) == "confirmed for small (1 seed)"
    assert tables.in_words(verdicts, two) == "confirmed for small (2 seeds)"
    assert tables.in_words({}, one) == "no size"


def test_error_saved_is_a_share_of_the_reference():
    rng = np.random.default_rng(1)
    reference = rng.uniform(size=300)
    assert tables.error_saved(reference / 4, reference) == pytest.approx([0.75] * 3)
    value, low, high = tables.error_saved(rng.uniform(size=300), reference)
    assert low < 0 < high and low < value < high


def test_horizons_run_from_one_to_the_last():
    horizons = study.forecast_horizons(200, 15)
    assert horizons[0] == 1 and horizons[-1] == 200 and (np.diff(horizons) > 0).all()


def test_slices_are_named_by_their_first_frame(exact):
    table = tables.slices_table(trainings_of(exact), exact)
    assert list(table.columns[-2:]) == ["from frame 0", "from frame 400"]
    unit = np.mean(exact["slices"][0]["exact"])
    assert table.loc["small", "from frame 0"].startswith(f"{0.1 / unit:.2f} [")


def test_results_are_of_the_committed_weights(tmp_path, model):
    checkpoints, results = tmp_path / "checkpoints", tmp_path / "results"
    model.save_pretrained(checkpoints / "small")
    results.mkdir()
    with pytest.raises(ValueError, match="no exact.json.*studies generation exact"):
        study.load(["small"], results, checkpoints)
    (results / "exact.json").write_text("{}")
    (results / "small-1.json").write_text(json.dumps({"weights": "others"}))
    with pytest.raises(ValueError, match="of the weights in.*studies generation"):
        study.load(["small"], results, checkpoints)
    (results / "small-0.json").write_text(json.dumps({"weights": weights_digest(model)}))
    trainings, _ = study.load(["small"], results, checkpoints)
    assert list(trainings["small"]) == [0, 1]


def test_a_part_is_made_once(tmp_path, model, monkeypatch):
    lines = []
    monkeypatch.setattr(study, "load_training", lambda name: (model, weights_digest(model)))
    for _ in range(2):
        study.make_part("small-0", tmp_path, lines.append, TINY)
    assert lines[1] == "small-0 is up to date"
    assert json.loads((tmp_path / "small-0.json").read_text())["weights"] == weights_digest(model)


def test_committed_weights_are_found_and_their_forecasts_repeated(found, model):
    trajectories, content, _ = found
    other = content | {"weights": "others", "windows": [[0.0] * 6] * 2}
    mine = content | {"weights": weights_digest(model)}
    committed = study.of_committed({"small": {0: other, 1: mine}}, {"small": model})
    assert committed["small"] is mine
    models, n = {"small": model}, (5, 4, 3)
    assert study.repeated(models, committed, trajectories, TINY, n)["small"] < 1e-3
    assert study.repeated(models, {"small": other}, trajectories, TINY, n)["small"] > 1e-3


def test_a_drawn_continuation_begins_with_the_end_of_its_prompt(found, model):
    trajectory = found[0][0]
    runs = study.continuations({"small": model}, trajectory, TINY, n_steps=5, n_shown=4)
    assert list(runs["small"]) == ["from 20 frames", "from 8 frames"]
    for n_prompt, run in zip((20, 8), runs["small"].values(), strict=True):
        np.testing.assert_array_equal(run[:4], trajectory[16:20])
        made = generate(model, trajectory[None, 20 - n_prompt : 20], 5)
        np.testing.assert_array_equal(run[4:], made[0, n_prompt:])


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_continuations_begin_at_the_last_frame_of_the_prompt():
    actual = np.random.default_rng(1).normal(size=(30, 2))
    exact = np.array([1, 20]), np.zeros((2, 2)), np.ones((2, 2))
    runs = {"from 20": actual + 1, "from 10": actual - 1}
    fig, axes = plt.subplots(1, 2, squeeze=False)
    plots.plot_continuations(actual, {"small": runs}, 10, exact, axes)
    drawn = [line for line in axes[0, 1].lines if line.get_color() == SIZE_COLORS["small"]]
    np.testing.assert_array_equal(drawn[0].get_xdata(), np.arange(21))
    np.testing.assert_allclose(drawn[0].get_ydata(), actual[9:, 1] + 1)
    plt.close(fig)


def test_growth_saved_and_trails_return_their_axes(ax):
    horizons, growth = np.array([1, 10]), {"small": np.ones((3, 2, 3))}
    assert plots.plot_error_growth(horizons, growth, {"last frame": np.ones(2)}, "", ax) is ax
    fig, axes = plt.subplots(2, 2)
    plots.plot_growth_panels(dict.fromkeys("abc", (horizons, growth, {})), axes)
    assert [text.get_text() for text in axes[1, 1].get_legend().texts] == ["exact mean", "small"]
    assert plots.plot_saved([5, 9], growth, (0.1, 0.0, 0.2), axes[0, 0]) is axes[0, 0]
    fig, other = plt.subplots()  # the others have logarithmic axes
    assert plots.plot_trails(np.zeros((1, 3, 2)), TINY.solver(), "actual", other) is other
    plt.close("all")
