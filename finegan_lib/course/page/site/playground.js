// The playground: choose the codes of one bird and see how it is drawn.
"use strict";
{
  const VIEW = ["mirrored below 0", "to the right", "downwards"];

  class Playground {
    constructor(box) {
      Object.assign(this, { box, root: box.dataset.root });
      this.find = (selector) => box.querySelector(selector);
      this.large = this.find(".fg-large");
      this.shown = Promise.resolve(); // settled when the newest bird is on the page
      this.loaded = {};
    }

    async start() {
      const { networks } = finegan;
      const choice = this.find("[data-network]");
      choice.append(...networks.map((n) => new Option(n.title, n.name)));
      choice.onchange = () => this.open(choice.value);
      this.listen();
      const bird = finegan.fromAddress(location.hash, networks);
      await this.open(bird?.network ?? networks[0].name, bird);
      addEventListener("hashchange", () => {
        const asked = finegan.fromAddress(location.hash, networks);
        if (asked && finegan.toAddress(asked) !== finegan.toAddress(this.bird)) this.open(asked.network, asked);
      });
    }

    /** Load a network, if it is not there yet, and show a bird of it. */
    async open(name, bird = null) {
      const facts = finegan.networks.find((network) => network.name === name);
      this.find("[data-network]").value = name;
      const other = this.facts !== facts;
      if (other) {
        this.say(`Loading the network “${facts.title}” …`);
        this.loaded[name] ??= finegan.Network.load(facts, this.root);
        const network = await this.loaded[name].catch((error) => {
          delete this.loaded[name]; // to be tried again
          this.fail(error);
        });
        if (!network || this.find("[data-network]").value !== name) return; // another was chosen meanwhile
        Object.assign(this, { network, facts });
        this.buildControls();
        this.box.querySelectorAll(".fg-live").forEach((part) => { part.hidden = false; });
        this.bird = bird ?? finegan.firstBird(facts);
      }
      await this.show(bird ?? this.bird);
      if (!other || this.facts !== facts) return;
      this.mixer = new finegan.Mixer(this, this.find(".fg-mix"));
      this.grid = new finegan.Grid(this, this.find(".fg-grid"));
    }

    /** Show a bird. While one is being drawn, only the newest request waits. */
    show(bird) {
      this.bird = finegan.follow(this.facts, bird);
      this.settle();
      this.waiting ??= this.shown = this.shown.catch(() => null).then(() => {
        this.waiting = null;
        return this.drawNow();
      });
      return this.shown;
    }

    async drawNow() {
      const begun = performance.now();
      const drawn = this.bird;
      const [stages] = await this.network.draw([drawn]);
      const pictures = finegan.pictures(stages);
      finegan.paint(this.large, pictures.C);
      for (const canvas of this.box.querySelectorAll("[data-picture]")) {
        finegan.paint(canvas, pictures[canvas.dataset.picture]);
      }
      const words = finegan.inWords(this.facts, drawn);
      this.large.setAttribute("aria-label", `The finished bird. ${words}`);
      this.say(words);
      history.replaceState(null, "", finegan.toAddress(drawn));
      this.box.dataset.milliseconds = (performance.now() - begun).toFixed(1);
      this.box.dataset.since = performance.now().toFixed(0); // since the page was asked for
    }

    fail(error) {
      if (this.facts) this.find("[data-network]").value = this.facts.name; // the one before goes on
      this.say(`The network cannot be run here (${error.message}).`);
    }

    say(words) {
      this.find(".fg-status").textContent = words;
    }

    /** Set all controls to the bird. */
    settle() {
      for (const code of ["p", "c", "b"]) {
        this.find(`input[name=fg-${code}][value="${this.bird[code]}"]`).checked = true;
        const tie = this.find(`[data-tie=${code}]`);
        if (tie) tie.checked = this.bird.ties.includes(code);
      }
      this.bird.z.forEach((number, i) => {
        const slider = this.find(`input[data-z="${i}"]`);
        slider.value = number;
        slider.nextElementSibling.value = number.toFixed(1);
      });
    }

    change(changes) {
      return this.show({ ...this.bird, ...changes });
    }

    setZ(changes) {
      const z = this.bird.z.map((number, i) => (i in changes ? finegan.tidy(changes[i]) : number));
      return this.change({ z });
    }

    // ---------------------------------------------------------------- what is built once

    /** Pictures of every code to choose from, and a slider for every number of z. */
    buildControls() {
      const facts = this.facts;
      const names = { p: "shape", c: "appearance", b: "background" };
      const counts = { p: facts.n_parents, c: facts.n_children, b: facts.n_children };
      for (const [code, n] of Object.entries(counts)) {
        const sheet = `background-image:url("${this.root}${facts.name}_${code}.png");background-size:${n}00% 100%`;
        this.find(`[data-code=${code}] .fg-choices`).innerHTML = Array.from({ length: n }, (_, i) => `
          <label title="${names[code]} ${i}"><input type="radio" name="fg-${code}" value="${i}"
          aria-label="${names[code]} ${code} = ${i}"><span style='${sheet};background-position:${
          n > 1 ? (100 * i) / (n - 1) : 0}% 0'></span></label>`).join("");
      }
      const sliders = Array.from({ length: facts.z_dim }, (_, i) => `<label><span>z[${i}]
        ${facts.view && VIEW[i] ? `<small>${VIEW[i]}</small>` : ""}</span><input type="range" data-z="${i}"
        min="${-finegan.LARGEST}" max="${finegan.LARGEST}" step="0.1"><output></output></label>`);
      this.find(".fg-view").innerHTML = sliders.slice(0, VIEW.length).join("");
      this.find(".fg-rest").innerHTML = sliders.slice(VIEW.length).join("");
    }

    listen() {
      this.find(".fg-codes").addEventListener("input", ({ target }) => {
        const { tie, z } = target.dataset;
        const ties = this.bird.ties.filter((name) => name !== (tie ?? target.name.slice(3)));
        if (z) this.setZ({ [z]: Number(target.value) });
        else if (tie) this.change({ ties: target.checked ? [...ties, tie].sort().reverse() : ties });
        else this.change({ [target.name.slice(3)]: Number(target.value), ties });
      });
      const actions = {
        random: () => this.show(finegan.randomBird(this.facts, this.bird.ties)),
        z: () => this.change({ z: finegan.randomZ(this.facts) }),
        share: () => this.share(),
        grid: () => this.grid?.draw(),
      };
      for (const [name, action] of Object.entries(actions)) this.find(`[data-do=${name}]`).onclick = action;
      this.large.onpointerdown = ({ pointerId, clientX, clientY }) => {
        this.large.setPointerCapture(pointerId);
        this.held = [clientX, clientY];
      };
      this.large.onpointermove = ({ pointerId, clientX, clientY }) => {
        if (!this.large.hasPointerCapture(pointerId)) return;
        const side = this.large.clientWidth;
        this.move((clientX - this.held[0]) / side, (clientY - this.held[1]) / side);
        this.held = [clientX, clientY];
      };
      this.large.onkeydown = (event) => {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (step) this.move(step[0] / this.facts.image_size, step[1] / this.facts.image_size);
        else if (event.key === "m") this.setZ({ 0: this.bird.z[0] < 0 ? 0.5 : -0.5 });
        else return;
        event.preventDefault();
      };
    }

    /** Move the bird by parts of the picture's side. With a view, z[1] and z[2] are its place. */
    move(x, y) {
      const z = this.bird.z;
      if (this.facts.view) this.setZ({ 1: finegan.moved(z[1], x), 2: finegan.moved(z[2], y) });
      else this.setZ({ 0: z[0] + 6 * x, 1: z[1] + 6 * y });
    }

    async share() {
      const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
      this.say(copied ? "The address is copied." : `The address of this bird: ${location.href}`);
    }
  }

  finegan.Playground = Playground;
}
