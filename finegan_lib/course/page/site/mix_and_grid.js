// More than one bird: a mixture of two, and the grid of shapes and appearances.
"use strict";
{
  /** Two birds and their mixture, which can be opened in the playground. */
  class Mixer {
    constructor(playground, box) {
      Object.assign(this, { playground, box });
      this.birds = [0, 1].map(() => finegan.randomBird(playground.facts));
      this.canvases = [...box.querySelectorAll("canvas")];
      box.onclick = ({ target }) => this.press(target);
      box.onchange = () => this.draw();
      this.draw();
    }

    mixture() {
      const behind = this.birds[this.box.querySelector("select").value];
      return finegan.mix(...this.birds, behind);
    }

    press({ dataset, tagName }) {
      if (tagName !== "BUTTON") return;
      if (dataset.new) this.birds[dataset.new] = finegan.randomBird(this.playground.facts);
      else if (dataset.take) this.birds[dataset.take] = this.playground.bird;
      else if ("swap" in dataset) this.birds.reverse();
      else this.playground.open(this.playground.facts.name, this.mixture());
      this.draw();
    }

    async draw() {
      const birds = [...this.birds, this.mixture()];
      const drawn = await this.playground.network.draw(birds);
      drawn.forEach((stages, i) => {
        finegan.paint(this.canvases[i], stages.child_image);
        this.canvases[i].setAttribute("aria-label", finegan.inWords(this.playground.facts, birds[i]));
      });
    }
  }

  const MOST = 20; // rows, and columns

  /** Every shape with every appearance, as buttons; drawn when it comes into view. */
  class Grid {
    constructor(playground, box) {
      Object.assign(this, { playground, box });
      const watch = new IntersectionObserver((seen) => {
        if (!seen.some((entry) => entry.isIntersecting)) return;
        watch.disconnect();
        this.draw();
      });
      watch.observe(box);
      box.onclick = ({ target }) => this.open(target.closest("button"));
      box.onkeydown = (event) => this.step(event);
    }

    async draw() {
      const { facts, network, bird } = this.playground;
      const children = finegan.spread(facts.n_children, MOST);
      const head = `<tr><td></td>${children.map((c) => `<th scope="col">c=${c}</th>`).join("")}</tr>`;
      const rows = finegan.spread(facts.n_parents, MOST).map((p) => `<tr><th scope="row">p=${p}</th>${
        children.map((c) => `<td><button type="button" tabindex="-1" data-p="${p}" data-c="${c}"
          aria-label="shape ${p}, appearance ${c}" ${facts.parent_of[c] === p ? "class=fg-tied" : ""}>
          <canvas width="${facts.image_size}" height="${facts.image_size}"></canvas></button></td>`)
          .join("")}</tr>`);
      this.box.innerHTML = `<table aria-label="shapes by appearances">${head}${rows.join("")}</table>`;
      const buttons = [...this.box.querySelectorAll("button")];
      buttons[0].tabIndex = 0;
      for (const button of buttons) {
        const [stages] = await network.draw([{ ...bird, ...this.codes(button) }]);
        if (!button.isConnected) return; // another grid has taken its place
        finegan.paint(button.firstElementChild, stages.child_image);
        await new Promise((resolve) => { setTimeout(resolve); }); // the page answers between two birds
      }
    }

    codes({ dataset }) {
      return { p: Number(dataset.p), c: Number(dataset.c), ties: [] };
    }

    open(button) {
      if (!button) return;
      this.playground.change(this.codes(button));
      this.playground.large.scrollIntoView({ block: "center" });
    }

    /** Arrow keys move between the buttons, of which one is a stop for Tab. */
    step(event) {
      const buttons = [...this.box.querySelectorAll("button")];
      const columns = this.box.querySelectorAll("tr:first-child th").length;
      const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
      const next = buttons[buttons.indexOf(event.target) + by];
      if (!next) return;
      event.preventDefault();
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
  }

  Object.assign(finegan, { Mixer, Grid });
}
