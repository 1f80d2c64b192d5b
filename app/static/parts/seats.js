// The tickets of a round as a hall of seats: free, taken, or taken by several at once.

import { counted, whole } from "../core/format.js";
import { h } from "../core/vdom.js";

/** @import { Sale } from "../core/types.js" */

const ROOMY = 60; // up to so many seats there is room in each for how many hold it

/** @param {Sale} sale */
export function seats(sale) {
  const { tickets } = sale;
  const size = tickets.sold.length <= ROOMY ? "roomy" : tickets.sold.length <= 150 ? "close" : "dense";
  const free = tickets.stock - tickets.sold.reduce((sum, each) => sum + each, 0);
  const twice = tickets.sold_twice.reduce((sum, each) => sum + each, 0);
  return h(
    "figure",
    { class: "hall" },
    h(
      "div",
      { class: `seats ${size}`, role: "img", "aria-label": inWords(tickets.stock, free, twice, sale.oversold) },
      tickets.sold.map((_, cell) => seat(sale, cell)),
    ),
    h("figcaption", null, legend(sale, twice)),
  );
}

/** @param {Sale} sale @param {number} cell */
function seat({ tickets, oversold }, cell) {
  const room = Math.min(tickets.tickets_per_cell, tickets.stock - cell * tickets.tickets_per_cell);
  const most = tickets.most[cell];
  // A number that a repair has given out again isn't a ticket that was sold twice: that takes more bookings than tickets.
  const contested = tickets.sold_twice[cell] > 0 && oversold > 0;
  const state = contested
    ? "contested"
    : tickets.sold[cell] === 0
      ? "free"
      : tickets.sold[cell] < room
        ? "partly"
        : "taken";
  return h("span", { class: `seat ${state}` }, contested && h("b", null, `×${whole(most)}`));
}

/** @param {Sale} sale @param {number} twice */
function legend({ tickets, oversold }, twice) {
  const each =
    tickets.tickets_per_cell === 1
      ? "a seat is one ticket"
      : `a seat stands for ${counted(tickets.tickets_per_cell, "ticket")}`;
  return [
    h("span", { class: "key" }, h("span", { class: "seat free", "aria-hidden": "true" }), "free"),
    h("span", { class: "key" }, h("span", { class: "seat taken", "aria-hidden": "true" }), "sold once"),
    h(
      "span",
      { class: "key" },
      h("span", { class: "seat contested", "aria-hidden": "true" }),
      `sold more than once${oversold > 0 ? `: ${counted(twice, "ticket")}` : ""}`,
    ),
    h("span", { class: "key" }, each),
  ];
}

/** @param {number} stock @param {number} free @param {number} twice @param {number} oversold */
function inWords(stock, free, twice, oversold) {
  const contested = oversold > 0 ? `, ${whole(twice)} of them more than once` : "";
  return `${counted(stock, "ticket")}: ${whole(stock - free)} sold${contested}, ${whole(free)} free.`;
}

const SHOWN = 300; // people outside who are drawn one by one

/** Those who hold a ticket and have no seat: nobody, or the story of this page. @param {Sale} sale */
export function outside({ oversold }) {
  if (oversold === 0) return null;
  const each = Math.ceil(oversold / SHOWN);
  const drawn = Math.ceil(oversold / each);
  return h(
    "figure",
    { class: "outside" },
    h(
      "div",
      { class: "people", role: "img", "aria-label": `${whole(oversold)} people outside` },
      Array.from({ length: drawn }, () => h("i", null)),
    ),
    h(
      "figcaption",
      null,
      `Outside: ${counted(oversold, "ticket was", "tickets were")} sold that there are no seats for`,
      each > 1 && ` (one figure stands for ${whole(each)})`,
      ".",
    ),
  );
}
