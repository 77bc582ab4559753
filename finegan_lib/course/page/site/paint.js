// Pictures: from the network's numbers to pixels on a canvas.
"use strict";
{
  /** An image in [-1, 1] or a mask in [0, 1] as RGBA bytes, rounded as finegan_lib rounds them. */
  function pixels({ data, channels, size }) {
    const n = size * size;
    const rgba = new Uint8ClampedArray(4 * n); // clamps and rounds what is put in
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < 3; k++) {
        rgba[4 * i + k] = 255 * (channels === 1 ? data[i] : (data[i + k * n] + 1) / 2);
      }
      rgba[4 * i + 3] = 255;
    }
    return rgba;
  }

  /** The pictures that the page shows of a bird's stages, by their symbols. */
  function pictures(stages) {
    return {
      B: stages.background_image, P: stages.parent_image, C: stages.child_image,
      Mp: stages.parent_mask, Fp: stages.parent_foreground,
      Mc: stages.child_mask, Fc: stages.child_foreground,
    };
  }

  /** Paint a picture on a canvas, which gets the picture's size; CSS makes it larger. */
  function paint(element, picture) {
    element.width = element.height = picture.size;
    const image = new ImageData(pixels(picture), picture.size, picture.size);
    element.getContext("2d").putImageData(image, 0, 0);
  }

  Object.assign(finegan, { pixels, pictures, paint });
}
