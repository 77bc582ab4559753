// The page's codes: ties, addresses, inputs of the network. Run by tests/course/test_page.py.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");

const SITE = process.env.FINEGAN_SITE;
require(`${SITE}/codes.js`);
const { finegan } = globalThis;
const toy = {
  name: "toy", z_dim: 4, n_parents: 3, n_children: 6, parent_of: [0, 0, 1, 1, 2, 2], view: true, image_size: 64,
  first: 3, z: [0, 0, 0, 0],
};

test("p and b follow c where they are tied, and only there", () => {
  const bird = { ...finegan.firstBird(toy), c: 4, p: 0, b: 1 };
  assert.deepEqual([finegan.follow(toy, bird).p, finegan.follow(toy, bird).b], [2, 4]);
  const free = finegan.follow(toy, { ...bird, ties: ["b"] });
  assert.deepEqual([free.p, free.b], [0, 4]);
});

test("the first bird is the one that the network names, tied", () => {
  const { c, p, b, z, network } = finegan.firstBird(toy);
  assert.deepEqual([c, p, b, z, network], [3, 1, 3, toy.z, "toy"]);
});

test("an address brings its bird back, untied too", () => {
  let state = 1;
  const random = () => { state = (state * 16807) % 2147483647; return state / 2147483647; };
  for (const ties of [["p", "b"], ["b"], ["p"], []]) {
    const bird = finegan.randomBird(toy, ties, random);
    assert.deepEqual(finegan.fromAddress(finegan.toAddress(bird), [toy]), bird);
  }
});

test("a wrong address is mended or refused", () => {
  assert.equal(finegan.fromAddress("#network=other&c=1", [toy]), null);
  assert.equal(finegan.fromAddress("#How-it-is-drawn", [toy]), null);
  const bird = finegan.fromAddress("#network=toy&c=99&p=-4&b=x&z=9,nonsense,<b>&tied=", [toy]);
  assert.deepEqual([bird.c, bird.p, bird.b, bird.ties], [5, 0, 0, []]);
  assert.deepEqual(bird.z, [3, 0, 0, 0]);
  assert.deepEqual(finegan.fromAddress("#network=toy", [toy]), finegan.firstBird(toy));
});

test("random numbers of z have the normal distribution's spread", () => {
  let state = 7;
  const random = () => { state = (state * 16807) % 2147483647; return state / 2147483647; };
  const z = finegan.randomZ({ z_dim: 4000 }, random);
  const mean = z.reduce((a, b) => a + b) / z.length;
  const sd = Math.sqrt(z.reduce((total, v) => total + (v - mean) ** 2, 0) / z.length);
  assert.ok(Math.abs(mean) < 0.06 && Math.abs(sd - 1) < 0.06, `${mean} ${sd}`);
});

test("a mixture takes shape and pose of the first, appearance of the second", () => {
  const [a, b] = [finegan.randomBird(toy), finegan.randomBird(toy)];
  const mixed = finegan.follow(toy, finegan.mix(a, b, a));
  assert.deepEqual([mixed.p, mixed.z, mixed.c, mixed.b], [a.p, a.z, b.c, a.b]);
});

test("inputs are one-hot, one row a bird", () => {
  const birds = [{ z: [1, 2, 3, 4], b: 5, p: 0, c: 1 }, { z: [0, 0, 0, 0], b: 0, p: 2, c: 1 }];
  const { z, b, p, c } = finegan.inputs(toy, birds);
  assert.deepEqual([...z.data], [1, 2, 3, 4, 0, 0, 0, 0]);
  assert.deepEqual([...p.data], [1, 0, 0, 0, 0, 1]);
  assert.deepEqual([b.length, b.data.indexOf(1), b.data.lastIndexOf(1)], [6, 5, 6]);
  assert.deepEqual([...c.data], [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
});

test("a bird that is moved stays inside, and comes back", () => {
  const there = finegan.moved(0.3, 2 / 64);
  assert.ok(there > 0.3 && Math.abs(finegan.moved(there, -2 / 64) - 0.3) < 1e-9);
  assert.ok(Number.isFinite(finegan.moved(2.9, 1)));
});

test("indices are spread evenly", () => {
  assert.deepEqual(finegan.spread(20, 4), [0, 6, 13, 19]);
  assert.deepEqual(finegan.spread(3, 20), [0, 1, 2]);
  assert.deepEqual(finegan.spread(1, 20), [0]);
});
