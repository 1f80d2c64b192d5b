// The verdict on a round in one sentence, from the ledger. It never comes from a counter, which a race corrupts.

import { counted, whole } from "../core/format.js";

/** @import { Sale } from "../core/types.js" */

/**
 * @param {Sale} sale
 * @param {boolean} ended  whether the blast has ended, so that nothing more is bought
 * @returns {{ tone: "bad" | "good" | "open", sentence: string }}
 */
export function verdict(sale, ended) {
  const { strategy, stock, booked, oversold, undersold, counter_says: counter, backlog } = sale;
  if (oversold > 0) {
    const believes =
      counter === null ? "" : ` Its counter believes that ${counter === 1 ? "one is" : `${whole(counter)} are`} sold.`;
    return {
      tone: "bad",
      sentence: `${strategy} sold ${whole(booked)} of ${counted(stock, "ticket")}: ${counted(oversold, "ticket")} too many.${believes}`,
    };
  }
  if (!ended)
    return { tone: "open", sentence: `${strategy} has sold ${whole(booked)} of ${counted(stock, "ticket")} so far.` };
  if (backlog)
    return {
      tone: "open",
      sentence: `${strategy}: ${counted(backlog, "ticket is", "tickets are")} on the way to the ledger.`,
    };
  if (undersold)
    return {
      tone: "bad",
      sentence: `${strategy} sold ${whole(booked)} of ${counted(stock, "ticket")}, and ${whole(undersold)} are neither sold nor left.`,
    };
  if (booked === stock)
    return {
      tone: "good",
      sentence: `${strategy} sold exactly ${whole(booked)} of ${counted(stock, "ticket")}. Every buyer who was promised a ticket has one.`,
    };
  return {
    tone: "good",
    sentence: `${strategy} sold ${whole(booked)} of ${counted(stock, "ticket")}; ${whole(sale.remaining)} are left.`,
  };
}
