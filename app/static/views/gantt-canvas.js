// Draws windows on a canvas. Everything but the outlines of the chosen and the hovered window is drawn once and kept as
// a layer, so that a frame with thousands of windows costs no more than a frame with a few.

import { ROW_PX } from "./gantt.js";

/** @import { Attempt, Witness } from "../core/types.js" */
/** @import { Bar, Plan } from "./gantt.js" */
/** @typedef {{ collided: Set<number>, chosen: Attempt | null, pair: Witness | null, hovered: Attempt | null }} Marks */

const SLACK_PX = 3;
/** @type {WeakMap<HTMLCanvasElement, { inputs: unknown[], layer: OffscreenCanvas }>} */
const layers = new WeakMap();

/** @param {HTMLCanvasElement} canvas @param {Plan} plan @param {Marks} marks */
export function paint(canvas, plan, marks) {
  const width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
  const height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  if (!context) return;
  const style = getComputedStyle(canvas);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`);
  context.clearRect(0, 0, width, height);
  context.drawImage(layerOf(canvas, plan, marks.collided, width, height, colour), 0, 0);
  outline(context, plan, marks, width, colour);
}

/**
 * @param {HTMLCanvasElement} canvas @param {Plan} plan @param {Set<number>} collided @param {number} width
 * @param {number} height @param {(name: string) => string} colour
 */
function layerOf(canvas, plan, collided, width, height, colour) {
  const inputs = [plan, collided, width, height, colour("panel")];
  const kept = layers.get(canvas);
  if (kept && inputs.every((input, index) => input === kept.inputs[index])) return kept.layer;
  const layer = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (layer.getContext("2d"));
  const row = ROW_PX * devicePixelRatio;
  lanes(context, plan, width, row, colour);
  for (const bar of plan.bars) {
    const hit = collided.has(bar.attempt.number);
    const [x, barWidth] = extent(bar, width);
    context.fillStyle = colour(hit ? "bad" : "right");
    context.fillRect(x, bar.row * row + 1, barWidth, row - 2);
    if (hit) notch(context, x, bar.row * row, barWidth, row, colour("panel"));
  }
  layers.set(canvas, { inputs, layer });
  return layer;
}

/**
 * Cuts a notch into the write end, so that a collided window also differs in shape.
 * @param {OffscreenCanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} barWidth
 * @param {number} row @param {string} background
 */
function notch(context, x, y, barWidth, row, background) {
  if (barWidth < row) return;
  context.fillStyle = background;
  context.beginPath();
  context.moveTo(x + barWidth, y);
  context.lineTo(x + barWidth - row / 2, y + row / 2);
  context.lineTo(x + barWidth, y + row);
  context.fill();
}

/**
 * @param {OffscreenCanvasRenderingContext2D} context @param {Plan} plan @param {number} width @param {number} row
 * @param {(name: string) => string} colour
 */
function lanes(context, plan, width, row, colour) {
  let top = 0;
  context.fillStyle = colour("line");
  for (const lane of plan.lanes.slice(0, -1)) {
    top += lane.rows * row;
    context.fillRect(0, top - 0.5, width, 1);
  }
}

/**
 * @param {CanvasRenderingContext2D} context @param {Plan} plan @param {Marks} marks @param {number} width
 * @param {(name: string) => string} colour
 */
function outline(context, plan, { chosen, pair, hovered }, width, colour) {
  const members = pair ? [pair.first.number, pair.second.number] : chosen ? [chosen.number] : [];
  const row = ROW_PX * devicePixelRatio;
  const marked = plan.bars.filter(
    ({ attempt }) => members.includes(attempt.number) || attempt.number === hovered?.number,
  );
  context.strokeStyle = colour("focus");
  context.lineWidth = 2 * devicePixelRatio;
  for (const bar of marked) {
    const [x, barWidth] = extent(bar, width);
    context.strokeRect(x - 1, bar.row * row, barWidth + 2, row);
  }
  if (pair && marked.length > 1) connect(context, plan, members, width, row);
}

/**
 * Draws a line between the reads of a pair: both read the same version.
 * @param {CanvasRenderingContext2D} context @param {Plan} plan @param {number[]} members @param {number} width
 * @param {number} row
 */
function connect(context, plan, members, width, row) {
  const [one, other] = plan.bars.filter(({ attempt }) => members.includes(attempt.number));
  if (!one || !other) return;
  context.beginPath();
  context.moveTo(one.from * width, (one.row + 0.5) * row);
  context.lineTo(other.from * width, (other.row + 0.5) * row);
  context.stroke();
}

/** @param {Bar} bar @param {number} width @returns {[number, number]} */
const extent = (bar, width) => [bar.from * width, Math.max(1.5, (bar.to - bar.from) * width - 0.5)];

/** Returns where on the canvas an event happened. @param {PointerEvent} event */
export function positionOf(event) {
  const canvas = /** @type {HTMLCanvasElement} */ (event.currentTarget);
  const width = canvas.clientWidth;
  return { across: event.offsetX / width, row: Math.floor(event.offsetY / ROW_PX), slack: SLACK_PX / width };
}
