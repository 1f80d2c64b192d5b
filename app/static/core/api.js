// A client of the service's HTTP API. The address of the API is relative to this file, so that a path prefix works.

const ROOT = new URL("../../", import.meta.url);
const TOKEN = "atomictickets.admin-token";

/** A request that the API refused, with the fields of its problem document. The status is 0 if there was no answer. */
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

/** Returns the URL of a path of the API. @param {string} path */
export const urlOf = (path) => new URL(path, ROOT).href;

/** The admin token, kept until the tab is closed. */
export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  /** @param {string} value */
  set: (value) => (value ? sessionStorage.setItem(TOKEN, value) : sessionStorage.removeItem(TOKEN)),
};

/**
 * Sends a request to the API.
 * @param {"GET" | "POST" | "PATCH" | "DELETE"} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>} the JSON of the response; rejects with Refused
 */
export async function request(method, path, body, headers = {}) {
  const allHeaders = new Headers(headers);
  if (token.get()) allHeaders.set("Authorization", `Bearer ${token.get()}`);
  if (body !== undefined) allHeaders.set("Content-Type", "application/json");
  /** @type {Response} */
  let response;
  try {
    response = await fetch(urlOf(path), {
      method,
      headers: allHeaders,
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new Refused(0, "No answer", "The API cannot be reached. Check that it is running.", "no-answer");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const slug = String(answer.type ?? "").replace("/problems/", "");
    throw new Refused(response.status, answer.title ?? response.statusText, answer.detail ?? "", slug);
  }
  return answer;
}
