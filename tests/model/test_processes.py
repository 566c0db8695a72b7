"""Models used by several threads and processes, with every threading layer that numba may find.

Each case runs in a fresh process with a time limit: what goes wrong here aborts or hangs.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress

import numpy as np
import pytest
import torch

from mb_support.classification import predict_states
from mb_support.model import TrajectoryConfig, TrajectoryTransformer, parallel
from mb_support.model.inference import evaluating

BEGIN = """
import multiprocessing, os, threading
import numpy as np, torch
from mb_support.classification import predict_states
from mb_support.generation import generate
from mb_support.model.transformer import TrajectoryConfig, TrajectoryTransformer

settings = TrajectoryConfig.of_size("small", initializer_range=0.3, hidden_dropout_prob=0.0,
                                    attention_probs_dropout_prob=0.0)
torch.manual_seed(0)
model = TrajectoryTransformer(settings).train()
x = np.random.default_rng(0).normal(size=(8, 64, 2)).cumsum(axis=1)

def predict(i=0):
    return [predict_states(model, x, progress=False)[1]]

def everything(i=0):
    model.set_attn_implementation("cpu_fused")
    model(torch.from_numpy(x).float(), labels=[0, 1] * 4).loss.backward()
    gradient = model.inputs_to_hidden_dim.weight.grad.numpy().copy()
    model.zero_grad()
    return [*predict(), gradient, generate(model, x[:4, :30], 5, progress=False)]

def same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)

def succeeds_in_a_child(work):
    child = os.fork()
    if child == 0:
        work()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""

BY_A_POOL = """
expected = everything()
with multiprocessing.get_context("fork").Pool(2) as pool:
    for found in pool.map_async(everything, range(3)).get(timeout=120):
        same(found, expected)
same(everything(), expected)
"""

BY_A_DATA_LOADER = """
class Batches(torch.utils.data.Dataset):
    def __len__(self):
        return 3
    def __getitem__(self, i):
        return predict()[0]
expected = predict()
for found in torch.utils.data.DataLoader(Batches(), None, num_workers=2, timeout=120):
    same([found], expected)
"""

BEFORE_ANY_USE = """
def in_turn():
    expected = predict()
    succeeds_in_a_child(lambda: same(predict(), expected))
succeeds_in_a_child(in_turn)
in_turn()
"""

WHILE_A_THREAD_PREDICTS = """
expected, stop = predict(), threading.Event()
def keep_busy():
    while not stop.is_set():
        predict()
busy = threading.Thread(target=keep_busy)
busy.start()
def look():
    same(predict(), expected)
    assert model.training
for _ in range(3):
    succeeds_in_a_child(look)
stop.set()
busy.join()
"""

THREADS = """
expected, wrong = predict(), []
def work():
    for _ in range(3):
        try:
            same(predict(), expected)
        except BaseException as error:
            wrong.append(error)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not wrong, wrong
assert model.training and model.config._attn_implementation == "sdpa"
assert all(m.training for m in model.modules())
"""


def run(script, layer="default", n_threads=2):
    environment = os.environ | {
        "NUMBA_THREADING_LAYER": layer,
        "NUMBA_NUM_THREADS": str(n_threads),
        "OMP_NUM_THREADS": str(n_threads),
        "OMP_WAIT_POLICY": "passive",  # threads that wait busily starve each other on two cores
    }
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", BEGIN + script],
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=600)  # importing alone takes minutes on a busy machine
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its children too
        said.seek(0)
        assert code == 0, said.read()[-3000:]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize(
    ("script", "layer"),
    [
        (BEFORE_ANY_USE, "default"),
        (THREADS + BY_A_POOL + BY_A_DATA_LOADER + WHILE_A_THREAD_PREDICTS, "default"),
        (THREADS + BY_A_POOL, "workqueue"),
    ],
    ids=["before any use", "after use", "plainest layer"],
)
def test_threads_and_forked_processes_give_what_their_parent_gives(script, layer):
    run(script, layer)


# In this process ----------------------------------------------------------------------------------


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TrajectoryTransformer(TrajectoryConfig.of_size("small", initializer_range=0.3)).train()


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_model_stays_in_evaluation_mode_until_its_last_user_leaves(model):
    first, second = evaluating(model), evaluating(model)
    first.__enter__()
    in_thread(second.__enter__)
    first.__exit__(None, None, None)
    assert not any(module.training for module in model.modules())
    assert model.config._attn_implementation == "cpu_fused"


def test_overlapping_users_leave_the_mode_that_the_first_of_them_found(model):
    model.encoder.eval()  # a part may have a mode of its own
    entered, leave = threading.Event(), threading.Event()

    def longer():
        with evaluating(model):
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=longer)
    with evaluating(model):
        thread.start()
        entered.wait(30)
    assert not model.training
    leave.set()
    thread.join()
    assert model.training and not model.encoder.training
    assert model.config._attn_implementation == "sdpa"


def test_nested_use_and_errors_leave_the_mode(model):
    with pytest.raises(RuntimeError), evaluating(model), evaluating(model):
        raise RuntimeError
    assert model.training and model.config._attn_implementation == "sdpa"
    with torch.enable_grad(), evaluating(model):
        assert not torch.is_grad_enabled()


def test_what_one_thread_records_is_not_what_another_computes(model):
    model.eval()
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 30, 2)).cumsum(axis=1)).float()
    recorded = []

    def look():
        with torch.no_grad():
            recorded.append(model(x, output_hidden_states=True).hidden_states)

    def meanwhile(*_):
        # in the midst of the first pass another thread makes one of its own
        if len(recorded) == 0 and threading.current_thread() is threading.main_thread():
            in_thread(look)

    hook = model.encoder.layer[1].register_forward_hook(meanwhile)
    with torch.no_grad():
        ours = model(x, output_hidden_states=True).hidden_states
    hook.remove()
    for states in (ours, recorded[0]):
        assert len(states) == model.config.num_hidden_layers + 1
    for mine, other in zip(ours, recorded[0], strict=True):
        torch.testing.assert_close(mine, other)


def test_one_core_gives_what_all_give(model, monkeypatch):
    x = np.random.default_rng(0).normal(size=(4, 50, 2)).cumsum(axis=1)
    expected = predict_states(model, x, progress=False)[1]
    monkeypatch.setattr(parallel, "_forked_after_use", True)
    found = predict_states(model, x, progress=False)[1]
    np.testing.assert_allclose(found, expected, atol=1e-6)
