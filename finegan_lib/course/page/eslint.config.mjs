// The page's scripts are plain scripts, not modules: a browser reads no modules from a disk.
import js from "@eslint/js";

const browser = [
  "Blob", "DecompressionStream", "ImageData", "IntersectionObserver", "Option", "Response", "URL",
  "URLSearchParams", "addEventListener", "document", "fetch", "history", "location", "navigator",
  "performance", "setTimeout",
];

export default [
  js.configs.recommended,
  {
    files: ["site/*.js"],
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: "script",
      globals: {
        finegan: "readonly",
        ...Object.fromEntries(browser.map((name) => [name, "readonly"])),
      },
    },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-len": ["error", { code: 120 }],
      "no-shadow": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      strict: ["error", "global"],
    },
  },
];
