// Listens to the stream of live events and notices when it breaks. All tabs of a browser share one connection: a
// browser opens at most six to one address (HTTP/1.1), and a seventh tab with its own would wait forever.

import { address } from "./api.js";

const SILENCE_MS = 12_000; // two heartbeats are missing
const RETRY_MS = 1_500;
const EVENTS = ["snapshot", "sale", "blast", "source"];
const NAME = "atomictickets.live";

/**
 * @typedef {object} Listener
 * @property {(name: string, data: any) => void} hear
 * @property {(status: "connecting" | "open" | "lost") => void} tell
 * @property {() => unknown} known  returns the result of all events so far, for a tab that opens later
 * @property {(known: any) => void} take  takes that result from another tab
 */

/**
 * Listens until the page is closed. Only the tab that holds the lock has a connection; it passes the events on to the
 * others. When it is closed, the next tab gets the lock.
 * @param {Listener} listener
 */
export function listen(listener) {
  const channel = new BroadcastChannel(NAME);
  let lastId = "";
  let heardAt = Date.now();
  /** @type {EventSource | null} only in the tab that holds the lock */
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
    navigator.locks.request(NAME, () => new Promise(open)); // never resolved: the lock is held until this tab is closed
  } else {
    open(); // without https the browser has no locks, and each tab has its own connection
  }

  function open() {
    source = new EventSource(address(lastId ? `live?after=${lastId}` : "live"));
    heardAt = Date.now();
    source.onopen = () => tell("open");
    source.onerror = () => {
      tell("lost"); // the browser reconnects by itself with the last id, except after a response that is no stream
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
    setTimeout(open, RETRY_MS * (0.5 + Math.random())); // so that many pages do not reconnect at the same moment
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
