// Charts, drawn by Chart.js. It is fetched at set-up; if that was not possible, the page works without charts.

import { h } from "../core/vdom.js";

/** @type {Promise<any> | null} */
let loading = null;
/** @type {WeakMap<HTMLCanvasElement, any>} */
const charts = new WeakMap();

/** @returns {Promise<any>} the Chart constructor */
function library() {
  const file = "../vendor/chart.js";
  loading ??= import(file).then(() => /** @type {any} */ (globalThis).Chart);
  return loading;
}

/**
 * Makes a chart, or a hint if Chart.js is missing.
 * @param {object} options
 * @param {boolean} options.available  facts.charts
 * @param {string} options.label  a text alternative for screen readers
 * @param {(colour: (name: string) => string) => any} options.configure  returns a Chart.js configuration; `colour` reads
 *   a colour of the theme
 * @param {string} [options.id]
 */
export function chart({ available, label, configure, id }) {
  if (!available) {
    return h(
      "p",
      { class: "hint" },
      "Charts need Chart.js, which could not be fetched at set-up. Run make install to see why.",
    );
  }
  return h(
    "div",
    { class: "chart" },
    h("canvas", {
      role: "img",
      "aria-label": label,
      id,
      draw: (/** @type {HTMLCanvasElement} */ canvas) => draw(canvas, configure),
      removed: destroy,
    }),
  );
}

/** @param {HTMLCanvasElement} canvas @param {(colour: (name: string) => string) => any} configure */
async function draw(canvas, configure) {
  const Chart = await library();
  if (!canvas.isConnected) return;
  const style = getComputedStyle(canvas);
  const configuration = configure((name) => style.getPropertyValue(`--${name}`).trim());
  const existing = charts.get(canvas);
  if (!existing) {
    const defaults = { animation: false, responsive: true, maintainAspectRatio: false };
    charts.set(canvas, new Chart(canvas, { ...configuration, options: { ...defaults, ...configuration.options } }));
    return;
  }
  existing.options = { ...existing.options, ...configuration.options };
  existing.data.labels = configuration.data.labels;
  for (const [index, set] of configuration.data.datasets.entries()) {
    existing.data.datasets[index] = Object.assign(existing.data.datasets[index] ?? {}, set);
  }
  existing.data.datasets.length = configuration.data.datasets.length;
  existing.update("none");
}

/** @param {HTMLCanvasElement} canvas */
function destroy(canvas) {
  charts.get(canvas)?.destroy();
  charts.delete(canvas);
}
