"""What the heads say of the leak: tables for the chapter, and verdicts over the trainings."""

import numpy as np
import pandas as pd

from .attention_measures import rank_correlation
from .attention_verdicts import together
from .leak import N_RELAX
from .leak_heads import NEXT
from .leak_tables import WIDTH, at_length, below_floor, reads_next_frame, spread_text

#: Neighbouring positions that count as one observation.
BLOCK = 16


def head_table(trainings):
    """The head of each training that looks at the next frame most, and the error without it.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict

    Returns
    -------
    DataFrame of str
        One row a training: the head, its weight on the next frame by length of the windows, that
        of the head that comes second in the first length, and error over floor inside of the
        whole model, without the head, and without another one instead.
    """
    rows = {}
    for size, seeds in trainings.items():
        for seed, content in seeds.items():
            attention, (whole, one, *_) = content["attention"], content["ablation"]["rows"]
            layer, head = attention[0]["head"]
            row = {"head": f"layer {layer + 1}, head {head + 1}"}
            for entry in attention:
                weight = entry["next"][layer][head]
                row[f"weight, {entry['n_frames']} frames"] = f"{weight:.2f}"
            row["of the next head"] = f"{np.sort(attention[0]['next'], axis=None)[-2]:.2f}"
            for word, pair in (
                ("whole model", whole["finders"]),
                ("without it", one["finders"]),
                ("without another", one["others"]),
            ):
                row[word] = spread_text([pair])
            rows[f"{size}-{seed}"] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def one_head_does_it(content):
    """Whether a single head carries what a training reads.

    Parameters
    ----------
    content : dict
        Of a training.

    Returns
    -------
    {"confirmed", "refuted", "undecided", "reads nothing"}
        Confirmed if the error is below the floor, comes back to it or above without the head, and
        stays below without another one.
    """
    whole, one, *_ = content["ablation"]["rows"]
    if below_floor(whole["finders"]) != "confirmed":
        return "reads nothing"
    without, control = below_floor(one["finders"]), below_floor(one["others"])
    if without == "confirmed":  # still below
        return "refuted"
    return "confirmed" if control == "confirmed" else "undecided"


def head_verdicts(trainings):
    """`one_head_does_it` for each size, as {size: verdict}."""
    return {
        size: together(one_head_does_it(content) for content in seeds.values())
        for size, seeds in trainings.items()
    }


def attention_against_error(content, n_resamples=1000, seed=0):
    """Whether the error of a position is large where its attention misses the next frame.

    Parameters
    ----------
    content : dict
        Of a training.
    n_resamples, seed : int
        Of the bootstrap over blocks of `BLOCK` positions.

    Returns
    -------
    dict
        "correlation": (value, low, high), Spearman's, over the positions inside; "n_above":
        positions whose error is above the floor by two standard errors, of "n"; "weight_above"
        and "weight_else": mean weight on the next frame at these and at the others.
    """
    attention = next(
        entry
        for entry in content["attention"]
        if entry["n_frames"] == content["position"]["n_frames"]
    )
    weight = np.array(attention["near"][NEXT][N_RELAX:-1], float)
    ratio, error = (
        np.array(content["position"][name][N_RELAX:-1], float) for name in ("ratio", "error")
    )
    blocks = np.array_split(np.arange(len(weight)), max(1, len(weight) // BLOCK))
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(n_resamples):
        chosen = np.concatenate([blocks[i] for i in rng.integers(len(blocks), size=len(blocks))])
        drawn.append(rank_correlation(weight[chosen], ratio[chosen]))
    is_above = ratio - WIDTH * error > 1

    def mean(chosen):
        return float(weight[chosen].mean()) if chosen.any() else np.nan

    return {
        "correlation": (
            float(rank_correlation(weight, ratio)),
            *(float(q) for q in np.quantile(drawn, [0.025, 0.975])),
        ),
        "n_above": int(is_above.sum()),
        "n": len(weight),
        "weight_above": mean(is_above),
        "weight_else": mean(~is_above),
    }


def position_table(trainings):
    """`attention_against_error` of each training that reads the next frame.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict

    Returns
    -------
    DataFrame of str
        Without rows if none does.
    """
    rows = {}
    for size, seeds in trainings.items():
        for seed, content in seeds.items():
            if below_floor(at_length(content)["interior"]["ratio"]) != "confirmed":
                continue
            found = attention_against_error(content)
            value, low, high = found["correlation"]
            rows[f"{size}-{seed}"] = {
                "rank correlation": f"{value:.2f} [{low:.2f}, {high:.2f}]",
                "positions above the floor": f"{found['n_above']} of {found['n']}",
                "weight on the next frame there": f"{found['weight_above']:.2f}",
                "elsewhere": f"{found['weight_else']:.2f}",
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def misses_explain(trainings):
    """Whether errors grow where attention misses the next frame, for the sizes that read it.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict

    Returns
    -------
    dict of str to {"confirmed", "refuted", "undecided"}
        Confirmed if the rank correlation is negative in every training. Sizes with a training
        that does not read the next frame are left out.
    """
    found = {}
    for size, verdict in reads_next_frame(trainings).items():
        if verdict == "confirmed":
            ends = [attention_against_error(c)["correlation"][1:] for c in trainings[size].values()]
            found[size] = together(
                "confirmed" if high < 0 else "refuted" if low > 0 else "undecided"
                for low, high in ends
            )
    return found
