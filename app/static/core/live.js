// Listens to the stream of live events and notices when it breaks. All tabs of a browser share one connection: a
// browser opens at most six to one address (HTTP/1.1), and a seventh tab with its own would wait forever.

import { urlOf } from "./api.js";

const SILENCE_MS = 12_000; // two heartbeats are missing
const RETRY_MS = 1_500;
const EVENTS = ["snapshot", "sale", "blast", "source"];
const STREAM_NAME = "atomictickets.live";

/**
 * @typedef {object} Listener
 * @property {(name: string, data: any) => void} onEvent
 * @property {(status: "open" | "lost") => void} onStatus
 * @property {() => unknown} sharedState  returns the result of all events so far, for a tab that opens later
 * @property {(state: any) => void} onSharedState  takes that result from another tab
 */

/**
 * Listens until the page is closed. Only the tab that holds the lock has a connection; it passes the events on to the
 * others. When it is closed, the next tab gets the lock.
 * @param {Listener} listener
 */
export function listen(listener) {
  const channel = new BroadcastChannel(STREAM_NAME);
  let lastId = "";
  let lastMessageAt = Date.now();
  /** @type {EventSource | null} only in the tab that holds the lock */
  let source = null;

  channel.onmessage = ({ data }) => {
    if (data.hello) {
      if (source) channel.postMessage({ state: listener.sharedState(), lastId });
      return;
    }
    lastMessageAt = Date.now();
    lastId = data.lastId ?? lastId;
    if (data.state) listener.onSharedState(data.state);
    if (data.event) listener.onEvent(data.event, data.data);
    if (data.status) listener.onStatus(data.status);
  };
  setInterval(checkSilence, 1_000);
  if (navigator.locks) {
    channel.postMessage({ hello: true });
    // The promise is never resolved: the lock is held until this tab is closed.
    navigator.locks.request(STREAM_NAME, () => new Promise(open));
  } else {
    open(); // without https the browser has no locks, and each tab has its own connection
  }

  function open() {
    source = new EventSource(urlOf(lastId ? `live?after=${lastId}` : "live"));
    lastMessageAt = Date.now();
    source.onopen = () => setStatus("open");
    source.onerror = () => {
      setStatus("lost"); // the browser reconnects by itself with the last id, except after a response that is no stream
      if (source?.readyState === EventSource.CLOSED) reconnect();
    };
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        lastMessageAt = Date.now();
        lastId = event.lastEventId || lastId;
        const data = JSON.parse(event.data);
        listener.onEvent(name, data);
        channel.postMessage({ event: name, data, lastId });
      });
    }
    source.addEventListener("heartbeat", () => {
      lastMessageAt = Date.now();
      channel.postMessage({ heartbeat: true });
    });
  }

  function reconnect() {
    source?.close();
    setTimeout(open, RETRY_MS * (0.5 + Math.random())); // so that many pages do not reconnect at the same moment
  }

  /** @param {"open" | "lost"} status */
  function setStatus(status) {
    listener.onStatus(status);
    channel.postMessage({ status });
  }

  function checkSilence() {
    if (Date.now() - lastMessageAt < SILENCE_MS) return;
    lastMessageAt = Date.now();
    if (source === null) listener.onStatus("lost");
    else if (source.readyState === EventSource.OPEN) {
      setStatus("lost");
      reconnect();
    }
  }
}
