// The stream of live events, and whether it can be believed. All tabs of a browser share one connection: a browser has
// six for one address (HTTP/1.1), and a seventh tab with one of its own would wait for ever.

import { address } from "./api.js";

const SILENCE_MS = 12_000; // two heartbeats that did not come
const RETRY_MS = 1_500;
const EVENTS = ["snapshot", "sale", "blast", "source"];
const NAME = "atomictickets.live";

/**
 * @typedef {object} Listener
 * @property {(name: string, data: any) => void} hear
 * @property {(status: "connecting" | "open" | "lost") => void} tell
 * @property {() => unknown} known  what all events together have come to, for a tab that comes later
 * @property {(known: any) => void} take  the same, from another tab
 */

/**
 * Listens for ever: through the tab that holds the lock, which is this one as soon as those before it are closed.
 * @param {Listener} listener
 */
export function listen(listener) {
  const channel = new BroadcastChannel(NAME);
  let lastId = "";
  let heardAt = Date.now();
  /** @type {EventSource | null} of the tab that holds the lock */
  let source = null;

  channel.onmessage = ({ data }) => {
    if (data.hello) {
      if (source) channel.postMessage({ known: listener.known(), lastId });
      return;
    }
    heardAt = Date.now();
    lastId = data.lastId ?? lastId;
    if (data.known) listener.take(data.known);
    if (data.event) listener.hear(data.event, data.data);
    if (data.status) listener.tell(data.status);
  };
  setInterval(watch, 1_000);
  if (navigator.locks) {
    channel.postMessage({ hello: true });
    navigator.locks.request(NAME, () => new Promise(open)); // never resolved: held until this tab is gone
  } else {
    open(); // without https the browser has no locks: then each tab is on its own
  }

  function open() {
    source = new EventSource(address(lastId ? `live?after=${lastId}` : "live"));
    heardAt = Date.now();
    source.onopen = () => tell("open");
    source.onerror = () => {
      tell("lost"); // the browser comes back by itself, with the last id; but not after an answer that is no stream
      if (source?.readyState === EventSource.CLOSED) again();
    };
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        heardAt = Date.now();
        lastId = event.lastEventId || lastId;
        const data = JSON.parse(event.data);
        listener.hear(name, data);
        channel.postMessage({ event: name, data, lastId });
      });
    }
    source.addEventListener("heartbeat", () => {
      heardAt = Date.now();
      channel.postMessage({ heartbeat: true });
    });
  }

  function again() {
    source?.close();
    setTimeout(open, RETRY_MS * (0.5 + Math.random())); // a crowd of pages should not come back in one moment
  }

  /** @param {"open" | "lost"} status */
  function tell(status) {
    listener.tell(status);
    channel.postMessage({ status });
  }

  function watch() {
    if (Date.now() - heardAt < SILENCE_MS) return;
    heardAt = Date.now();
    if (source === null) listener.tell("lost");
    else if (source.readyState === EventSource.OPEN) {
      tell("lost");
      again();
    }
  }
}
