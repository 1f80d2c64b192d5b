// The stream of live events, and whether it can be believed.

import { address } from "./api.js";

const SILENCE_MS = 12_000; // two heartbeats that did not come
const RETRY_MS = 1_500;
const EVENTS = ["snapshot", "sale", "blast", "source"];

/**
 * Listens for ever. The browser itself comes back after a lost connection, with the id of the last event it has; after
 * an answer that is no stream (a 503), or a silence, we do, with the same id.
 * @param {(name: string, data: any) => void} hear
 * @param {(status: "connecting" | "open" | "lost") => void} tell
 */
export function listen(hear, tell) {
  let lastId = "";
  let heardAt = Date.now();
  /** @type {EventSource} */
  let source;

  function open() {
    source = new EventSource(address(lastId ? `live?after=${lastId}` : "live"));
    heardAt = Date.now();
    source.onopen = () => tell("open");
    source.onerror = () => {
      tell("lost");
      if (source.readyState === EventSource.CLOSED) again();
    };
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        heardAt = Date.now();
        lastId = event.lastEventId || lastId;
        hear(name, JSON.parse(event.data));
      });
    }
    source.addEventListener("heartbeat", () => {
      heardAt = Date.now();
    });
  }

  function again() {
    source.close();
    setTimeout(open, RETRY_MS * (0.5 + Math.random())); // a crowd of pages should not come back in one moment
  }

  setInterval(() => {
    if (source.readyState === EventSource.OPEN && Date.now() - heardAt > SILENCE_MS) {
      tell("lost");
      heardAt = Date.now();
      again();
    }
  }, 1_000);
  open();
}
