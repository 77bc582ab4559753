// What the lessons' figures compute, against values known by hand, and what each figure draws.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");

const SITE = process.env.FINEGAN_SITE;
for (const name of ["codes", "maths", "figures", "paint"]) require(`${SITE}/${name}.js`);
const { finegan: f } = globalThis;
const near = (a, b, error = 1e-9) => assert.ok(Math.abs(a - b) < error, `${a} is not ${b}`);

test("information of tables", () => {
  near(f.entropy([0.25, 0.75]), 0.5623351446188083);
  near(f.mutualInformation([[0.5, 0], [0, 0.5]]), Math.log(2));
  near(f.mutualInformation([[0.25, 0.25], [0.25, 0.25]]), 0);
});

test("the bound is the information where Q is the posterior, and lower elsewhere", () => {
  const table = [[0.45, 0.05], [0.05, 0.45]];
  const information = f.mutualInformation(table);
  near(f.informationBound(table, [[0.9, 0.1], [0.1, 0.9]]), information);
  assert.ok(f.informationBound(table, [[0.7, 0.3], [0.3, 0.7]]) < information);
});

test("the best discriminator and the divergence", () => {
  near(f.bestDiscriminator(0.3, 0.1), 0.75);
  const x = Array.from({ length: 2001 }, (_, i) => (i - 1000) / 50);
  const at = (mean) => x.map((v) => f.normal(v, mean, 1));
  near(f.jensenShannon(at(0), at(0), 1 / 50), 0);
  near(f.jensenShannon(at(-9), at(9), 1 / 50), Math.log(2), 1e-6);
});

test("kept patches agree with the library's", () => {
  for (const { box, kept } of JSON.parse(process.env.FINEGAN_PATCHES)) {
    const found = f.keptPatches(box, { field: 22, stride: 4, cells: 11 });
    assert.deepEqual(found.map((row) => row.map(Number)), kept, `${box}`);
  }
});

test("stitching, averages, distances, shares", () => {
  assert.deepEqual(f.stitch(0.25, [4, 0], [0, 8]), [1, 6]);
  assert.deepEqual(f.runningAverage([1, 3, 3], 0.5, false), [1, 2, 2.5]);
  near(f.runningAverage([0, 1], 0.999, true)[1], 1 - 2 / 11);
  near(f.frechet(1, 2, 3, 5), 13);
  assert.deepEqual(f.shares(4, 10), [3, 3, 2, 2]);
  assert.deepEqual(f.overlaps(3, 3, 2), [1, 1, 2, 1, 2, 1, 1]);
  assert.deepEqual(f.overlaps(3, 4, 2), [1, 1, 2, 2, 2, 2, 1, 1]);
  near(f.nmi([[7, 0], [0, 3]]), 1);
  near(f.nmi([[5, 5], [5, 5]]), 0);
});

test("pixels are rounded as the library rounds them", () => {
  const image = { data: Float32Array.from([-1, 1, 0, -1.5, 0.5, -0.5, 0.1, 0.2, 0, 0, 0, 0]), channels: 3, size: 2 };
  assert.deepEqual([...f.pixels(image).slice(0, 4)], [0, 191, 128, 255]);
  const mask = { data: Float32Array.from([0, 1, 0.5, 0.25]), channels: 1, size: 2 };
  assert.deepEqual([...f.pixels(mask)], [0, 0, 0, 255, 255, 255, 255, 255, 128, 128, 128, 255, 64, 64, 64, 255]);
});

// Their sliders, as figures.html has them: name → {lowest, highest, at first}.
const boxes = readFileSync(`${SITE}/figures.html`, "utf8").split("\n\n").map((box) => ({
  name: box.match(/data-figure="(\w+)"/)[1],
  title: box.match(/fg-title">(.*)<\/p>/)[1],
  sliders: [...box.matchAll(/name="(\w+)" min="(.+?)" max="(.+?)" step=".+?" value="(.+?)"/g)],
}));

test("every figure has its box, and every box its figure", () => {
  assert.deepEqual(boxes.map(({ name }) => name), Object.keys(f.FIGURES));
});

for (const { name, title, sliders } of boxes) {
  test(`the figure "${name}" draws at every end of its sliders`, () => {
    assert.ok(title.length > 5 && sliders.length > 0);
    const seen = new Set();
    for (const end of [2, 3, 4]) {
      const values = Object.fromEntries(sliders.map((slider) => [slider[1], Number(slider[end])]));
      const [svg, words] = f.FIGURES[name](values);
      assert.match(svg, /^<svg [^]*<\/svg>$/);
      assert.doesNotMatch(svg + words, /NaN|undefined|Infinity/, `${name} ${JSON.stringify(values)}`);
      assert.match(svg, /aria-label="[^"]{5,}"/);
      seen.add(svg + words);
    }
    assert.ok(seen.size >= 2, "it does not change");
  });
}
