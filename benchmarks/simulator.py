"""Steps per second of our simulator and of other software, interleaved in one run.

    .venv/bin/python benchmarks/simulator.py [--quick | --gpu]

Every program simulates the same thing: 1000 trajectories of overdamped Langevin dynamics in the
Müller-Brown potential by Euler-Maruyama, saving every 50th step. deeptime has no compiled
Müller-Brown system; its `triple_well_2d`, also with four exponentials, stands in, and its
`custom_sde` runs the potential itself. Each candidate lives in its own process or processes,
which stay warm; candidates are tried in turns, so that a disturbance hits all alike. Of several
variants of one program the fastest of a short trial is kept. The packages compared with are
installed into `.cache/bench-venv`, beside the project's environment and not in it.

With `--gpu`, JAX and torch.compile run on a GPU, our simulator on two cores beside it, with 1000
trajectories and with 100,000; JAX is taken as it is installed.

Writes results/benchmark_simulator.json, or results/benchmark_simulator_gpu.json.
"""

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".cache" / "bench-venv"
EXTRA_PACKAGES = ["jax==0.10.2", "openmm==8.6.1"]
PACKAGES = ["numpy", "numba", "torch", "jax", "jaxlib", "deeptime", "OpenMM"]
N_TRAJECTORIES, STRIDE = 1000, 50
BETA, DIFFUSION, DT = 1 / 15, 1.0, 1e-4


# --- candidates: (n_trajectories, n_threads) -> run(n_frames) that simulates 50 steps a frame -----


def constants():
    """Amplitudes, widths, centres, mobility times dt, noise amplitude: plain floats."""
    from mb_support.potential.mueller_brown import AMPLITUDE, X0, Y0, A, B, C

    terms = list(zip(AMPLITUDE, A, B, C, X0, Y0, strict=True))
    terms = [tuple(float(v) for v in term) for term in terms]
    return terms, BETA * DIFFUSION * DT, math.sqrt(2 * DIFFUSION * DT)


def displacement(x, y, terms, mobility, exp):
    """Drift of one step along x and y, in any array library."""
    along_x = along_y = 0.0
    for amplitude, a, b, c, x0, y0 in terms:
        dx, dy = x - x0, y - y0
        gx, gy = 2 * a * dx + b * dy, b * dx + 2 * c * dy
        e = (-mobility * amplitude) * exp(0.5 * (dx * gx + dy * gy))
        along_x, along_y = along_x + e * gx, along_y + e * gy
    return along_x, along_y


def ours(precision="float32"):
    def make(n, n_threads):
        from mb_support.simulation import SimulationConfig, sample_starts, simulate

        starts = sample_starts(n, 1)

        def run(n_frames):
            config = SimulationConfig(
                BETA, DIFFUSION, DT, STRIDE, n_frames + 1, precision=precision
            )
            return simulate(config, starts, 1, n_threads=n_threads)

        return run

    return make


def with_numpy(n, n_threads):
    import numpy as np

    terms, mobility, sigma = constants()
    rng = np.random.Generator(np.random.SFC64(1))
    starts = start_array(n)

    def run(n_frames):
        x, y = starts.copy()
        out = np.empty((n_frames, 2, n), np.float32)
        for frame in range(n_frames):
            z = rng.standard_normal((STRIDE, 2, n), dtype=np.float32)
            z *= np.float32(sigma)
            for k in range(STRIDE):
                fx, fy = displacement(x, y, terms, mobility, np.exp)
                x, y = x + fx + z[k, 0], y + fy + z[k, 1]
            out[frame] = x, y
        return out

    return run


def with_torch(steps_at_once, device="cpu"):
    def make(n, n_threads):
        import torch

        torch.set_num_threads(n_threads)
        terms, mobility, sigma = constants()

        @torch.compile(fullgraph=True, dynamic=False)
        def advance(x, y, z):
            for k in range(steps_at_once):
                fx, fy = displacement(x, y, terms, mobility, torch.exp)
                x, y = x + fx + sigma * z[k, 0], y + fy + sigma * z[k, 1]
            return x, y

        starts = torch.from_numpy(start_array(n)).to(device)

        @torch.no_grad()
        def run(n_frames):
            x, y = starts.clone()
            out = torch.empty(n_frames, 2, n, device=device)
            for frame in range(n_frames):
                z = torch.randn(STRIDE, 2, n, device=device)
                for k in range(0, STRIDE, steps_at_once):
                    x, y = advance(x, y, z[k : k + steps_at_once])
                out[frame, 0], out[frame, 1] = x, y
            return out.cpu()  # waits for a GPU

        return run

    return make


def with_jax(generator):
    # Tried and slower: Box-Muller, a hand-written xorshift generator, unrolled loops (which XLA
    # fuses into kernels that compute the same terms many times over).
    def make(n, n_threads):
        import jax
        import jax.numpy as jnp

        terms, mobility, sigma = constants()

        def step(state, z):
            x, y = state
            fx, fy = displacement(x, y, terms, mobility, jnp.exp)
            return (x + fx + sigma * z[0], y + fy + sigma * z[1]), None

        def frame(carry, _):
            key, state = carry
            key, used = jax.random.split(key)
            z = jax.random.normal(used, (STRIDE, 2, n), jnp.float32)
            state, _ = jax.lax.scan(step, state, z)
            return (key, state), jnp.stack(state)

        @jax.jit
        def simulate(key, x, y, frames):
            return jax.lax.scan(frame, (key, (x, y)), frames)[1]

        key = jax.random.key(1, impl=generator)
        x, y = start_array(n)

        def run(n_frames):
            import numpy as np

            return simulate(key, x, y, np.zeros(n_frames)).block_until_ready()

        return run

    return make


def with_deeptime(system):
    def make(n, n_threads):
        import deeptime.data
        import numpy as np

        terms, mobility, sigma = constants()
        if system == "custom_sde":

            def drift(x):  # plain floats: the fastest from Python, one point at a time
                fx, fy = displacement(float(x[0]), float(x[1]), terms, mobility / DT, math.exp)
                return [fx, fy]

            made = deeptime.data.custom_sde(
                2, drift, np.eye(2) * sigma / math.sqrt(DT), h=DT, n_steps=STRIDE
            )
        else:
            made = getattr(deeptime.data, system)(h=DT, n_steps=STRIDE)
        starts = start_array(n).T.astype(float)

        def run(n_frames):
            jobs = 1 if system == "custom_sde" else n_threads  # Python code runs in one thread
            return made.trajectory(starts, n_frames + 1, n_jobs=jobs)  # the first is the start

        return run

    return make


def with_openmm(platform_name):
    def make(n, n_threads):
        import numpy as np
        import openmm

        terms, mobility, sigma = constants()
        system = openmm.System()
        energy = "+".join(
            f"({A})*exp(({a})*(x-({x0}))^2+({b})*(x-({x0}))*(y-({y0}))+({c})*(y-({y0}))^2)"
            for A, a, b, c, x0, y0 in terms
        )
        external = openmm.CustomExternalForce(energy)
        for i in range(n):
            system.addParticle(1.0)
            external.addParticle(i, [])
        system.addForce(external)
        kT = openmm.unit.MOLAR_GAS_CONSTANT_R.value_in_unit(
            openmm.unit.kilojoule_per_mole / openmm.unit.kelvin
        )
        # friction 1 / (beta D): mobility beta D dt at temperature 1 / (beta R)
        integrator = openmm.BrownianIntegrator(1 / BETA / kT, 1 / (BETA * DIFFUSION), DT)
        settings = {"Threads": str(n_threads)} if platform_name == "CPU" else {}
        context = openmm.Context(
            system, integrator, openmm.Platform.getPlatformByName(platform_name), settings
        )
        points = np.zeros((n, 3))
        points[:, :2] = start_array(n).T

        def run(n_frames):
            context.setPositions(points)
            out = np.empty((n, n_frames, 2), np.float32)
            for frame in range(n_frames):
                integrator.step(STRIDE)
                state = context.getState(positions=True)
                out[:, frame] = state.getPositions(asNumpy=True)._value[:, :2]
            return out

        return run

    return make


def start_array(n):
    """(2, n) float32 starts."""
    import numpy as np

    from mb_support.simulation import sample_starts

    return np.ascontiguousarray(sample_starts(n, 1).T.astype(np.float32))


class Variant(NamedTuple):
    """One way of running a program: two processes have one thread each, one process has two."""

    detail: str
    make: Callable
    n_frames: int
    n_processes: int
    n_trajectories: int = N_TRAJECTORIES


VARIANTS = {
    "ours, float32": [Variant("", ours(), 200, 1)],
    "ours, float64": [Variant("", ours("float64"), 200, 1)],
    "NumPy": [Variant("two processes", with_numpy, 2, 2)],
    "torch.compile, one process": [
        Variant(f"{k} steps a call", with_torch(k), 40, 1) for k in (10, 25)
    ],
    "torch.compile, two processes": [
        Variant(f"{k} steps a call", with_torch(k), 40, 2) for k in (10, 25)
    ],
    "JAX": [
        Variant(f"{generator}, {processes} process{'es' * (p > 1)}", with_jax(generator), 40, p)
        for generator in ("rbg", "threefry2x32") for p, processes in ((1, "one"), (2, "two"))
    ],
    "deeptime, compiled triple well": [
        Variant("two threads", with_deeptime("triple_well_2d"), 6, 1),
        Variant("two processes", with_deeptime("triple_well_2d"), 6, 2),
    ],
    "deeptime, custom_sde": [Variant("two processes", with_deeptime("custom_sde"), 1, 2)],
    "OpenMM": [
        Variant("CPU, two threads", with_openmm("CPU"), 4, 1),
        Variant("CPU, two processes", with_openmm("CPU"), 4, 2),
        Variant("Reference, two processes", with_openmm("Reference"), 4, 2),
    ],
}  # fmt: skip
#: What `--gpu` compares, for each number of trajectories, the first as the reference.
ON_GPU = {
    n: {
        f"ours, two cores, {n}": [Variant("", ours(), 200 if n <= 1000 else 10, 1, n)],
        f"torch.compile, {n}": [
            Variant(f"{k} steps a call", with_torch(k, "cuda"), 100, 1, n) for k in (10, 25)
        ],
        f"JAX, {n}": [Variant(g, with_jax(g), 100, 1, n) for g in ("rbg", "threefry2x32")],
    }
    for n in (N_TRAJECTORIES, 100_000)
}
for _programs in ON_GPU.values():
    VARIANTS |= _programs


# --- worker processes -----------------------------------------------------------------------------


def peak_memory():
    """Largest resident memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def work(name, number):
    """Prepare a candidate, then run it once for every line on standard input."""
    import numpy as np

    _, make, n_frames, n_processes, n_trajectories = VARIANTS[name][number]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    n_threads = max(1, min(2, cores) // n_processes)
    run = make(n_trajectories // n_processes, n_threads)
    begin = time.perf_counter()
    run(1)
    first = time.perf_counter() - begin
    run(n_frames)  # other shapes compile anew
    before = peak_memory()
    result = np.asarray(run(n_frames))
    sane = bool(np.isfinite(result).all())
    report = {"first_call_s": first, "sane": sane, "peak_bytes": before, "out": result.nbytes}
    del result
    print(json.dumps(report), flush=True)
    for _ in sys.stdin:
        begin = time.process_time()
        run(n_frames)
        print(time.process_time() - begin, flush=True)


class Candidate:
    """The warm process or processes of one variant."""

    def __init__(self, name, number, python):
        self.name, self.number = name, number
        self.detail, _, n_frames, n_processes, self.n_trajectories = VARIANTS[name][number]
        self.steps = self.n_trajectories * STRIDE * n_frames
        command = [python, __file__, "--work", name, str(number)]
        threads = str(max(1, 2 // n_processes))
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # programs share a GPU's memory
        self.log = open(ROOT / ".cache" / "benchmark_simulator.log", "a")
        self.processes = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                text=True, env=environment, cwd=ROOT,
            )
            for _ in range(n_processes)
        ]  # fmt: skip
        lines = [p.stdout.readline() for p in self.processes]
        self.reports = [json.loads(line) for line in lines if line]
        self.works = len(self.reports) == n_processes and all(r["sane"] for r in self.reports)

    def turn(self):
        """Steps per second of one turn, and per second of processor time."""
        begin = time.perf_counter()
        for p in self.processes:
            p.stdin.write("go\n")
            p.stdin.flush()
        processor = sum(float(p.stdout.readline()) for p in self.processes)
        return self.steps / (time.perf_counter() - begin), self.steps / processor

    def close(self):
        for p in self.processes:
            p.stdin.close()
            p.wait()
        self.log.close()


# --- the comparison -------------------------------------------------------------------------------


def bench_python():
    """Interpreter that sees the project's packages and, in a folder of their own, the others."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], check=True)
        import numpy

        site = next(VENV.glob("lib/python*/site-packages"))
        (site / "project.pth").write_text(f"{Path(numpy.__file__).parents[1]}\n{ROOT}\n")
    probe = subprocess.run([python, "-c", "import jax, openmm"], capture_output=True)
    if probe.returncode != 0:
        command = [python, "-m", "pip", "install", "-q", "--prefix", str(VENV), *EXTRA_PACKAGES]
        if subprocess.run(command).returncode != 0:
            print("JAX or OpenMM could not be installed; what is missing is left out.")
    return str(python)


def best_variant(name, python, n_turns, on_gpu=False):
    """The fastest variant in a few turns, still running, or None if none works."""
    best, best_rate = None, 0.0
    for number in range(len(VARIANTS[name])):
        candidate = Candidate(name, number, python)
        if not candidate.works:
            print(f"  {name} ({candidate.detail}): does not run here")
            candidate.close()
            continue
        # by processor time, which other work on the machine disturbs least
        rate = max(candidate.turn()[0 if on_gpu else 1] for _ in range(n_turns))
        unit = "s" if on_gpu else "core and s"
        print(
            f"  {name} ({candidate.detail}): {rate / 1e6:.1f} million steps per {unit}", flush=True
        )
        if rate > best_rate:
            if best is not None:
                best.close()
            best, best_rate = candidate, rate
        else:
            candidate.close()
    return best


def machine(python):
    """What the numbers were measured on and with."""
    model, flags = platform.processor(), ""
    if os.path.exists("/proc/cpuinfo"):
        info = Path("/proc/cpuinfo").read_text()
        model = next(
            (x.split(":")[1].strip() for x in info.splitlines() if "model name" in x), model
        )
        flags = next((x for x in info.splitlines() if x.startswith("flags")), "")
    code = "import json, sys; from importlib.metadata import version as v\n" \
           "def get(p):\n  try: return v(p)\n  except Exception: return None\n" \
           "print(json.dumps({p: get(p) for p in sys.argv[1:]}))"  # fmt: skip
    found = subprocess.run([python, "-c", code, *PACKAGES], capture_output=True, text=True)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "avx512": "avx512f" in flags,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": json.loads(found.stdout or "{}"),
        "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
    }


def load_average():
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def compare(n_rounds, names, python, on_gpu=False):
    """A row of what was measured for each of `names`; the first is the one compared with."""
    (ROOT / ".cache").mkdir(exist_ok=True)
    (ROOT / ".cache" / "benchmark_simulator.log").write_text("")
    print("Choosing the fastest variant of each:")
    kept = [best_variant(name, python, 3, on_gpu) for name in names]
    kept = [c for c in kept if c is not None]
    if names[0] not in [c.name for c in kept]:
        raise SystemExit("our own simulator does not run: see .cache/benchmark_simulator.log")
    rates = {c.name: [] for c in kept}
    for i in range(n_rounds):
        for candidate in kept:
            rates[candidate.name].append(candidate.turn())
        print(f"round {i + 1} of {n_rounds}", flush=True)
    for candidate in kept:
        candidate.close()
    reference = [rate for rate, _ in rates[names[0]]]
    rows = []
    for candidate in kept:
        mine = [rate for rate, _ in rates[candidate.name]]
        by_processor_time = [rate for _, rate in rates[candidate.name]]
        ratios = sorted(r / m for r, m in zip(reference, mine, strict=True))
        rows.append(
            {
                "name": candidate.name,
                "detail": candidate.detail,
                "n_trajectories": candidate.n_trajectories,
                "median_steps_per_s": statistics.median(mine),
                "lowest_steps_per_s": min(mine),
                "highest_steps_per_s": max(mine),
                # what a core does in a second of its own: other work on the machine matters less
                "median_steps_per_core_s": statistics.median(by_processor_time),
                "highest_steps_per_core_s": max(by_processor_time),
                "ours_is_faster_by": statistics.median(ratios),
                "ours_is_faster_by_range": [ratios[0], ratios[-1]],
                "first_call_s": max(r["first_call_s"] for r in candidate.reports),
                "steps_per_turn": candidate.steps,
            }
        )
    return rows


def result_of(n_rounds, names):
    """Run everything on processors; the result as it is written to the file."""
    began, load, python = time.time(), load_average(), bench_python()
    rows = compare(n_rounds, names, python)
    return {
        "task": f"{N_TRAJECTORIES} overdamped trajectories, Euler-Maruyama, every {STRIDE}th step"
        " saved, two cores",
        "rounds": n_rounds,
        "rows": rows,
        "memory": memory_of_ours(python),
        "compilation": compilation_of_ours(python),
        "load_average": [load, load_average()],
        "duration_s": time.time() - began,
        "machine": machine(python),
    }


def result_on_gpu(n_rounds):
    """Run everything with a GPU; the result as it is written to the file."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("--gpu needs a GPU, and PyTorch sees none here")
    began, load = time.time(), load_average()
    rows = [row for programs in ON_GPU.values()
            for row in compare(n_rounds, list(programs), sys.executable, on_gpu=True)]  # fmt: skip
    return {
        "task": f"overdamped trajectories, Euler-Maruyama, every {STRIDE}th step saved",
        "rounds": n_rounds,
        "rows": rows,
        "load_average": [load, load_average()],
        "duration_s": time.time() - began,
        "machine": machine(sys.executable) | {"gpu": torch.cuda.get_device_name()},
    }


def memory_of_ours(python):
    """Peak memory of a large simulation above what the imports take, and its output, bytes."""
    code = """
import json, resource, sys
import numpy as np
from dataclasses import replace
from mb_support.simulation import REGIMES, sample_starts, simulate
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
config = replace(REGIMES["metastable"], stride=1, n_frames=int(sys.argv[2]))
starts = sample_starts(int(sys.argv[1]), 1)
before = peak()
out = simulate(config, starts, 1)
print(json.dumps({"output_bytes": out.nbytes, "above_imports_bytes": peak() - before}))
"""
    found = subprocess.run([python, "-c", code, "20000", "1000"], capture_output=True, text=True)
    return json.loads(found.stdout)


def compilation_of_ours(python):
    """Seconds of a first call in a new process, without and with a compiled copy on disk."""
    code = """
import time, sys
from dataclasses import replace
from mb_support.simulation import REGIMES, sample_starts, simulate
begin = time.perf_counter()
simulate(replace(REGIMES["metastable"], n_frames=2), sample_starts(10, 1), 1)
print(time.perf_counter() - begin)
"""
    folder = ROOT / ".cache" / f"numba-{os.getpid()}"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    command = [python, "-c", code]
    seconds = [
        float(subprocess.run(command, capture_output=True, text=True, env=environment).stdout)
        for _ in range(2)
    ]
    subprocess.run(["rm", "-rf", str(folder)])
    return {"compiled_s": seconds[0], "from_disk_s": seconds[1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", nargs=2, metavar=("NAME", "NUMBER"), help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="two rounds, ours and NumPy, no file")
    parser.add_argument("--gpu", action="store_true", help="rivals on a GPU, see above")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if options.work:
        return work(options.work[0], int(options.work[1]))
    if options.gpu:
        result = result_on_gpu(options.rounds)
    else:
        names = [name for name in VARIANTS if not any(name in p for p in ON_GPU.values())]
        names = ["ours, float32", "NumPy"] if options.quick else names
        result = result_of(2 if options.quick else options.rounds, names)
    for row in result["rows"]:
        print(
            f"{row['name']:34s} {row['median_steps_per_s'] / 1e6:8.1f} million steps/s"
            f"   ours is faster by {row['ours_is_faster_by']:.1f}   ({row['detail']})"
        )
    others = ("memory", "compilation", "load_average")
    print(json.dumps({k: result[k] for k in others if k in result}, indent=1))
    if not options.quick:
        path = ROOT / "results" / f"benchmark_simulator{'_gpu' if options.gpu else ''}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(f"Written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
