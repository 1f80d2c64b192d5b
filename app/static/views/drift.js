// Checks that a sale adds up (stock = remaining + backlog + set aside + booked), and names the drift if it does not.

import { counted, whole } from "../core/format.js";

/** @import { Sale } from "../core/types.js" */

/** The equation in words. */
export const EQUATION = "stock = remaining + backlog + set aside + booked, in tickets";

/** @param {Sale} sale @returns {{ tone: "good" | "bad" | "open", sentence: string }} */
export function drift({ identity, lost, oversold, phase }) {
  const { stock, remaining, backlog, set_aside, booked, holds } = identity;
  if (remaining === null || backlog === null) {
    if (phase === "Closed") return { tone: "open", sentence: "The sale has ended, and its counter was removed." };
    return { tone: "bad", sentence: "The counter cannot be read, so it is not known whether this adds up." };
  }
  const sum = remaining + backlog + set_aside + booked;
  const equation = `${whole(stock)} ${sum === stock ? "=" : "≠"} ${[remaining, backlog, set_aside, booked].map(whole).join(" + ")}`;
  if (lost)
    return {
      tone: "bad",
      sentence: `${equation}. Lost: ${counted(lost, "ticket was", "tickets were")} promised to buyers and then forgotten by the stock server.`,
    };
  if (holds === null)
    return { tone: "open", sentence: `${equation}. Orders are moving, so this cannot be checked yet.` };
  if (holds) return { tone: "good", sentence: `${equation}. It adds up.` };
  const off = Math.abs(sum - stock);
  if (sum < stock)
    return {
      tone: "bad",
      sentence: `${equation}. Leaked: ${counted(off, "ticket")} left the counter without an order.`,
    };
  return {
    tone: "bad",
    sentence: oversold
      ? `${equation}. Oversold: ${counted(oversold, "ticket")}. The counter still shows ${whole(remaining)} left.`
      : `${equation}. Over-admitted: ${counted(off, "ticket")} more than the stock.`,
  };
}

/** Says how many tickets were booked again, null if none was. @param {Sale} sale @returns {string | null} */
export function bookedAgain({ rebooked }) {
  if (!rebooked) return null;
  return `${counted(rebooked, "ticket was", "tickets were")} booked again after the ledger went back. The gate remembered the orders.`;
}
