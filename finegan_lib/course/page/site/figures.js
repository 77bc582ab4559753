// A figure to play with on each lesson's page: a drawing and a sentence from the values of its sliders.
"use strict";
{
  const f = finegan;
  const N = 120; // points of a curve

  /** A drawing of x in [0, w], y in [0, h], the origin at the lower left, and the words of its axes. */
  function drawing(w, h, [xWords, yWords], parts) {
    return `<svg viewBox="-34 -8 368 200" role="img" aria-label="${yWords} by ${xWords}">
      <path class="fg-axis" d="M0 0V160H320"/><text x="320" y="185" text-anchor="end">${xWords}</text>
      <text transform="rotate(-90)" x="0" y="-18" text-anchor="end">${yWords}</text>
      ${parts((x) => (320 * x) / w, (y) => 160 - (160 * y) / h)}</svg>`;
  }
  const line = (points, kind) => `<polyline class="fg-${kind}" points="${points.map((p) => p.join()).join(" ")}"/>`;
  const bar = (x, y, w, h, kind) => `<rect class="fg-${kind}" x="${x}" y="${y}" width="${w}" height="${h}"/>`;
  const word = (x, y, text) => `<text x="${x}" y="${y}">${text}</text>`;
  const bars = (values, largest, words) => drawing(1, 1, words, () => Object.entries(values).map(
    ([name, value], i) => bar(0, 38 * i + 6, (320 * Math.max(0, value)) / largest, 18, "abc"[i % 3])
      + word(4, 38 * i + 37, `${name}: ${value.toFixed(3)}`)).join(""));
  const colour = (rgb) => `rgb(${rgb.map(Math.round).join()})`;
  const BLUE = [0, 114, 178];
  const ORANGE = [230, 159, 0];

  /** name → the values of its sliders → its drawing as SVG, and a sentence. The sliders: figures.html. */
  const FIGURES = {
    start({ share }) {
      const means = [[BLUE, ORANGE], [ORANGE, BLUE]].map(([x, y]) => f.stitch(share, x, y));
      const bird = (i, [x, y]) => bar(160 * i + 10, 5, 60, 90 * share, `" fill="${colour(x)}`)
        + bar(160 * i + 10, 5 + 90 * share, 60, 90 * (1 - share), `" fill="${colour(y)}`)
        + bar(160 * i + 85, 25, 50, 50, `" fill="${colour(means[i])}`) + word(160 * i + 85, 90, "mean");
      const far = Math.hypot(...means[0].map((x, i) => x - means[1][i]));
      return [`<svg viewBox="0 0 320 105" role="img" aria-label="two birds and their mean colours">${
        bird(0, [BLUE, ORANGE])}${bird(1, [ORANGE, BLUE])}</svg>`,
      `Their mean colours are ${far.toFixed(0)} of 255 apart${far < 1 ? ": they seem one species" : ""}.`];
    },
    gan({ mean, sd }) {
      const x = Array.from({ length: N }, (_, i) => (10 * i) / (N - 1) - 5);
      const [p, q] = [x.map((v) => f.normal(v, 0, 1)), x.map((v) => f.normal(v, mean, sd))];
      const jsd = f.jensenShannon(p, q, 10 / (N - 1));
      const curves = { a: p, b: q, ink: p.map((value, i) => f.bestDiscriminator(value, q[i])) };
      return [drawing(10, 1.4, ["x", "density; D*"], (u, v) => Object.entries(curves).map(
        ([kind, y]) => line(x.map((at, i) => [u(at + 5), v(y[i])]), kind)).join("")),
      `Blue: real, red: fake, black: D* = p / (p + q). Divergence of the two: ${jsd.toFixed(3)} of ${
        Math.log(2).toFixed(3)} nats; G's loss against D*: ${(2 * jsd - Math.log(4)).toFixed(3)}.`];
    },
    pictures({ kernel, stride }) {
      const written = f.overlaps(9, kernel, stride);
      const wide = 320 / written.length;
      return [drawing(written.length, 7, ["pixel", "times"], (u, v) => written.map((times, i) => bar(
        u(i), v(times), wide - 1, 160 - v(times), times % 2 ? "a" : "c")).join("")),
      kernel % stride ? "Unequal neighbours: a checkerboard."
        : "Between the ends all pixels are written equally often."];
    },
    infogan({ a, q }) {
      const table = [[a / 2, (1 - a) / 2], [(1 - a) / 2, a / 2]];
      const information = f.mutualInformation(table);
      const bound = f.informationBound(table, [[q, 1 - q], [1 - q, q]]);
      const values = { "H(c)": Math.log(2), "I(c; x)": information, "bound L": bound };
      const why = Math.abs(a - q) < 0.01 ? "Q believes what is true." : "It closes where Q believes what is true.";
      return [bars(values, 0.75, ["nats", "quantity"]),
        `P(c, x) = (${table.flat().map((v) => v.toFixed(3)).join(", ")}), row by row.
        The gap is ${(information - bound).toFixed(3)} nats. ${why}`];
    },
    background({ x, y, side }) {
      const box = [x, y, Math.min(64, x + side), Math.min(64, y + side)];
      const kept = f.keptPatches(box, { field: 22, stride: 4, cells: 11 });
      const dots = kept.flatMap((row, j) => row.map((free, i) => `<circle class="fg-${free ? "a" : "b"}"
        cx="${4 * i + 11}" cy="${4 * j + 11}" r="${free ? 1.2 : 0.6}"/>`));
      return [`<svg viewBox="-1 -1 66 66" class="fg-square" role="img" aria-label="box and patches">${
        bar(0, 0, 64, 64, "axis")}${bar(x, y, box[2] - x, box[3] - y, "box")}${dots.join("")}</svg>`,
      `${kept.flat().filter(Boolean).length} of 121 patches, 22 pixels wide, are clear of the box (large dots).`];
    },
    parent({ m }) {
      const stripes = Array.from({ length: 10 }, (_, i) => bar(32 * i, 0, 16, 100, "c")).join("");
      const bird = `<path fill="${colour(ORANGE)}" opacity="${m}"
        d="M90 62q30-40 80-30q14-22 36-14l18 6-16 6q-4 44-56 44l-6 20h-6l2-20q-26-2-52-12z"/>`;
      return [`<svg viewBox="0 0 320 100" role="img" aria-label="a bird before stripes">${stripes}${bird}</svg>`,
        `A pixel of the bird before a green stripe: ${m.toFixed(2)}·F + ${(1 - m).toFixed(2)}·B = ${
          colour(f.stitch(m, ORANGE, [0, 158, 115]))}. A gradient reaches F in proportion to M.`];
    },
    child: ({ p, c }) => [
      bars({ background: (1 - c) * (1 - p), parent: (1 - c) * p, child: c }, 1.1, ["share", "layer"]),
      "The shares add up to 1. Where the child's mask is 1, nothing behind it is seen.",
    ],
    codes({ parents, children }) {
      const sizes = f.shares(parents, children);
      const owner = sizes.flatMap((size, parent) => Array(size).fill(parent));
      const bits = (values) => f.entropy(values.map((n) => n / children)) / Math.log(2);
      const ends = (parent, i) => [[(320 * (parent + 0.5)) / parents, 20], [(320 * (i + 0.5)) / children, 140]];
      const lines = owner.map((parent, i) => line(ends(parent, i), "abc"[parent % 3]));
      return [drawing(1, 1, ["children", "parents"], () => lines.join("")),
      `c carries ${Math.log2(children).toFixed(2)} bits, ${bits(sizes).toFixed(2)} of them through p. Tied there
        are ${children} kinds of picture, free ${parents * children * children}.`];
    },
    training({ decay, warm }) {
      const live = Array.from({ length: N },
        (_, n) => 1 - Math.exp(-n / 15) + 0.2 * Math.sin(2.4 * n) * Math.cos(n));
      const average = f.runningAverage(live, decay, warm);
      return [drawing(N, 1.3, ["step", "weight"], (u, v) => [["b", live], ["a", average]].map(
        ([kind, y]) => line(y.map((w, n) => [u(n), v(w + 0.05)]), kind)).join("")),
      `Red: live, blue: the average, which remembers about ${Math.round(1 / (1 - decay))} steps.`];
    },
    image_quality({ mean, sd }) {
      const x = Array.from({ length: N }, (_, i) => (12 * i) / (N - 1) - 6);
      return [drawing(12, 1.1, ["feature", "density"], (u, v) => [["a", 0, 1], ["b", mean, sd]].map(
        ([kind, m, s]) => line(x.map((at) => [u(at + 6), v(f.normal(at, m, s) / 2)]), kind)).join("")),
      `Means ${(mean ** 2).toFixed(2)} + spread ${((1 - sd) ** 2).toFixed(2)} = ${
        f.frechet(0, 1, mean, sd).toFixed(2)}.`];
    },
    discovery({ wrong, merge }) {
      const counts = [[1 - wrong, wrong, 0], [0, 1 - wrong, wrong], [wrong, 0, 1 - wrong]].map((row) => {
        const joins = merge * row[2];
        return [row[0], row[1] + joins, row[2] - joins].map((share) => 100 * share);
      });
      const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
      const right = Math.max(...orders.map((order) => order.reduce((n, j, i) => n + counts[i][j], 0)));
      return [bars({ NMI: f.nmi(counts), accuracy: right / 300 }, 1.1, ["score", "measure"]),
        `Best mapping: ${right.toFixed(0)} of 300 birds right. If all are in the next cluster, none is wrong.`];
    },
  };

  /** Connect the figure in a box with its sliders. */
  function mount(box) {
    const inputs = [...box.querySelectorAll("input")];
    box.oninput = () => {
      inputs.forEach((input) => { input.nextElementSibling.value = input.value; });
      const values = inputs.map((input) => [input.name, Number(input.value)]);
      const [svg, words] = FIGURES[box.dataset.figure](Object.fromEntries(values));
      box.querySelector(".fg-drawing").innerHTML = svg;
      box.querySelector("[role=status]").textContent = words;
    };
    box.oninput();
  }

  Object.assign(finegan, { FIGURES, mount });
}
