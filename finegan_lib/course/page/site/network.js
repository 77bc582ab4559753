// A network in the browser: its files, onnxruntime-web, and one drawing after the other.
"use strict";
{
  const RUNTIME = "ort/ort-wasm-simd-threaded";

  /** The bytes of a file below the page's folder. From a disk a browser reads scripts alone, so
   * there each file also lies packed in a script: gzip, as base64. */
  async function bytes(root, name) {
    if (location.protocol !== "file:") {
      const answer = await fetch(root + name);
      if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
      return new Uint8Array(await answer.arrayBuffer());
    }
    await script(`${root}from_disk/${name.replaceAll("/", "_")}.js`);
    const packed = await fetch(`data:application/gzip;base64,${finegan.packed[name]}`);
    delete finegan.packed[name];
    const stream = packed.body.pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /** Add a script to the page and wait until it has run. */
  function script(address) {
    return new Promise((resolve, reject) => {
      const element = Object.assign(document.createElement("script"), { src: address });
      element.onload = resolve;
      element.onerror = () => reject(new Error(`${address} cannot be read`));
      document.head.append(element);
    });
  }

  let started = null;

  /** onnxruntime-web, once, on one thread (more would need headers that plain servers do not send). */
  function runtime(root) {
    started ??= (async () => {
      await script(`${root}ort/ort.wasm.min.js`);
      const { wasm } = globalThis.ort.env;
      wasm.numThreads = 1;
      wasm.wasmPaths = new URL(`${root}ort/`, location.href).href;
      if (location.protocol === "file:") {
        wasm.wasmBinary = (await bytes(root, `${RUNTIME}.wasm`)).buffer;
        const code = new Blob([await bytes(root, `${RUNTIME}.mjs`)], { type: "text/javascript" });
        wasm.wasmPaths = { mjs: URL.createObjectURL(code) };
      }
      return globalThis.ort;
    })();
    return started;
  }

  /** A network that draws birds. */
  class Network {
    /** @param facts of finegan.networks @param root the page's folder, with a slash at its end */
    static async load(facts, root) {
      const [ort, model] = await Promise.all([runtime(root), bytes(root, facts.file)]);
      const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
      return Object.assign(new Network(), { facts, ort, session, last: Promise.resolve() });
    }

    /** Draw birds, after all earlier requests. Returns for each bird its stages by name:
     * {data: Float32Array, channels, size}, images in [-1, 1] and masks in [0, 1]. */
    draw(birds) {
      this.last = this.last.catch(() => null).then(() => this.drawNow(birds));
      return this.last;
    }

    async drawNow(birds) {
      const feeds = {};
      for (const [name, { data, length }] of Object.entries(finegan.inputs(this.facts, birds))) {
        feeds[name] = new this.ort.Tensor("float32", data, [birds.length, length]);
      }
      const outputs = Object.entries(await this.session.run(feeds));
      return birds.map((_, i) => Object.fromEntries(outputs.map(([name, { data, dims }]) => {
        const [, channels, size] = dims;
        const one = channels * size * size;
        return [name, { data: data.subarray(i * one, (i + 1) * one), channels, size }];
      })));
    }
  }

  Object.assign(finegan, { Network, bytes });
}
