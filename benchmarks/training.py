"""Frames per second of training, inference, generation and simulation, interleaved in one run.

    .venv/bin/python benchmarks/training.py [--quick] [--rounds 3]

"ours" is what the recipes use: attention for tiny heads, float32, no dropout. Its fair rival is
`sdpa` without dropout, as it is and under `torch.compile`; "plain" is how such a model is usually
set up, `sdpa` with an attention dropout of 0.1. Flex attention has no backward pass on a processor.
Trajectories have at most 1000 frames, and are those of the regime "fine".
Candidates are tried in turns, so that a disturbance hits all alike; medians are kept. Every
training turn is a whole step: loss, gradients, clipping, AdamW.

Where there is a GPU, training, inference and generation are timed on it, with matrix products in
TF32 as in our trainings; "ours" then has heads filled up with zeros and their scores in bfloat16.

Writes results/benchmark_training.json, or results/benchmark_training_gpu.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from mb_support import (
    REGIMES,
    TrajectoryConfig,
    TrajectoryTransformer,
    generate,
    sample_starts,
    simulate,
)
from mb_support.datasets import make_dataset
from mb_support.files.results import circumstances
from mb_support.model import SIZES
from mb_support.model.transformer import fastest_attention
from mb_support.studies.speed import FULL_LENGTH, ratios

ROOT = Path(__file__).resolve().parents[1]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
#: Frames that go through a model in one turn: on a GPU what keeps it busy and fits its memory.
FRAMES = {"small": 8000, "medium": 2000, "large": 1000}
if DEVICE == "cuda":
    FRAMES = {"small": 64_000, "medium": 16_000, "large": 8000}
#: What is done sooner is repeated for as long, so that the clock is read seldom.
SHORTEST_S = 0.5
LENGTHS = (125, 250, 500, FULL_LENGTH)
WINDOWS = (100, 400)
REGIME = "fine"
#: With this in the name of the attention, the whole model is compiled before it is timed.
COMPILED = " compiled"


@dataclass(frozen=True)
class Candidate:
    """One thing that is timed; `kind` says what, the rest how."""

    kind: str
    size: str | None = None
    n_frames: int = FULL_LENGTH
    attention: str | None = None
    precision: str = "float32"
    attention_dropout: float = 0.0
    threads: int = 2
    processes: int = 1
    n_trajectories: int | None = None
    label: str | None = None


def ours(kind, size, **changes):
    """The configuration of the recipes."""
    on_gpu = torch.device(DEVICE).type == "cuda" and kind == "training"
    settings = {"attention": "gpu_padded" if on_gpu else fastest_attention(DEVICE)}
    settings |= {"label": "ours"}
    return Candidate(kind, size, **(settings | changes))


def plain(size, **changes):
    """The usual configuration."""
    settings = {"attention": "sdpa", "attention_dropout": 0.1, "label": "plain"}
    return Candidate("training", size, **(settings | changes))


def candidates(sizes, quick=False):
    """Everything that is timed, without repetitions."""
    found = [make("training", size) if make is ours else make(size)
             for size in sizes for make in (plain, ours)]  # fmt: skip
    if quick:
        return found
    for size in sizes:
        found += [ours("training", size, n_frames=n) for n in LENGTHS]
        found += [ours("inference", size, n_frames=n) for n in LENGTHS]
        found.append(ours("training", size, precision="bfloat16"))
        found += [plain(size, threads=1), ours("training", size, threads=1)]
        for attention in ("eager", "sdpa"):
            found += [Candidate(kind, size, attention=attention)
                      for kind in ("training", "inference")]  # fmt: skip
        found.append(Candidate("training", size, attention="sdpa" + COMPILED))
        found += [ours("generation", size, n_frames=window) for window in WINDOWS]
    found += [plain(sizes[0], n_frames=n) for n in LENGTHS]
    found += [ours("training", sizes[0], threads=1, processes=n) for n in (1, 2)]
    found += [Candidate("simulation", n_trajectories=n) for n in (256, 1024, 4096)]
    found += [Candidate("simulation", n_trajectories=1024, n_frames=n) for n in (250, 4000)]
    found += [Candidate("simulation", n_trajectories=1024, threads=1)]
    found += [Candidate(kind, n_trajectories=1024) for kind in ("store writing", "store reading")]
    return list(dict.fromkeys(found))


def candidates_on_gpu(sizes, quick=False):
    """Everything that is timed on a GPU."""
    found = [make for size in sizes for make in (plain(size), ours("training", size))]
    if quick:
        return found
    for size in sizes:
        found += [ours("training", size, precision="bfloat16"), ours("inference", size)]
        for precision in ("float32", "bfloat16"):
            found.append(Candidate("training", size, attention="sdpa", precision=precision))
        others = ("sdpa" + COMPILED, "eager", "flex_attention")
        found += [Candidate("training", size, attention=attention) for attention in others]
        found += [ours("generation", size, n_frames=window) for window in WINDOWS]
    return found


# --- one turn of each kind: prepare(candidate) gives a function that returns frames done ----------


def model_of(candidate):
    TrajectoryTransformer._supports_flex_attn = True  # a rival here, not offered by the package
    config = TrajectoryConfig.of_size(
        candidate.size,
        attn_implementation=candidate.attention.removesuffix(COMPILED),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=candidate.attention_dropout,
    )
    model = TrajectoryTransformer(config).to(DEVICE)
    return torch.compile(model) if candidate.attention.endswith(COMPILED) else model


def batch_of(candidate, n_frames):
    n = max(1, FRAMES[candidate.size] // n_frames)
    data = make_dataset(n, "validation", regime=REGIME, n_frames=n_frames)
    return torch.from_numpy(data.trajectories).to(DEVICE), torch.from_numpy(data.labels).to(DEVICE)


def autocast(candidate):
    return torch.autocast(DEVICE, torch.bfloat16, enabled=candidate.precision == "bfloat16")


def training_turn(candidate):
    model = model_of(candidate).train()
    trajectories, labels = batch_of(candidate, candidate.n_frames)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def turn():
        with autocast(candidate):
            loss = model(trajectories, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return trajectories.shape[0] * trajectories.shape[1]

    return turn


def inference_turn(candidate):
    model = model_of(candidate).eval()
    trajectories, _ = batch_of(candidate, candidate.n_frames)

    @torch.no_grad()
    def turn():
        with autocast(candidate):
            model(trajectories)
        return trajectories.shape[0] * trajectories.shape[1]

    return turn


def generation_turn(candidate):
    model = model_of(candidate).eval()
    prompt, _ = batch_of(candidate, candidate.n_frames)
    n_steps = 4

    def turn():
        generate(model, prompt, n_steps, progress=False)
        return len(prompt) * n_steps

    return turn


def simulation_turn(candidate):
    config = replace(REGIMES[REGIME], n_frames=candidate.n_frames)
    starts = sample_starts(candidate.n_trajectories, 20_000)

    def turn():
        return simulate(config, starts, 20_000, n_threads=candidate.threads)[..., 0].size

    return turn


def writing_turn(candidate):
    from mb_support.datasets import store  # dask and zarr are needed here only

    def turn():
        with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as folder:
            array = store.write_store(
                Path(folder) / "set", REGIMES[REGIME], candidate.n_trajectories, 20_000,
                n_workers=candidate.threads,
            )  # fmt: skip
            return array.shape[0] * array.shape[1]

    return turn


def reading_turn(candidate):
    from mb_support.datasets import store

    folder = tempfile.TemporaryDirectory(dir=ROOT / ".cache")
    path, n = Path(folder.name) / "set", candidate.n_trajectories
    store.write_store(path, REGIMES[REGIME], n, 20_000)
    items = store.StoredTrajectories(path, [(FULL_LENGTH, n)])
    loader = torch.utils.data.DataLoader(items, batch_size=16)

    def turn(keep=folder):  # the folder lives as long as this function
        return sum(batch["trajectories"][..., 0].numel() for batch in loader)

    return turn


def distributed_turn(candidate):
    """Trains through torchrun with several processes; the time of the steps comes back."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(candidate.processes), __file__, "--worker"]
    command += [json.dumps(asdict(candidate))]

    def turn():
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.strip().splitlines()[-1])

    return turn


def work(candidate):
    """One process of several that share a batch: 5 steps, timed after 1."""
    torch.set_num_threads(candidate.threads)
    torch.distributed.init_process_group("gloo")
    model = torch.nn.parallel.DistributedDataParallel(model_of(candidate).train())
    trajectories, labels = batch_of(candidate, candidate.n_frames)
    share = slice(torch.distributed.get_rank(), None, candidate.processes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for step in range(6):
        if step == 1:
            begin, processor = time.perf_counter(), time.process_time()
        with autocast(candidate):
            model(trajectories[share], labels=labels[share]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.distributed.barrier()
    seconds, processor = time.perf_counter() - begin, time.process_time() - processor
    if torch.distributed.get_rank() == 0:
        done = {"frames": 5 * trajectories[..., 0].numel(), "seconds": seconds}
        print(json.dumps(done | {"processor_seconds": candidate.processes * processor}))
    torch.distributed.destroy_process_group()


PREPARE = {
    "training": training_turn,
    "inference": inference_turn,
    "generation": generation_turn,
    "simulation": simulation_turn,
    "store writing": writing_turn,
    "store reading": reading_turn,
}


def timed(candidate, turn):
    """Frames per second of one turn, and per second of processor time."""
    torch.set_num_threads(candidate.threads)
    if candidate.processes > 1:  # they time themselves
        done = turn()
        return done["frames"] / done["seconds"], done["frames"] / done["processor_seconds"]
    begin, begin_cpu, done, seconds = time.perf_counter(), time.process_time(), 0, 0.0
    while seconds < SHORTEST_S:
        done += turn()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - begin
    return done / seconds, done / (time.process_time() - begin_cpu)


def compare(sizes, n_rounds, quick):
    """Time everything in turns; after each round, the result as it is written to the file."""
    began, load = time.time(), os.getloadavg()[0]
    (ROOT / ".cache").mkdir(exist_ok=True)
    chosen = (candidates_on_gpu if DEVICE == "cuda" else candidates)(sizes, quick)
    turns, rates, fails = {}, {c: [] for c in chosen}, {}
    warm = set()
    for number in range(n_rounds + 1):  # the first round warms up and is not counted
        for c in chosen:
            same = (c.kind, c.size, c.attention, c.precision)  # compiled and allocated together
            if c in fails or number == 0 and (c.processes > 1 or same in warm):
                continue
            warm.add(same)
            try:
                if c not in turns:
                    turns[c] = distributed_turn(c) if c.processes > 1 else PREPARE[c.kind](c)
                both = timed(c, turns[c])
            except Exception as error:  # not every attention runs on every device
                fails[c] = f"{type(error).__name__}: {error}".splitlines()[0]
                print(f"{c.kind} {c.size} {c.attention}: {fails[c]}", flush=True)
                continue
            if number:
                rates[c].append(both)
        print(f"round {number} of {n_rounds} done after {time.time() - began:.0f} s", flush=True)
        if number:
            measured = {c: values for c, values in rates.items() if c not in fails}
            found = summary(measured, number, [load, os.getloadavg()[0]], time.time() - began)
            failed = [asdict(c) | {"error": error} for c, error in fails.items()]
            yield found | ({"failed": failed} if failed else {})


def summary(rates, n_rounds, loads, seconds):
    """Medians, and what they were measured on and with."""
    rows = [
        asdict(c)
        | {
            "median_frames_per_s": statistics.median(wall for wall, _ in values),
            "lowest_frames_per_s": min(wall for wall, _ in values),
            "highest_frames_per_s": max(wall for wall, _ in values),
            # what a core does in a second of its own: other work on the machine matters less
            "median_frames_per_core_s": statistics.median(core for _, core in values),
        }
        for c, values in rates.items()
    ]
    return {
        "task": "frames per second, interleaved, medians over rounds",
        "rounds": n_rounds,
        "rows": rows,
        "load_average": loads,
        "duration_s": seconds,
        **circumstances("torch", "transformers"),
        "date": time.strftime("%Y-%m-%d"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="ours and plain only, no file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(Candidate(**json.loads(options.worker)))
    on_gpu = DEVICE == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = on_gpu
    path = ROOT / "results" / f"benchmark_training{'_gpu' if on_gpu else ''}.json"
    for result in compare(options.sizes, options.rounds, options.quick):
        if not options.quick:  # written after every round: an interruption costs one
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(result, indent=1) + "\n")
    for row in result["rows"]:
        name = [str(row[k]) for k in ("kind", "size", "n_frames", "attention", "precision")]
        print(f"{' '.join(name):55s} {row['median_frames_per_s']:12.0f} frames/s")
    if not on_gpu:
        print(ratios(result).round(1).to_string())
    if not options.quick:
        print(f"Written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
