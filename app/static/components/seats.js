// The tickets of a round as seats in a hall: free, sold once, or sold more than once.

import { counted, whole } from "../core/format.js";
import { h } from "../core/vdom.js";

/** @import { Sale } from "../core/types.js" */

const MAX_SEATS = 150; // drawn for a sale that has not begun
const ROOMY = 60; // up to this number, a seat is large enough to show how many bookings it has
const CLOSE = 150; // up to this number, a seat is larger than the smallest

/** Shows the hall of a sale that has not begun. @param {number} stock */
export function emptySeats(stock) {
  const ticketsPerSeat = Math.max(1, Math.ceil(stock / MAX_SEATS));
  const none = Array(Math.ceil(stock / ticketsPerSeat)).fill(0);
  return seats({
    tickets: { round: 0, stock, tickets_per_cell: ticketsPerSeat, sold: none, sold_twice: none, most: none },
    oversold: 0,
  });
}

/** @param {Pick<Sale, "tickets" | "oversold">} sale */
export function seats(sale) {
  const { tickets } = sale;
  const size = tickets.sold.length <= ROOMY ? "roomy" : tickets.sold.length <= CLOSE ? "close" : "dense";
  const free = tickets.stock - tickets.sold.reduce((sum, sold) => sum + sold, 0);
  const twice = tickets.sold_twice.reduce((sum, sold) => sum + sold, 0);
  return h(
    "figure",
    { class: "hall" },
    h(
      "div",
      { class: `seats ${size}`, role: "img", "aria-label": description(tickets.stock, free, twice, sale.oversold) },
      tickets.sold.map((_, cell) => seat(sale, cell)),
    ),
    h("figcaption", null, legend(sale, twice)),
  );
}

/** @param {Pick<Sale, "tickets" | "oversold">} sale @param {number} cell */
function seat({ tickets, oversold }, cell) {
  const room = Math.min(tickets.tickets_per_cell, tickets.stock - cell * tickets.tickets_per_cell);
  const most = tickets.most[cell];
  // A repair may give out a ticket number again. Two bookings of one number mean that the ticket was sold twice only if
  // the sale has more bookings than tickets.
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

/** @param {Pick<Sale, "tickets" | "oversold">} sale @param {number} twice */
function legend({ tickets, oversold }, twice) {
  const scale =
    tickets.tickets_per_cell === 1
      ? "each seat is one ticket"
      : `each seat stands for ${counted(tickets.tickets_per_cell, "ticket")}`;
  return [
    h("span", { class: "key" }, h("span", { class: "seat free", "aria-hidden": "true" }), "free"),
    h("span", { class: "key" }, h("span", { class: "seat taken", "aria-hidden": "true" }), "sold once"),
    h(
      "span",
      { class: "key" },
      h("span", { class: "seat contested", "aria-hidden": "true" }),
      `sold more than once${oversold > 0 ? `: ${counted(twice, "ticket")}` : ""}`,
    ),
    h("span", { class: "key" }, scale),
  ];
}

/** @param {number} stock @param {number} free @param {number} twice @param {number} oversold */
function description(stock, free, twice, oversold) {
  const contested = oversold > 0 ? `, ${whole(twice)} of them more than once` : "";
  return `${counted(stock, "ticket")}: ${whole(stock - free)} sold${contested}, ${whole(free)} free.`;
}

const MAX_PEOPLE = 300; // up to this number, each ticket without a seat is drawn as one person

/** Shows the tickets that were sold beyond the stock, as people without a seat. @param {Sale} sale */
export function peopleWithoutSeat({ oversold }) {
  if (oversold === 0) return null;
  const ticketsPerPerson = Math.ceil(oversold / MAX_PEOPLE);
  const drawn = Math.ceil(oversold / ticketsPerPerson);
  return h(
    "figure",
    { class: "outside" },
    h(
      "div",
      { class: "people", role: "img", "aria-label": `${counted(oversold, "ticket")} without a seat` },
      Array.from({ length: drawn }, () => h("i", null)),
    ),
    h(
      "figcaption",
      null,
      `${counted(oversold, "ticket was", "tickets were")} sold for which there is no seat`,
      ticketsPerPerson > 1 && ` (each person stands for ${counted(ticketsPerPerson, "ticket")})`,
      ".",
    ),
  );
}
