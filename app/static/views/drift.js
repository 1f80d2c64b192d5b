// Whether a sale adds up: stock = remaining + backlog + set aside + booked, and by which kind of drift it doesn't.

import { counted, whole } from "../core/format.js";

/** @import { Sale } from "../core/types.js" */

/** In words what the equation adds up. */
export const EQUATION = "stock = remaining + backlog + set aside + booked, in tickets";

/** @param {Sale} sale @returns {{ tone: "good" | "bad" | "open", sentence: string, tickets: number | null }} */
export function drift({ identity, lost }) {
  const { stock, remaining, backlog, set_aside, booked, holds } = identity;
  if (remaining === null || backlog === null) {
    return { tone: "bad", tickets: null, sentence: "The counter can’t be asked just now; nothing is sold without it." };
  }
  const sum = remaining + backlog + set_aside + booked;
  const equation = `${whole(stock)} ${sum === stock ? "=" : "≠"} ${[remaining, backlog, set_aside, booked].map(whole).join(" + ")}`;
  if (lost)
    return {
      tone: "bad",
      tickets: lost,
      sentence: `${equation}. Lost: ${counted(lost, "ticket was", "tickets were")} promised and forgotten.`,
    };
  if (holds === null)
    return { tone: "open", tickets: null, sentence: `${equation}: orders are moving, it can’t be told yet.` };
  if (holds) return { tone: "good", tickets: 0, sentence: `${equation}. It adds up.` };
  const off = Math.abs(sum - stock);
  if (sum < stock)
    return {
      tone: "bad",
      tickets: off,
      sentence: `${equation}. Leaked: ${counted(off, "ticket")} gone from the counter with no order behind.`,
    };
  return {
    tone: "bad",
    tickets: off,
    sentence: `${equation}. Over-admitted: ${counted(off, "ticket")} more than there are.`,
  };
}
