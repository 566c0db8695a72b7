// The page: what the reader moves, what follows from it, and the numbers in words.
"use strict";
(() => {
  const root = document.querySelector(".explorable");
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const { box, hidden } = Explorable.exact;
  const { simulate, stateOf, committor, posterior, ridgeHeight, clamped, drawStrip } = Explorable;
  const NAMES = ["A", "B"], STEP = 0.02, LARGE_STEP = 0.1;
  const PLACES = { ridge: [-0.75, ridgeHeight(-0.75) + 0.03], a: [-0.7, 1.2], b: [0.3, 0.2] };
  const map = new Explorable.SurfaceMap(part("map"), root);
  const state = { start: [-0.75, 0.5], seed: 2, hiddenIndex: 0, reading: null, tries: [] };
  let pending = false, running = false;

  const nHidden = () => hidden[state.hiddenIndex];
  const shownFrames = () => state.path.frames.subarray(2 * nHidden());
  const percent = (share) => `${Math.round(100 * share)}%`;
  const inWords = (ofB) => `A ${percent(1 - ofB)}, B ${percent(ofB)}`;

  // --- what is shown ----------------------------------------------------------------------

  function setBar(name, ofB) {
    const row = part(name), bar = row.querySelector(".explorable-bar");
    row.querySelector(".explorable-value").textContent = ofB === null ? "…" : inWords(ofB);
    bar.style.setProperty("--of-a", ofB === null ? "50%" : `${100 * (1 - ofB)}%`);
    bar.classList.toggle("is-empty", ofB === null);
  }

  // aloud only, where the page shows the same
  function say(text, isShown) {
    part("status").textContent = text;
    part("status").classList.toggle("explorable-aloud", isShown);
  }

  // attention of a frame, averaged over layers, in units of the even share
  function meanAttention({ attention, nLayers }) {
    const n = attention.length / nLayers;
    return Array.from({ length: n }, (_, k) => {
      let sum = 0;
      for (let layer = 0; layer < nLayers; layer++) sum += attention[layer * n + k];
      return (sum * n) / nLayers;
    });
  }

  function draw() {
    const { start, path, reading } = state;
    if (!part("map").clientWidth) return; // on paper
    const about = { start, frames: path.frames, nHidden: nHidden() };
    map.draw({ ...about, attention: reading && meanAttention(reading) });
    const layers = { attention: reading?.attention, nLayers: reading?.nLayers ?? 4 };
    drawStrip(part("strip"), root, { ...about, ...layers });
  }

  function showNumbers() {
    const { start, path, reading, tries } = state;
    const first = [path.frames[2 * nHidden()], path.frames[2 * nHidden() + 1]];
    setBar("model", reading && reading.probabilities[1]);
    setBar("posterior", posterior(state.hiddenIndex, ...first));
    setBar("committor", committor(...start));
    const cut = ["nothing hidden", "first frame hidden"][nHidden()] ?? `first ${nHidden()} frames hidden`;
    part("hidden-value").textContent = cut;
    part("hidden").setAttribute("aria-valuetext", cut);
    const place = start.map((value) => value.toFixed(2)).join(", ").replaceAll("-", "−");
    const truth = `Start (${place}), in valley ${NAMES[stateOf(...start)]}.`;
    part("map").setAttribute("aria-label", `Map of the surface. ${truth} Arrow keys move it.`);
    part("start").textContent = truth;
    if (reading) say(`The model: it began in ${inWords(reading.probabilities[1])}.`, true);
    showTries(tries);
  }

  function showTries(tries) {
    const track = part("tries");
    track.replaceChildren(...tries.map(({ ofB, reached }) => {
      const dot = document.createElement("span");
      dot.style.left = `${100 * ofB}%`;
      dot.className = ["to-a", "to-b"][reached] ?? "to-none";
      return dot;
    }));
    const right = tries.filter(({ ofB }) => (ofB > 0.5) === (stateOf(...state.start) === 1)).length;
    const toA = tries.filter(({ reached }) => reached === 0).length;
    const count = `${tries.length} ${tries.length === 1 ? "noise" : "noises"} from this start`;
    part("count").textContent = tries.length
      ? `${count}: the model names the right valley in ${right}; A was reached first in ${toA}.`
      : "";
  }

  // --- what follows from a change ---------------------------------------------------------

  function simulateAgain(isNewPlace) {
    want();
    state.path = simulate(state.start, state.seed);
    if (isNewPlace) state.tries = [];
    ask();
  }

  // show at once what needs no model, then what does; of several wishes only the last is read
  function ask() {
    state.reading = null;
    draw();
    showNumbers();
    pending = true;
    root.dataset.state = "busy";
    if (running || !state.wanted) return;
    running = true;
    answer().finally(() => (running = false));
  }

  // the runtime is several megabytes: it is started when the map is seen or something is touched
  function want() {
    if (!state.wanted) say("Starting the model …", false);
    state.wanted = true;
  }

  async function answer() {
    try {
      await Explorable.loadReader();
      while (pending) {
        pending = false;
        const asked = shownFrames();
        await new Promise((resolve) => setTimeout(resolve)); // let the browser draw
        const reading = await Explorable.read(asked);
        if (pending) continue;
        state.reading = reading;
        state.tries.push({ ofB: reading.probabilities[1], reached: state.path.reached });
        draw();
        showNumbers();
      }
      root.dataset.state = "ready";
    } catch (error) {
      root.dataset.state = "failed";
      say(`The model does not run in this browser (${error.message}).`, false);
    }
  }

  function moveTo([x, y]) {
    const [[xLow, yLow], [xHigh, yHigh]] = box;
    state.start = [clamped(x, xLow, xHigh), clamped(y, yLow, yHigh)];
    simulateAgain(true);
  }

  async function tryNoises(n) {
    const place = state.start;
    for (let k = 0; k < n && state.start === place; k++) {
      state.seed += 1;
      simulateAgain(false);
      while (root.dataset.state === "busy") await new Promise((go) => setTimeout(go, 20));
      if (root.dataset.state === "failed") return;
    }
  }

  // --- pointer, keyboard, controls --------------------------------------------------------

  function listen() {
    const canvas = part("map");
    const follow = (event) => event.buttons && moveTo(map.point(event));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      moveTo(map.point(event));
    });
    canvas.addEventListener("pointermove", follow);
    canvas.addEventListener("keydown", (event) => {
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const way = ways[event.key];
      if (!way) return;
      event.preventDefault();
      const step = event.shiftKey ? LARGE_STEP : STEP;
      moveTo(state.start.map((value, axis) => value + step * way[axis]));
    });
    part("noise").addEventListener("click", () => tryNoises(1));
    part("noises").addEventListener("click", () => tryNoises(10));
    root.querySelectorAll("[data-place]").forEach((button) => {
      button.addEventListener("click", () => moveTo(PLACES[button.dataset.place]));
    });
    part("hidden").max = hidden.length - 1;
    part("hidden").addEventListener("input", () => {
      state.hiddenIndex = Number(part("hidden").value);
      state.tries = []; // another question
      want();
      ask();
    });
    new ResizeObserver(draw).observe(root);
    const theme = new MutationObserver(() => (draw(), drawScale()));
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      want();
      ask();
    }).observe(canvas);
  }

  function drawScale() {
    const places = [0, 0.25, 0.5, 0.75, 1].map((k) => Explorable.HIGHEST_ATTENTION * k);
    const colors = places.map(Explorable.attentionColor).join(", ");
    part("scale").style.background = `linear-gradient(to right, ${colors})`;
  }

  state.path = simulate(state.start, state.seed);
  root.hidden = false;
  Object.assign(Explorable, { state, moveTo });
  listen();
  drawScale();
  draw();
  showNumbers();
})();
