"""What the chapter on the molecule shows and says of what `study` kept."""

import json

import numpy as np
import pandas as pd

from ...files import paths
from ...statistics import binomial_error, mean_with_error, with_error
from ..kept_results import title
from . import generator, learning
from .kinetics import JUDGED_LAGS, TIMES
from .runs import SPLIT, STRIDE, is_left_handed, load_runs

TIME_NAMES = dict(zip(TIMES, ("α-R to β", "β to α-R", "slowest timescale"), strict=True))
#: What generators are judged on, and how tables call it.
JUDGED = {
    "passage_time_ab": "α-R to β (ps)",
    "passage_time_ba": "β to α-R (ps)",
    "slowest_timescale": "slowest timescale (ps)",
    "population_b": "share of β",
    "divergence": "divergence (0.001 nats)",
}


def score_table(kept):
    """Accuracy and skill of baselines and of each training, with errors over blocks of windows."""
    rows = {name: {"accuracy": pair} for name, pair in kept["baselines"]["accuracy"].items()}
    rows |= {name: {"skill": pair} for name, pair in kept["baselines"]["skill"].items()}
    for name, content in kept["trainings"].items():
        rows[title(name)] = {score: content["judged"][score] for score in ("accuracy", "skill")}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", "skill"])
    table = table.map(lambda pair: with_error(*pair) if isinstance(pair, list) else "")
    return table.rename_axis("training or rule")


def over_trainings(kept, score, size="small"):
    """Mean of a score over trainings, and its standard error: over windows, and over trainings."""
    trainings = [c for name, c in kept["trainings"].items() if name.startswith(f"{size}-")]
    values, errors = zip(*(c["judged"][score] for c in trainings), strict=True)
    return float(np.mean(values)), float(np.hypot(np.mean(errors), _scatter(values)))


def time_table(kept):
    """Times (ps) as counted, and of the diffusion model with D from the memory at some lags."""
    counted, scales = kept["kinetics"], kept["kinetics"]["timescales"]
    columns = {"counted": {name: with_error(*counted[name]) for name in TIMES[:2]}}
    columns["counted"]["slowest_timescale"] = with_error(
        scales["values"][-1][0], scales["errors"][-1][0]
    )
    diffusion = kept["torus"]["diffusion"]
    for lag in JUDGED_LAGS:
        k = diffusion["lag_times"].index(lag)
        value, error = diffusion["values"][k], diffusion["errors"][k]
        columns[f"model, D at {lag:g} ps"] = {
            name: with_error(time / value, time * error / value**2)
            for name, time in kept["torus"]["times"].items()
            if name in TIMES
        }
    return pd.DataFrame(columns, index=list(TIMES)).rename(index=TIME_NAMES).rename_axis("time")


_PAIR = ("values", "errors")


def too_long_table(kept):
    """How much longer (per cent) the model's times are than those counted, by the lag of D."""
    columns = {
        f"D at {lag:g} ps": {
            name: with_error(*(100 * kept["times_too_long"][name][key][k] for key in _PAIR))
            for name in TIMES
        }
        for k, lag in enumerate(JUDGED_LAGS)
    }
    return pd.DataFrame(columns, index=list(TIMES)).rename(index=TIME_NAMES).rename_axis("time")


def too_long(found, border=2):
    """In words by key: from how many to how many per cent the model's passages are longer, in how
    many cases by more than so many standard errors, and those of the Markov state models."""
    values, errors = (np.array([found[name][key] for name in TIMES[:2]]) for key in _PAIR)
    markov = {
        key: " and ".join(
            with_error(*(100 * number for number in found[f"Markov {lag}"][name]))
            for name in TIMES[:2]
        )
        for key, lag in zip(("markov_near", "markov_far"), generator.MARKOV_STRIDES, strict=True)
    }
    return markov | {
        "too_long": f"{100 * values.min():.0f} to {100 * values.max():.0f}",
        "n_longer": f"{(values > border * errors).sum()} of {values.size}",
    }


def pooled_generators(kept):
    """{kind: {name: (mean, standard error)}} over trainings: of sampling, and of their scatter."""
    found = {}
    for kind in generator.CONTEXTS:
        seeds = _of_kind(kept, kind)
        values = {name: np.array([c[name] for c in seeds]).T for name in JUDGED}
        found[kind] = {
            name: (value.mean(), np.hypot(np.mean(error) / len(value) ** 0.5, _scatter(value)))
            for name, (value, error) in values.items()
        }
    return found


def _scatter(values):
    return mean_with_error(values)[1] if len(values) > 1 else 0.0


#: Rows of the table of generators; without a divergence where the test runs are part of the row.
ROWS = {
    "counted": "counted, all runs",
    "test runs": "counted, test runs",
    "memory": "generator, 4 frames seen",
    "memoryless": "generator, 1 frame seen",
    "Markov 2": "Markov state model, 0.4 ps",
    "Markov 20": "Markov state model, 4 ps",
    "every 20": "counted every 4 ps",
}
_OF_THEIR_OWN = ("test runs", "every 20")


def generator_table(kept):
    """What generators and their rivals say, and what was counted, with standard errors."""
    rows = {"counted": kept["counted"]} | pooled_generators(kept) | kept["rivals"]
    unit, table = {"divergence": 1000}, {}
    for kind, row in ROWS.items():
        cells = {n: with_error(*np.multiply(rows[kind][n], unit.get(n, 1))) for n in JUDGED}
        if kind in _OF_THEIR_OWN:
            cells["divergence"] = ""
        table[row] = cells
    return (
        pd.DataFrame(table, index=list(JUDGED))
        .rename(index=JUDGED)
        .transpose()
        .rename_axis("made by")
    )


def disagreements(kept, kind, border=2):
    """Where a generator is off what was counted by more than so many standard errors, in words."""
    found, words = pooled_generators(kept)[kind], []
    for name in (*TIMES, "population_b"):
        (value, error), (counted, of_counted) = found[name], kept["counted"][name]
        apart = (value - counted) / np.hypot(error, of_counted)
        if abs(apart) > border:
            words.append(f"{JUDGED[name].partition(' (')[0]} ({apart:+.1f} standard errors)")
    return ", ".join(words) or "none"


def gain_of_memory(kept):
    """What a generator gains by seeing frames before the present one, over seeds, with errors.

    The loss (nats), and the mean of the three times without memory over those with it.
    """
    with_memory, without = (_of_kind(kept, kind) for kind in ("memory", "memoryless"))
    losses, ratios = [], []
    for first, second in zip(with_memory, without, strict=True):
        losses.append(second["training"]["loss"] - first["training"]["loss"])
        ratios.append(np.exp(np.mean([np.log(second[n][0] / first[n][0]) for n in TIMES])))
    return mean_with_error(losses), mean_with_error(ratios)


def _of_kind(kept, kind):
    return [c for name, c in kept["generators"].items() if name.partition("-")[0] == kind]


def needed_diffusion(kept):
    """D for which the model's passages from alpha-R take as long as those counted."""
    return kept["torus"]["times"]["passage_time_ab"] / kept["kinetics"]["passage_time_ab"][0]


def first_training(kept):
    """What was kept of the training that comes first."""
    return next(iter(kept["trainings"].values()))


def tried_accuracy():
    """Validation accuracy, in words, of the large model at the usual learning rate."""
    tried = json.loads((paths.RESULTS / "trainings_tried.json").read_text())["molecule"][0]
    return with_error(tried["accuracy"], binomial_error(tried["accuracy"], tried["n_validation"]))


def numbers(kept):
    """What the chapter's text cites, by the name of its key."""
    counted, shots, torus = kept["kinetics"], kept.get("shooting"), kept["torus"]
    surface_, base = kept["surface"], kept["baselines"]
    found = {
        "total_ns": surface_["total_ns"],
        "run_ns": surface_["run_ns"],
        "left_ps": surface_["left_ps"],
        "frames_left": int(is_left_handed(load_runs().dihedrals).sum()),
        "n_runs": sum(map(len, SPLIT.values())),
        "n_passages": sum(counted["n_passages"]),
        "time_ab": with_error(*counted["passage_time_ab"]),
        "time_ba": with_error(*counted["passage_time_ba"]),
        "share_beta": with_error(*counted["population_b"]),
        "longer_at_frames": 100 * float(np.mean([kept["longer_at_frames"][n] for n in TIMES[:2]])),
        "model_share_beta": torus["times"]["population_b"],
        "n_train": base["n_train"],
        "n_test": base["n_test"],
        "n_blocks": base["n_blocks"],
        "ring": with_error(*base["accuracy"]["the ring"]),
        "trees": with_error(*base["accuracy"]["boosted trees"]),
        "majority": with_error(*base["accuracy"]["majority"]),
        "box_skill": with_error(*base["skill"]["mean of its box"]),
        "n_trainings": learning.SEEDS["small"],
        "tried": tried_accuracy(),
        "passes": ", ".join(f"{size} {n}" for size, n in learning.N_PASSES.items()),
    } | too_long(kept["times_too_long"])
    if shots:
        found |= {f"shots_{name}": value for name, value in shots["agreement"].items()}
        found["shots_too_high"] = with_error(
            -found.pop("shots_bias"), found.pop("shots_bias_error")
        )
        found["shots_explained"] = with_error(
            shots["agreement"]["explained"], found.pop("shots_explained_error")
        )
    if kept["generators"]:
        found |= {f"off_{kind}": disagreements(kept, kind) for kind in generator.CONTEXTS}
        gain, ratio = gain_of_memory(kept)
        found |= {"memory_gain": with_error(*gain), "slower_without_memory": with_error(*ratio)}
        found["n_generators"] = generator.N_SEEDS
        found["n_made_passages"] = int(
            sum(sum(c["n_passages"]) for c in kept["generators"].values())
        )
        found["generator_walkers"] = generator.N_WALKERS
        found["generator_ps"] = generator.N_FRAMES * STRIDE * load_runs().settings.frame_time
    if kept["trainings"]:
        found["accuracy"] = with_error(*over_trainings(kept, "accuracy"))
        found["skill"] = with_error(*over_trainings(kept, "skill"))
        judged = [content["judged"] for content in kept["trainings"].values()]
        found["made_passages"] = sum(sum(one["passages"]) for one in judged)
        found["made_ps"] = sum(one["continued_ps"] for one in judged)
        for which in ("last_spread", "real_spread"):
            found[which] = float(np.mean([one[which] for one in judged]))
        found["real_passages"] = found["made_ps"] / (1000 * surface_["total_ns"])
        found["real_passages"] *= found["n_passages"]
    return found
