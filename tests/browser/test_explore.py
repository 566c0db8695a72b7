"""The explorable page, opened from disk without a network, against the Python model and solver."""

import explorable_files as files
import numpy as np
import pytest

from mb_support.potential import force, potential
from mb_support.reference.forecast import label_posterior
from mb_support.reference.solver import GridSolver
from mb_support.simulation import sample_starts
from mb_support.states import DISK_A, DISK_B, assign_states, height_above_ridge

from .conftest import Visit

pytestmark = pytest.mark.browser
PAGE = "book/explore.html"
POINTS = sample_starts(200, 5)
PATIENCE = 120_000  # ms: the runtime is compiled first, on a machine that may be busy
CONFIG = files.CONFIG


def wait_until_ready(page):
    states = "['ready', 'failed'].includes(document.querySelector('.explorable').dataset.state)"
    page.wait_for_function(states, timeout=PATIENCE)
    assert page.locator(".explorable").get_attribute("data-state") == "ready"


def hide(page, index):
    page.locator("[data-part=hidden]").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        index,
    )
    wait_until_ready(page)


@pytest.fixture(scope="module")
def opened(browser):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    visit = Visit(context)
    visit.open(PAGE).locator(".explorable").scroll_into_view_if_needed()
    wait_until_ready(visit.page)
    yield visit
    context.close()


@pytest.fixture
def page(opened):
    opened.page.evaluate("Explorable.moveTo([-0.75, 0.5])")
    hide(opened.page, 0)
    yield opened.page
    assert opened.problems == []  # neither errors nor anything off the disk


def by_point(page, name):
    call = f"points => points.map(([x, y]) => Explorable.{name}(x, y))"
    return np.array(page.evaluate(call, POINTS.tolist()))


def shown_frames(page):
    return np.array(page.evaluate("Array.from(Explorable.state.path.frames)")).reshape(-1, 2)


def test_the_page_computes_the_energy_and_force_of_the_package(page):
    assert by_point(page, "potential") == pytest.approx(potential(POINTS), rel=1e-9, abs=1e-9)
    assert by_point(page, "force") == pytest.approx(force(POINTS), rel=1e-9, abs=1e-9)


def test_the_page_takes_the_steps_of_euler_and_maruyama(page):
    script = """n => {
      const draw = Explorable.normalPairs(7), out = [0, 0];
      return Array.from({ length: n }, () => [...draw(out)]);
    }"""
    n_frames = 4  # later, rounding of the exponentials would have grown
    normals = np.array(page.evaluate(script, (n_frames - 1) * CONFIG.stride))
    frames = page.evaluate("Array.from(Explorable.simulate([-0.75, 0.5], 7).frames)")
    position, expected = np.array([-0.75, 0.5]), [(-0.75, 0.5)]
    for step, z in enumerate(normals, start=1):
        drift = CONFIG.beta * CONFIG.diffusion * CONFIG.dt * force(position)
        position = position + drift + np.sqrt(2 * CONFIG.diffusion * CONFIG.dt) * z
        if step % CONFIG.stride == 0:
            expected.append(position)
    assert np.reshape(frames, (-1, 2))[:n_frames] == pytest.approx(np.array(expected), abs=1e-5)
    assert len(frames) == 2 * CONFIG.n_frames


def test_random_numbers_of_the_page_are_normal_and_those_of_their_seed(page):
    script = """seed => {
      const draw = Explorable.normalPairs(seed), out = [0, 0];
      return Array.from({ length: 10000 }, () => [...draw(out)]);
    }"""
    first, again, other = (np.array(page.evaluate(script, seed)) for seed in (3, 3, 4))
    assert (first == again).all() and (first != other).any()
    z = np.concatenate([first.ravel(), other.ravel()])
    error = len(z) ** -0.5
    assert abs(z.mean()) < 4 * error
    assert abs(z.var() - 1) < 4 * 2**0.5 * error
    assert abs((z**4).mean() - 3) < 4 * 96**0.5 * error
    assert abs((z[:-1] * z[1:]).mean()) < 4 * error


@pytest.mark.parametrize("index", [0, 3, 9])
def test_the_model_in_the_page_gives_what_the_python_model_gives(page, index):
    hide(page, index)
    reading = page.evaluate(
        """() => {
      const { probabilities, attention } = Explorable.state.reading;
      return [probabilities, Array.from(attention)];
    }"""
    )
    probabilities, attention = files.read(shown_frames(page)[files.HIDDEN[index] :])
    assert reading[0] == pytest.approx(probabilities, abs=1e-4)
    assert np.reshape(reading[1], attention.shape) == pytest.approx(attention, abs=1e-4)
    percent = round(100 * probabilities[1])
    assert f"B {percent}%" in page.locator("[data-part=model]").inner_text()


def test_exact_answers_of_the_page_are_those_of_the_solver(page):
    solver = GridSolver(CONFIG.beta, CONFIG.diffusion, grid_step=0.02)
    committor = solver.interpolate(solver.committor(DISK_A, DISK_B), POINTS)
    assert by_point(page, "committor") == pytest.approx(committor, abs=0.02)
    hidden = [1, 10]
    known = label_posterior(solver, hidden, CONFIG.frame_time).probability
    for frame, field in zip(hidden, known, strict=True):
        index = files.HIDDEN.index(frame)
        call = f"points => points.map(([x, y]) => Explorable.posterior({index}, x, y))"
        ours = page.evaluate(call, POINTS.tolist())
        assert ours == pytest.approx(solver.interpolate(field, POINTS), abs=0.02)
    is_clear = np.abs(height_above_ridge(POINTS)) > 1e-3
    assert (by_point(page, "stateOf") == assign_states(POINTS))[is_clear].all()


def test_keyboard_pointer_and_touch_move_the_start(page):
    canvas = page.locator("[data-part=map]")
    canvas.focus()
    before = page.evaluate("Explorable.state.start")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    moved = np.subtract(page.evaluate("Explorable.state.start"), before)
    assert moved == pytest.approx([0.02, 0.1])
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    middle = np.mean(files.VIEW, axis=0)
    assert page.evaluate("Explorable.state.start") == pytest.approx(middle, abs=0.02)
    assert shown_frames(page)[0] == pytest.approx(middle, abs=0.02)
    wait_until_ready(page)


def test_more_noises_leave_the_start_and_are_counted(page):
    start = page.evaluate("Explorable.state.start")
    first = shown_frames(page)
    page.locator("[data-part=noise]").click()
    wait_until_ready(page)
    assert page.evaluate("Explorable.state.start") == start
    assert (shown_frames(page)[1:] != first[1:]).all()
    assert page.locator("[data-part=tries] span").count() == 2
    assert page.locator("[data-part=count]").inner_text().startswith("2 noises")


def test_other_pages_do_not_load_the_runtime(visit):
    loaded = []
    visit.page.on("request", lambda request: loaded.append(request.url))
    visit.open("notebooks/06_classification.html")
    assert not [url for url in loaded if "_static/explore/" in url]


def test_without_scripts_and_on_paper_there_is_the_still_picture(browser, visit):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(visit.open(PAGE).url)
    assert page.locator(".explorable-still img").is_visible()
    assert not page.locator(".explorable").is_visible()
    context.close()
    assert not visit.page.locator(".explorable-still").is_visible()
    visit.page.emulate_media(media="print")
    assert visit.page.locator(".explorable-still").is_visible()
    assert not visit.page.locator(".explorable").is_visible()
