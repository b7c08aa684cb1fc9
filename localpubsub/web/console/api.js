// @ts-check

const PATIENCE_MS = 15_000;
const LONGEST_QUOTE = 400;

/** The service said no, or nothing. The message is a sentence for the person at the page. */
export class Refusal extends Error {
  /**
   * @param {string} sentence
   * @param {number} [status] 0 where there was no answer
   */
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

/**
 * A command of the console. The header tells the service that no foreign page sent it. Rejects with `Refusal`.
 *
 * @param {string} name
 * @param {Record<string, unknown>} [body]
 * @param {"GET" | "POST" | "DELETE"} [method]
 * @returns {Promise<any>} `null` for an answer without content
 */
export async function command(name, body, method = "POST") {
  const response = await request(`/console/api/${name}`, {
    method,
    cache: "no-store",
    headers: { "X-Console": "1", ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await response.text();
  if (!response.ok) {
    const sentence = text.trim().slice(0, LONGEST_QUOTE);
    throw new Refusal(sentence || `The service answered with ${response.status}.`, response.status);
  }
  if (!text) {
    return null;
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal("The service gave an answer this page cannot read.", response.status);
  }
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function request(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Refusal("The service cannot be reached.");
  }
}

/** @param {unknown} error */
export const sentenceOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * A client's address, at the name this page was opened by: its security policy allows no other, and the service takes
 * all names of this machine for one.
 *
 * @param {string} url
 */
export function reachableFromHere(url) {
  const address = new URL(url);
  if (isLoopback(address.hostname) && isLoopback(location.hostname) && address.port === location.port) {
    address.hostname = location.hostname;
  }
  return address.href;
}

/** @param {string} hostname */
const isLoopback = (hostname) => ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
