// @ts-check
import { Refused } from "./connection.js";

const PATIENCE_MS = 15_000;
// Answers of the 4xx kind that time alone can change.
const WORTH_ANOTHER_TRY = new Set([408, 425, 429]);
const LONGEST_QUOTE = 200;

/**
 * With a token: the server signs an address for this name, and the service lets nobody in without one.
 *
 * @param {string} name
 * @param {string} [hub] the first one served, where none is named
 */
export async function negotiatedUrl(name, hub) {
  const { url } = await getJson(`/negotiate?${queryOf({ hub, id: name })}`);
  return url;
}

/**
 * Without a token: the service asks the server who this is while the connection is being made.
 *
 * @param {string} name
 * @param {string} [hub] the first one served, where none is named
 */
export async function anonymousUrl(name, hub) {
  const { baseUrl } = await getJson(`/client-endpoint?${queryOf({ hub })}`);
  return `${baseUrl}?${queryOf({ id: name })}`;
}

/** @param {Record<string, string | undefined>} parameters those without a value are left out */
function queryOf(parameters) {
  return Object.entries(parameters)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
    .join("&");
}

/**
 * @param {string} path
 * @returns {Promise<Record<string, string>>}
 */
async function getJson(path) {
  const response = await get(path);
  if (!response.ok) {
    throw await failureOf(response);
  }
  try {
    return await response.json();
  } catch {
    throw new Error("The server gave an answer this page cannot read.");
  }
}

/** @param {string} path */
async function get(path) {
  try {
    return await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new Error("The server cannot be reached.");
  }
}

/** @param {Response} response */
async function failureOf(response) {
  const { status } = response;
  const said = await quote(response);
  if (status >= 400 && status < 500 && !WORTH_ANOTHER_TRY.has(status)) {
    return new Refused(`The server did not let you in${said} (${status}).`);
  }
  return new Error(`The server cannot help at the moment${said} (${status}).`);
}

/** @param {Response} response */
async function quote(response) {
  if (!response.headers.get("content-type")?.startsWith("text/plain")) {
    return "";
  }
  const text = (await response.text()).trim();
  return text ? `: “${text.slice(0, LONGEST_QUOTE)}”` : "";
}
