// The server, as this page calls it: shortlist.v1 by the Connect protocol, and a few routes of the page's own.

import { headersOf, key, renewed } from "./key.js";

const UNAUTHENTICATED = 401;
const ROOT = new URL("../", document.baseURI);

/** A call that failed: its code as Connect names it, and the server's words. */
export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Call a method of shortlist.v1, such as "Retrieval/Search".
 *
 * @param {object} message the request, as proto3's JSON
 * @param {{signal?: AbortSignal, timeoutMs?: number}} [limits]
 */
export function call(method, message, { signal, timeoutMs } = {}) {
  const headers = { "connect-protocol-version": "1" };
  if (timeoutMs) headers["connect-timeout-ms"] = String(Math.round(timeoutMs));
  return post(`shortlist.v1.${method}`, message, headers, signal);
}

/** Get a route of the page's own. */
export async function get(path, values = {}) {
  const url = new URL(`ui/${path}`, ROOT);
  url.search = new URLSearchParams(values);
  return read(await reached(url, {}));
}

/** Post to a route of the page's own. */
export const send = (path, message) => post(`ui/${path}`, message);

async function post(path, message, headers = {}, signal = undefined) {
  const body = JSON.stringify(message);
  const given = { method: "POST", headers: { "content-type": "application/json", ...headers }, body, signal };
  return read(await reached(new URL(path, ROOT), given));
}

async function reached(url, given) {
  const used = key();
  const response = await fetched(url, given, used);
  return response.status === UNAUTHENTICATED && renewed(used) ? fetched(url, given, key()) : response;
}

async function fetched(url, given, shown) {
  try {
    const all = { ...given.headers, ...headersOf(shown) };
    return await fetch(url, { cache: "no-store", credentials: "same-origin", ...given, headers: all });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("unreachable", "The server does not answer. Is it still running?");
  }
}

async function read(response) {
  let answer;
  try {
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("unknown", `The server answered ${response.status} without a word.`);
  }
  if (!response.ok) throw new Failure(answer.code ?? "unknown", answer.message ?? `The server answered ${response.status}.`);
  return answer;
}
