// The service's own HTTP API. Its address is where this file came from, whatever path prefix that is behind.

const ROOT = new URL("../../", import.meta.url);
const TOKEN = "atomictickets.admin-token";

/** What the API refuses, as its problem document tells it; status 0 where nobody answered. */
export class Refused extends Error {
  /** @param {number} status @param {string} title @param {string} detail @param {string} slug */
  constructor(status, title, detail, slug) {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.slug = slug;
  }
}

/** @param {string} path */
export const address = (path) => new URL(path, ROOT).href;

/** The admin token lives as long as the tab. */
export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  /** @param {string} value */
  set: (value) => (value ? sessionStorage.setItem(TOKEN, value) : sessionStorage.removeItem(TOKEN)),
};

/**
 * @param {"GET" | "POST" | "DELETE"} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>} the answer's JSON; rejects with Refused
 */
export async function ask(method, path, body, headers = {}) {
  const sent = new Headers(headers);
  if (token.get()) sent.set("Authorization", `Bearer ${token.get()}`);
  if (body !== undefined) sent.set("Content-Type", "application/json");
  /** @type {Response} */
  let response;
  try {
    response = await fetch(address(path), {
      method,
      headers: sent,
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new Refused(0, "No answer", "The API could not be reached. Is it still running?", "no-answer");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const slug = String(answer.type ?? "").replace("/problems/", "");
    throw new Refused(response.status, answer.title ?? response.statusText, answer.detail ?? "", slug);
  }
  return answer;
}
