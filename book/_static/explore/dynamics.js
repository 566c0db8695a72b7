// The particle: potential, force, random numbers and Euler-Maruyama steps, as in mb_support.
"use strict";
(() => {
  const { terms, simulation, ridge, ridge_step, view, node_step, disks } = Explorable.exact;
  const [[xLow, yLow], [xHigh, yHigh]] = view;
  const { AMPLITUDE, A, B, C, X0, Y0 } = terms;

  function potential(x, y) {
    let energy = 0;
    for (let k = 0; k < 4; k++) {
      const dx = x - X0[k], dy = y - Y0[k];
      energy += AMPLITUDE[k] * Math.exp(A[k] * dx * dx + B[k] * dx * dy + C[k] * dy * dy);
    }
    return energy;
  }

  // writes minus the gradient into `out`, which spares an array for each of 100,000 steps
  function force(x, y, out = [0, 0]) {
    let alongX = 0, alongY = 0;
    for (let k = 0; k < 4; k++) {
      const dx = x - X0[k], dy = y - Y0[k];
      const term = AMPLITUDE[k] * Math.exp(A[k] * dx * dx + B[k] * dx * dy + C[k] * dy * dy);
      alongX -= term * (2 * A[k] * dx + B[k] * dy);
      alongY -= term * (B[k] * dx + 2 * C[k] * dy);
    }
    out[0] = alongX;
    out[1] = alongY;
    return out;
  }

  // xoshiro128** of Blackman and Vigna, seeded by splitmix32: 32 random bits, without sign
  function randomBits(seed) {
    let word = seed | 0;
    const split = () => {
      word = (word + 0x9e3779b9) | 0;
      let t = word ^ (word >>> 16);
      t = Math.imul(t, 0x21f0aaad);
      t ^= t >>> 15;
      t = Math.imul(t, 0x735a2d97);
      return t ^ (t >>> 15);
    };
    let a = split(), b = split(), c = split(), d = split();
    const turned = (value, by) => (value << by) | (value >>> (32 - by));
    return () => {
      const result = Math.imul(turned(Math.imul(b, 5), 7), 9) >>> 0;
      const shifted = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = turned(d, 11);
      return result;
    };
  }

  // two independent normal deviates at a time, by Box and Muller
  function normalPairs(seed) {
    const bits = randomBits(seed);
    return (out) => {
      const radius = Math.sqrt(-2 * Math.log((bits() + 0.5) / 2 ** 32));
      const angle = (2 * Math.PI * bits()) / 2 ** 32;
      out[0] = radius * Math.cos(angle);
      out[1] = radius * Math.sin(angle);
      return out;
    };
  }

  const insideDisk = (x, y, [[cx, cy], r]) => (x - cx) ** 2 + (y - cy) ** 2 < r * r;

  // frames, x and y in turn, the first is the start; and the state whose disk came first, or -1
  function simulate([startX, startY], seed) {
    const { beta, diffusion, dt, stride, n_frames } = simulation;
    const drift = beta * diffusion * dt, noise = Math.sqrt(2 * diffusion * dt);
    const frames = new Float32Array(2 * n_frames);
    const draw = normalPairs(seed), z = [0, 0], f = [0, 0];
    let x = startX, y = startY, reached = -1;
    for (let frame = 0; frame < n_frames; frame++) {
      for (let step = 0; frame > 0 && step < stride; step++) {
        if (reached < 0) reached = disks.findIndex((disk) => insideDisk(x, y, disk));
        force(x, y, f);
        draw(z);
        x += drift * f[0] + noise * z[0];
        y += drift * f[1] + noise * z[1];
      }
      frames[2 * frame] = x;
      frames[2 * frame + 1] = y;
    }
    return { frames, reached };
  }

  const clamped = (value, low, high) => Math.min(Math.max(value, low), high);

  function ridgeHeight(x) {
    const place = clamped((x - xLow) / ridge_step, 0, ridge.length - 1.000001);
    const k = Math.floor(place);
    return ridge[k] + (place - k) * (ridge[k + 1] - ridge[k]);
  }

  const stateOf = (x, y) => (y > ridgeHeight(x) ? 0 : 1);

  // a field of exact.json, rows of y in thousandths, between its nodes
  function interpolate(field, x, y) {
    const along = clamped((x - xLow) / node_step, 0, field[0].length - 1.000001);
    const up = clamped((y - yLow) / node_step, 0, field.length - 1.000001);
    const i = Math.floor(along), j = Math.floor(up), s = along - i, t = up - j;
    const low = field[j][i] * (1 - s) + field[j][i + 1] * s;
    const high = field[j + 1][i] * (1 - s) + field[j + 1][i + 1] * s;
    return (low * (1 - t) + high * t) / 1000;
  }

  const committor = (x, y) => interpolate(Explorable.exact.committor, x, y);

  // P(began in B | the first frame shown), the number of frames hidden before it by its index
  function posterior(index, x, y) {
    if (Explorable.exact.hidden[index] === 0) return stateOf(x, y);
    return interpolate(Explorable.exact.posterior[index], x, y);
  }

  Object.assign(Explorable, {
    potential, force, normalPairs, simulate, ridgeHeight, stateOf, committor, posterior, clamped,
  });
})();
