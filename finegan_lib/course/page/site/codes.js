// The four codes of a bird: ties, random values, tensors for the network, and the page's address.
"use strict";
globalThis.finegan ??= {}; // what all scripts of the page share; this one is the first
{
  const TIES = ["p", "b"];
  const LARGEST = 3; // of a number of z, on either side of 0

  /** The bird that a network shows first, tied. */
  function firstBird(network) {
    const { name, first, z } = network;
    return follow(network, { network: name, c: first, p: 0, b: 0, z, ties: [...TIES] });
  }

  /** The bird with p as the parent of c, and b = c, where they are tied. */
  function follow(network, bird) {
    const p = bird.ties.includes("p") ? network.parent_of[bird.c] : bird.p;
    const b = bird.ties.includes("b") ? bird.c : bird.b;
    return { ...bird, p, b };
  }

  /** A random bird: a new z, and new codes where they are not tied. */
  function randomBird(network, ties = TIES, random = Math.random) {
    const pick = (n) => Math.floor(random() * n);
    const codes = { c: pick(network.n_children), p: pick(network.n_parents), b: pick(network.n_children) };
    return follow(network, { network: network.name, ...codes, z: randomZ(network, random), ties: [...ties] });
  }

  /** z from a normal distribution (Box and Muller's way), cut off where the sliders end. */
  function randomZ(network, random = Math.random) {
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Array.from({ length: network.z_dim }, () => tidy(normal()));
  }

  const tidy = (number) => Math.round(Math.min(LARGEST, Math.max(-LARGEST, number)) * 100) / 100;

  /** Shape and pose of the first bird, appearance of the second, background of either. */
  function mix(first, second, behind) {
    return { ...first, c: second.c, b: behind.b, ties: [] };
  }

  /** Birds as the network's inputs: name → {data: Float32Array, length of one code}. */
  function inputs(network, birds) {
    const oneHot = (name, n) => {
      const data = new Float32Array(birds.length * n);
      birds.forEach((bird, i) => { data[i * n + bird[name]] = 1; });
      return { data, length: n };
    };
    const z = { data: Float32Array.from(birds.flatMap((bird) => bird.z)), length: network.z_dim };
    const { n_children, n_parents } = network;
    return { z, b: oneHot("b", n_children), p: oneHot("p", n_parents), c: oneHot("c", n_children) };
  }

  /** What stands behind # in the address of a bird. */
  function toAddress({ network, c, p, b, z, ties }) {
    return `#network=${network}&c=${c}&p=${p}&b=${b}&z=${z.join(",")}&tied=${ties.join("")}`;
  }

  /** The bird of an address, or null if it names none of the networks. Missing parts are the first bird's. */
  function fromAddress(address, networks) {
    const said = new URLSearchParams(address.replace(/^#/, ""));
    const network = networks.find((known) => known.name === said.get("network"));
    if (!network) return null;
    const index = (name, n) => {
      const number = Number.parseInt(said.get(name) ?? network.first, 10);
      return Number.isInteger(number) ? Math.min(n - 1, Math.max(0, number)) : 0;
    };
    const numbers = said.get("z")?.split(",").map(Number) ?? network.z;
    const z = Array.from({ length: network.z_dim }, (_, i) => tidy(numbers[i] || 0));
    const ties = TIES.filter((name) => (said.get("tied") ?? TIES.join("")).includes(name));
    const [c, b] = [index("c", network.n_children), index("b", network.n_children)];
    return follow(network, { network: network.name, c, p: index("p", network.n_parents), b, z, ties });
  }

  /** A bird in words. */
  function inWords(network, bird) {
    const z = bird.z.slice(0, 3).map((number) => number.toFixed(1)).join(", ");
    const tied = bird.ties.length ? `; tied: ${bird.ties.join(" and ")}` : "";
    return `Shape p = ${bird.p}, appearance c = ${bird.c}, background b = ${bird.b}, z = (${z}, …)${tied}.`;
  }

  /** At most `most` of the numbers 0 … n − 1, evenly spread. */
  function spread(n, most) {
    const count = Math.min(n, most);
    return Array.from({ length: count }, (_, i) => Math.round((i * (n - 1)) / Math.max(1, count - 1)));
  }

  const FARTHEST = 6 / 64; // of the picture's side: how far a view moves the bird
  const STEEP = 1.702; // 1 / (1 + exp(−1.702 z)) is the normal distribution's Φ(z) to within 0.01

  /** The number of z that places the bird a part of the picture's side farther. */
  function moved(z, part) {
    const place = 1 / (1 + Math.exp(-STEEP * z)) + part / (2 * FARTHEST);
    const inside = Math.min(0.999, Math.max(0.001, place));
    return Math.log(inside / (1 - inside)) / STEEP;
  }

  Object.assign(finegan, {
    spread, moved, LARGEST, firstBird, follow, randomBird, randomZ, tidy, mix, inputs, toAddress, fromAddress, inWords,
  });
}
