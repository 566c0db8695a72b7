// The map with its trajectory, and the strip of attention along time, on canvases.
"use strict";
(() => {
  const { view, minima, simulation, ridge, ridge_step } = Explorable.exact;
  const { potential, stateOf, clamped } = Explorable;
  const [[xLow, yLow], [xHigh, yHigh]] = view;
  const HIGHEST_ENERGY = 100, LEVEL = 12.5, LOWEST_ENERGY = -150; // of the contour lines
  const HIGHEST_ATTENTION = 4; // times the even share
  const MAGMA = [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]];
  const FONT = "13px system-ui, sans-serif";

  const isDark = () => document.documentElement.dataset.theme === "dark";

  // colours of the theme and of the states, as the style sheet has them now
  function inks(root) {
    const style = getComputedStyle(root), brush = document.createElement("canvas").getContext("2d");
    const named = (name) => {
      brush.fillStyle = style.getPropertyValue(name).trim();
      return brush.fillStyle; // #rrggbb, however it was written
    };
    return {
      page: named("--pst-color-background"),
      text: named("--pst-color-text-base"),
      states: [named("--explore-a"), named("--explore-b")],
    };
  }

  const rgb = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
  const mixed = (from, to, share) => from.map((part, k) => part + (to[k] - part) * share);

  // colour of attention, in units of the even share
  function attentionColor(share) {
    const place = clamped(share / HIGHEST_ATTENTION, 0, 1);
    const along = (isDark() ? place : 1 - place) * (MAGMA.length - 1);
    const k = Math.min(Math.floor(along), MAGMA.length - 2);
    return `rgb(${mixed(MAGMA[k], MAGMA[k + 1], along - k).map(Math.round).join(",")})`;
  }

  // a canvas of so many css pixels, sharp on every screen; returns its brush
  function prepared(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const brush = canvas.getContext("2d");
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, width, height);
    brush.font = FONT;
    return brush;
  }

  // basins in the colours of their states, deeper is stronger, with contour lines
  function background(width, height, ink) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const brush = canvas.getContext("2d"), picture = brush.createImageData(width, height);
    const page = rgb(ink.page), line = rgb(ink.text), states = ink.states.map(rgb);
    const xAt = (i) => xLow + ((i + 0.5) / width) * (xHigh - xLow);
    let below = null; // levels of the row before
    for (let j = 0; j < height; j++) {
      const y = yHigh - ((j + 0.5) / height) * (yHigh - yLow), levels = new Int16Array(width);
      for (let i = 0; i < width; i++) {
        const x = xAt(i), energy = Math.min(potential(x, y), HIGHEST_ENERGY);
        levels[i] = Math.floor((energy - LOWEST_ENERGY) / LEVEL);
        const depth = (HIGHEST_ENERGY - energy) / (HIGHEST_ENERGY - LOWEST_ENERGY);
        let color = mixed(page, states[stateOf(x, y)], depth && 0.05 + 0.5 * depth);
        const onLine = levels[i] !== levels[i - 1] && i > 0;
        if (onLine || (below && levels[i] !== below[i])) color = mixed(color, line, 0.22);
        picture.data.set([...color, 255], 4 * (j * width + i));
      }
      below = levels;
    }
    brush.putImageData(picture, 0, 0);
    return canvas;
  }

  class SurfaceMap {
    constructor(canvas, root) {
      Object.assign(this, { canvas, root, cache: null });
    }

    pixel(x, y) {
      const { clientWidth: width, clientHeight: height } = this.canvas;
      return [((x - xLow) / (xHigh - xLow)) * width, ((yHigh - y) / (yHigh - yLow)) * height];
    }

    // the point under a pointer event
    point(event) {
      const box = this.canvas.getBoundingClientRect();
      const x = xLow + ((event.clientX - box.left) / box.width) * (xHigh - xLow);
      return [x, yHigh - ((event.clientY - box.top) / box.height) * (yHigh - yLow)];
    }

    // attention is that of a frame in units of the even share, from frame nHidden on
    draw({ start, frames, nHidden, attention }) {
      const ink = inks(this.root), width = this.canvas.clientWidth;
      const height = Math.round((width * (yHigh - yLow)) / (xHigh - xLow));
      const brush = prepared(this.canvas, width, height);
      const key = [this.canvas.width, this.canvas.height, ...Object.values(ink)].join();
      if (this.cache?.key !== key) {
        this.cache = { key, picture: background(this.canvas.width, this.canvas.height, ink) };
      }
      brush.drawImage(this.cache.picture, 0, 0, width, height);
      this.line(brush, ridge.map((y, k) => [xLow + k * ridge_step, y]), ink.text, 1.5, 0.8, [6, 4]);
      const points = Array.from({ length: frames.length / 2 }, (_, k) => [
        frames[2 * k], frames[2 * k + 1],
      ]);
      this.line(brush, points.slice(0, nHidden + 1), ink.text, 0.7, 0.45, [1, 3]);
      this.line(brush, points.slice(nHidden), ink.text, 0.8, 0.45);
      attention?.forEach((share, k) => {
        if (share > 1.5) this.dot(brush, points[nHidden + k], Math.min(1.6 + share, 7), share, ink);
      });
      brush.font = "bold 16px system-ui, sans-serif";
      ["A", "B"].forEach((name, k) => this.label(brush, name, this.pixel(...minima[k]), ink));
      if (nHidden) this.cross(brush, this.pixel(...points[nHidden]), ink);
      this.marker(brush, this.pixel(...start), stateOf(...start), ink);
    }

    line(brush, points, color, width, alpha, dashes = []) {
      brush.save();
      Object.assign(brush, { strokeStyle: color, lineWidth: width, globalAlpha: alpha });
      brush.setLineDash(dashes);
      brush.beginPath();
      points.forEach((point) => brush.lineTo(...this.pixel(...point)));
      brush.stroke();
      brush.restore();
    }

    dot(brush, point, radius, share, ink) {
      brush.beginPath();
      brush.arc(...this.pixel(...point), radius, 0, 2 * Math.PI);
      Object.assign(brush, { fillStyle: attentionColor(share), strokeStyle: ink.page, lineWidth: 1 });
      brush.fill();
      brush.stroke();
    }

    label(brush, text, [x, y], ink) {
      Object.assign(brush, { textAlign: "center", textBaseline: "middle", lineWidth: 4 });
      Object.assign(brush, { strokeStyle: ink.page, fillStyle: ink.text });
      brush.strokeText(text, x, y);
      brush.fillText(text, x, y);
    }

    cross(brush, [x, y], ink) {
      for (const [color, width] of [[ink.page, 5], [ink.text, 2.5]]) {
        Object.assign(brush, { strokeStyle: color, lineWidth: width });
        brush.beginPath();
        brush.moveTo(x - 6, y - 6);
        brush.lineTo(x + 6, y + 6);
        brush.moveTo(x - 6, y + 6);
        brush.lineTo(x + 6, y - 6);
        brush.stroke();
      }
    }

    // a disk for A, a square for B, as everywhere in the book
    marker(brush, [x, y], state, ink) {
      for (const [color, size] of [[ink.text, 11], [ink.page, 9.5], [ink.states[state], 7]]) {
        brush.fillStyle = color;
        brush.beginPath();
        if (state === 0) brush.arc(x, y, size, 0, 2 * Math.PI);
        else brush.rect(x - size, y - size, 2 * size, 2 * size);
        brush.fill();
      }
    }
  }

  // rows along time: the valley of each frame, and what it receives in each layer
  function drawStrip(canvas, root, { frames, nHidden, attention, nLayers }) {
    const ink = inks(root), width = canvas.clientWidth, left = 58, high = 16, gap = 4, top = 2;
    const rows = ["valley", ...Array.from({ length: nLayers }, (_, k) => `layer ${k + 1}`)];
    const height = top + rows.length * (high + gap) + 36;
    const brush = prepared(canvas, width, height), n = frames.length / 2;
    const step = (width - left - 8) / n, nShown = n - nHidden;
    const ratio = canvas.width / width; // columns end at pixels, else seams show
    const edge = (frame) => Math.round((left + frame * step) * ratio) / ratio;
    const column = (frame, row, color) => {
      const wide = Math.max(edge(frame + 1) - edge(frame), 1 / ratio);
      brush.fillStyle = color;
      brush.fillRect(edge(frame), top + row * (high + gap), wide, high);
    };
    for (let k = 0; k < n; k++) {
      brush.globalAlpha = k < nHidden ? 0.3 : 1;
      column(k, 0, ink.states[stateOf(frames[2 * k], frames[2 * k + 1])]);
    }
    brush.globalAlpha = 1;
    for (let layer = 0; layer < nLayers; layer++) {
      for (let k = 0; attention && k < nShown; k++) {
        column(nHidden + k, layer + 1, attentionColor(attention[layer * nShown + k] * nShown));
      }
    }
    Object.assign(brush, { fillStyle: ink.text, textBaseline: "middle" });
    rows.forEach((name, row) => brush.fillText(name, 0, top + row * (high + gap) + high / 2));
    const foot = top + rows.length * (high + gap) + 8, span = (n - 1) * simulation.stride * simulation.dt;
    for (let time = 0; time <= span; time += 2) {
      const x = left + (time / span) * (n - 1) * step;
      brush.fillRect(x, foot - 8, 1, 4);
      brush.textAlign = "center";
      brush.fillText(String(time), x, foot + 4);
    }
    brush.fillText("time (reduced)", left + (width - left) / 2, foot + 20);
  }

  Object.assign(Explorable, { SurfaceMap, drawStrip, attentionColor, HIGHEST_ATTENTION });
})();
