// The model: ONNX Runtime Web, started from scripts that lie beside the page, and one call of it.
"use strict";
(() => {
  const folder = new URL(".", document.currentScript.src);
  let session = null;

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  async function unpacked(content) {
    const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  function script(name) {
    return new Promise((resolve, reject) => {
      const tag = document.createElement("script");
      tag.src = new URL(name, folder);
      tag.onload = resolve;
      tag.onerror = () => reject(new Error(`${name} is missing`));
      document.head.append(tag);
    });
  }

  async function start() {
    await script("runtime.js");
    const { script: text, wasm } = Explorable.runtime;
    // a module may not be fetched from a disk, but it may be made from a text
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const ort = await import(address);
    URL.revokeObjectURL(address);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = await unpacked(bytes(wasm));
    const options = { executionProviders: ["wasm"] };
    const model = await ort.InferenceSession.create(bytes(Explorable.model), options);
    delete Explorable.runtime; // several megabytes
    return { ort, model };
  }

  // starts at the first call; later ones wait for the same
  const loadReader = () => (session ??= start());

  // frames, x and y in turn, to {probabilities of A and B, attention by layer and frame, nLayers}
  async function read(frames) {
    const { ort, model } = await loadReader();
    const trajectories = new ort.Tensor("float32", frames, [1, frames.length / 2, 2]);
    const { probabilities, attention } = await model.run({ trajectories });
    const result = {
      probabilities: Array.from(probabilities.data),
      attention: Float32Array.from(attention.data),
      nLayers: attention.dims[1],
    };
    for (const tensor of [trajectories, probabilities, attention]) tensor.dispose();
    return result;
  }

  Object.assign(Explorable, { loadReader, read });
})();
