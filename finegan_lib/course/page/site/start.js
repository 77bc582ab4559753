// Starts the page's parts when the browser has read the page.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".finegan[data-figure]").forEach((box) => finegan.mount(box));
  for (const box of document.querySelectorAll(".finegan.playground")) {
    const playground = new finegan.Playground(box);
    box.playground = playground;
    playground.start().catch((error) => playground.fail(error));
  }
});
