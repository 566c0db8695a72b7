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


def test_errors_of_the_law_are_the_scatter_of_noisy_measurements():
    random, found = np.random.default_rng(0), []
    for _ in range(400):
        speeds = law(LENGTHS) * (1 + 0.02 * random.standard_normal(len(LENGTHS)))
        a, b = scale.fit_length_law(LENGTHS, speeds)
        found.append([a, b, a / b, *np.square(scale.length_law_errors(LENGTHS, speeds))])
    found = np.array(found)
    scatter, claimed = found[:, :3].std(axis=0), np.sqrt(found[:, 3:].mean(axis=0))
    np.testing.assert_allclose(claimed, scatter, rtol=0.15)


def test_the_law_of_made_up_speeds_is_found_again():
    np.testing.assert_allclose(scale.fit_length_law(LENGTHS, law(LENGTHS)), [2e-5, 1e-7])
    np.testing.assert_allclose(
        scale.fit_length_law([1, 2, 3], [5.0, 5.0, 5.0]), [0.2, 0], atol=1e-9
    )


def test_proportional_growth_has_exponent_one(result):
    amounts, seconds, exponent = scale.simulation_growth(result, "n_trajectories")
    np.testing.assert_allclose(seconds, amounts * 1000 / 1e6)
    assert exponent == pytest.approx(1.0)


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


def test_ratios_are_to_the_fair_rival_first_and_span_the_rounds(result):
    speeds = (("sdpa", 0.1, 100.0), ("sdpa", 0.0, 300.0), ("eager", 0.0, 50.0))
    result["rows"] = [
        row("training", size="small", attention=attention, attention_dropout=dropout,
            label="ours" if attention == "cpu_fused" else None, median_frames_per_s=speed,
            lowest_frames_per_s=speed / 2, highest_frames_per_s=2 * speed)
        for attention, dropout, speed in (*speeds, ("cpu_fused", 0.0, 1200.0))
    ]  # fmt: skip
    ratios = scale.ratios(result)
    assert list(ratios.index) == [("sdpa", "small"), ("plain", "small")]
    assert ratios["times"].tolist() == [4.0, 12.0]
    assert ratios.loc["sdpa", "small"][["low", "high"]].tolist() == [1.0, 16.0]


def test_ours_is_called_faster_only_where_it_is_in_all_rounds():
    rivals = [("small", 300.0), ("large", 700.0)]
    rows = [
        row("training", size=size, attention=attention, median_frames_per_s=speed,
            lowest_frames_per_s=speed / 1.5, highest_frames_per_s=1.5 * speed,
            label="ours" if attention == "cpu_fused" else None)
        for size, rival in rivals
        for attention, speed in (("sdpa", rival), ("cpu_fused", 1200.0))
    ]  # fmt: skip
    machine = "AMD EPYC Processor, 2 cores"
    table, words = scale.fair_ratios([{"rows": rows, "machine": machine}])
    assert table.loc["small", "AMD EPYC"] == "4.0 (1.8 to 9.0)"
    assert words == {"AMD EPYC": "confirmed for small, undecided for large"}


def test_on_a_gpu_the_fair_rival_is_the_one_in_bfloat16():
    speeds = {("gpu_padded", "float32"): 600.0, ("gpu_padded", "bfloat16"): 500.0}
    speeds |= {("sdpa", "bfloat16"): 400.0, ("sdpa", "float32"): 200.0}
    rows = [
        row("training", size="small", attention=attention, precision=precision,
            label="ours" if attention == "gpu_padded" else None,
            median_frames_per_s=speed, lowest_frames_per_s=speed, highest_frames_per_s=speed)
        for (attention, precision), speed in speeds.items()
    ]  # fmt: skip
    training = {"rows": rows, "machine": "a GPU"}
    assert scale.ratios(training)["times"].to_dict() == {
        ("sdpa, bfloat16", "small"): 1.5,
        ("sdpa", "small"): 3.0,
    }
    programs = {"ours, two cores": (8.0, 4.0), "JAX": (2.0, 40.0), "torch.compile": (1.0, 20.0)}
    simulator = {
        "rows": [
            {"name": f"{name}, {n}", "n_trajectories": n}
            | {f"{which}_steps_per_s": 1e6 * speed for which in ("median", "lowest", "highest")}
            for name, by_number in programs.items()
            for n, speed in zip((10, 1000), by_number, strict=True)
        ]
    }
    on_cores = {"rows": [row("training", size="small", label="ours", median_frames_per_s=60.0)]}
    found = scale.gpu_numbers(simulator, training, on_cores, stride=2)
    assert found["gpu_faster"] == "confirmed for small"
    assert found["gpu_times"] == "small 10"
    assert (found["gpu_simulator_few"], found["gpu_simulator_many"]) == (0.25, 10.0)
    assert found["gpu_simulated"] == 2.0
    table = scale.gpu_simulator_table(simulator)
    assert table.loc["JAX, GPU", "1,000 trajectories"] == "40 (40 to 40)"
    assert table.loc["ours, two cores", "10 trajectories"] == "8 (8 to 8)"


def test_the_committed_rows_of_the_gpu_have_every_number_that_the_chapter_says():
    training = scale.load_benchmark("training_gpu")
    found = scale.gpu_numbers(
        scale.load_benchmark("simulator_gpu"), training, scale.load_benchmark("training"), 200
    )
    json.dumps(found)
    assert set(scale.gpu_ratio_table(training).columns) == {"small", "medium", "large"}
    speeds = scale.gpu_speed_table(training)
    assert ("generation, window of 400", "sdpa", "float32") in speeds.index
    assert {failed["attention"] for failed in training["failed"]} == {"flex_attention"}


def test_the_committed_rows_have_every_number_that_the_chapter_says():
    simulator = scale.load_benchmark("simulator")
    machines = list(map(scale.load_benchmark, scale.MACHINES))
    found = scale.numbers(simulator, machines, 512)
    assert found["ratio_small_2"] == pytest.approx(found["fair_small_2"] * found["dropout_small"])
    assert found["fair_small_2_low"] < found["fair_small_2"] < found["fair_small_2_high"]
    assert found["million_gigabytes"] == 8.0
    json.dumps(found)  # nothing but numbers and words
