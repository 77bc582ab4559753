// What the lessons' figures compute, as the lessons define it.
"use strict";
{
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  const xlogx = (x) => (x > 0 ? x * Math.log(x) : 0);

  const normal = (x, mean, sd) => Math.exp(-(((x - mean) / sd) ** 2) / 2) / (sd * Math.sqrt(2 * Math.PI));

  /** D* = p / (p + q). */
  const bestDiscriminator = (p, q) => p / (p + q);

  /** Jensen and Shannon's divergence of two densities at places `step` apart, in nats. */
  const jensenShannon = (p, q, step) => step * sum(p.map((value, i) => {
    const middle = (value + q[i]) / 2;
    return (xlogx(value) + xlogx(q[i])) / 2 - xlogx(middle);
  }));

  /** Entropy of probabilities, and I of a joint table (rows of probabilities), in nats. */
  const entropy = (probabilities) => -sum(probabilities.map(xlogx));
  const margins = (table) => [table.map(sum), table[0].map((_, j) => sum(table.map((row) => row[j])))];
  function mutualInformation(table) {
    const [rows, columns] = margins(table);
    return entropy(rows) + entropy(columns) - entropy(table.flat());
  }

  /** InfoGAN's bound H(c) + E log Q(c|x). Rows of both tables: c; columns: x. */
  function informationBound(table, q) {
    const [rows] = margins(table);
    return entropy(rows) + sum(table.flatMap((row, i) => row.map((joint, j) => joint * Math.log(q[i][j]))));
  }

  /** 2·I / (H(A) + H(B)) of a table of counts. */
  function nmi(counts) {
    const total = sum(counts.flat());
    const table = counts.map((row) => row.map((count) => count / total));
    const [rows, columns] = margins(table);
    return (2 * mutualInformation(table)) / (entropy(rows) + entropy(columns));
  }

  /** Which of a critic's cells lie clear of the box [x1, y1, x2, y2]: rows of booleans. */
  function keptPatches([x1, y1, x2, y2], { field, stride, cells }) {
    const covered = (i, low, high) => i >= Math.ceil((low - field) / stride) && i <= Math.floor(high / stride);
    return Array.from({ length: cells }, (_row, j) => Array.from({ length: cells },
      (_column, i) => !(covered(i, x1, x2) && covered(j, y1, y2))));
  }

  /** M·F + (1 − M)·behind, channel by channel. */
  const stitch = (mask, foreground, behind) => foreground.map((f, i) => mask * f + (1 - mask) * behind[i]);

  /** The running average of numbers; with a warm-up the decay starts small. */
  function runningAverage(numbers, decay, warm) {
    let average = numbers[0];
    return numbers.map((number, n) => {
      const d = warm ? Math.min(decay, (1 + n) / (10 + n)) : decay;
      average = d * average + (1 - d) * number;
      return average;
    });
  }

  /** How often a transposed convolution writes to each pixel of a row of n. */
  function overlaps(n, kernel, stride) {
    const written = Array(stride * (n - 1) + kernel).fill(0);
    for (let i = 0; i < n; i++) for (let k = 0; k < kernel; k++) written[stride * i + k] += 1;
    return written;
  }

  /** The Fréchet distance of two normal distributions of one number. */
  const frechet = (m1, s1, m2, s2) => (m1 - m2) ** 2 + (s1 - s2) ** 2;

  /** How many children each parent gets. */
  const shares = (parents, children) => Array.from({ length: parents },
    (_, i) => Math.floor(children / parents) + (i < children % parents ? 1 : 0));

  Object.assign(finegan, {
    normal, bestDiscriminator, jensenShannon, entropy, mutualInformation, informationBound, nmi,
    keptPatches, overlaps, stitch, runningAverage, frechet, shares,
  });
}
