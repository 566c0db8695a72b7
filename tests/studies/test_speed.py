"""Laws fitted to measured speeds, and what follows from them, on made-up measurements."""

import json

import numpy as np
import pytest

from mb_support.studies import speed as scale

LENGTHS = np.array([125, 250, 500, 1000])


def law(n, a=2e-5, b=1e-7):
    return 1 / (a + b * n)


def row(kind, **changes):
    usual = dict(
        kind=kind,
        size=None,
        n_frames=1000,
        attention=None,
        precision="float32",
        attention_dropout=0.0,
        threads=2,
        processes=1,
        n_trajectories=None,
        label=None,
    )
    return usual | changes


@pytest.fixture
def result():
    rows = [
        row(kind, size="small", label="ours", attention="cpu_fused", n_frames=int(n),
            median_frames_per_s=float(law(n)) * (3 if kind == "inference" else 1))
        for kind in ("training", "inference") for n in LENGTHS
    ]  # fmt: skip
    rows += [
        row("simulation", n_trajectories=n, median_frames_per_s=1e6) for n in (256, 1024, 4096)
    ]
    rows += [
        row(kind, n_trajectories=1024, median_frames_per_s=5e5)
        for kind in ("store writing", "store reading")
    ]
    return {"rows": rows}


def test_the_law_of_made_up_speeds_is_found_again():
    fitted = scale.fit_length_law(LENGTHS, law(LENGTHS))
    assert fitted.fixed == pytest.approx(2e-5) and fitted.per_frame == pytest.approx(1e-7)
    assert fitted.crossover == pytest.approx(200)
    np.testing.assert_allclose(fitted.frames_per_s(LENGTHS), law(LENGTHS))


def test_speeds_that_do_not_depend_on_length_have_no_crossover():
    assert scale.fit_length_law([1, 2, 3], [5.0, 5.0, 5.0]).crossover > 1e9


@pytest.mark.parametrize(
    "lengths, speeds", [([100], [1.0]), ([100, 100], [1.0, 2.0]), ([1, 2], [1.0, 0.0])]
)
def test_too_few_or_impossible_speeds_are_refused(lengths, speeds):
    with pytest.raises(ValueError, match="positive speeds at two lengths"):
        scale.fit_length_law(lengths, speeds)


def test_proportional_growth_has_exponent_one(result):
    amounts, seconds = scale.simulation_growth(result, "n_trajectories")
    np.testing.assert_allclose(seconds, amounts * 1000 / 1e6)
    assert scale.fit_exponent(amounts, seconds) == pytest.approx(1.0)


def test_a_million_trajectories_by_hand(result):
    cost = scale.cost_of(result)
    assert cost.loc["simulate", "hours"] == pytest.approx(1e9 / 1e6 / 3600)
    assert cost.loc["simulate into a store", "hours"] == pytest.approx(1e9 / 5e5 / 3600)
    training = cost.loc["train once through, small", "frames per second"]
    assert training == pytest.approx(law(1000))
    assert cost.loc["classify, small", "frames per second"] == pytest.approx(3 * law(1000))


def test_the_table_of_implementations_holds_what_was_measured_at_full_length(result):
    table = scale.implementation_table(result)
    assert table.loc[("training", "cpu_fused", "float32"), "small"] == f"{law(1000):,.0f}"


def test_missing_and_damaged_results_are_said(tmp_path):
    with pytest.raises(ValueError, match="is missing: make benchmark"):
        scale.load_benchmark("training", tmp_path)
    (tmp_path / "benchmark_training.json").write_text('{"rows": ')
    with pytest.raises(ValueError, match="is damaged"):
        scale.load_benchmark("training", tmp_path)
    (tmp_path / "benchmark_training.json").write_text(json.dumps({"rows": []}))
    assert scale.load_benchmark("training", tmp_path) == {"rows": []}


def test_the_gain_divides_into_dropout_and_attention(result):
    speeds = (("sdpa", 0.1, 100.0), ("sdpa", 0.0, 300.0), ("eager", 0.0, 50.0))
    result["rows"] = [
        row("training", size="small", attention=attention, attention_dropout=dropout,
            median_frames_per_s=speed)
        for attention, dropout, speed in (*speeds, ("cpu_fused", 0.0, 1200.0))
    ]  # fmt: skip
    assert scale.speedup_parts(result, "small") == {"no dropout": 3.0, "attention": 4.0}


def test_bfloat16_is_compared_size_by_size_where_both_were_measured(result):
    result["rows"] = [
        row("training", size=size, label="ours", precision=precision, median_frames_per_s=speed)
        for size, precision, speed in (
            ("small", "float32", 200.0), ("small", "bfloat16", 100.0),
            ("medium", "float32", 10.0), ("medium", "bfloat16", 15.0), ("large", "float32", 1.0),
        )
    ]  # fmt: skip
    gains = scale.bfloat16_gains(result)
    assert gains == {"small": 0.5, "medium": 1.5}
    assert scale.gains_in_words(gains) == "in the medium one only"


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ({"small": 1.01, "large": 0.9}, "in no size"),
        ({"small": 1.2, "large": 2.0}, "in all sizes"),
        ({"small": 1.2, "medium": 1.3, "large": 1.0}, "in the small and the medium one only"),
    ],
)
def test_a_gain_counts_beyond_the_noise_of_a_measurement(gains, words):
    assert scale.gains_in_words(gains) == words
