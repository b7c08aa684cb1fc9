// @ts-check
/** @import { TrafficRecord } from "./protocol.js" */
import { headerList } from "./headers.js";

// What curl works out by itself, or what would make its output unreadable.
const NOT_REPEATED = new Set(["host", "content-length", "transfer-encoding", "connection", "accept-encoding"]);

/**
 * The command that sends an event or a call again from a POSIX shell.
 *
 * @param {TrafficRecord} record
 * @param {string} endpoint of the service
 */
export function curlOf(record, endpoint) {
  const { detail, kind } = record;
  const method = kind === "event" ? "POST" : String(detail.method ?? "GET").toUpperCase();
  const url = kind === "event" ? String(detail.url) : endpoint.replace(/\/$/, "") + String(detail.path ?? "/");
  const headers = headerList(detail.headers).filter(([name]) => !NOT_REPEATED.has(name.toLowerCase()));
  const body = bodyText(detail.body);
  const words = ["curl", "-i", ...methodWords(method)];
  if (/[[\]{}]/.test(url)) {
    words.push("--globoff");
  }
  words.push(quoted(url));
  words.push(...headers.flatMap(([name, value]) => ["-H", quoted(value === "" ? `${name};` : `${name}: ${value}`)]));
  if (body === "") {
    return words.join(" ");
  }
  if (!headers.some(([name]) => name.toLowerCase() === "content-type")) {
    words.push("-H", quoted("Content-Type:")); // curl would say that it is a form
  }
  if (detail.bodyType === "base64") {
    return `printf %s ${quoted(body)} | base64 -d | ${[...words, "--data-binary", "@-"].join(" ")}`;
  }
  return [...words, "--data-raw", quoted(body)].join(" ");
}

/** @param {string} method */
const methodWords = (method) => (method === "HEAD" ? ["--head"] : ["-X", quoted(method)]);

/** @param {unknown} body */
export function bodyText(body) {
  if (body === null || body === undefined) {
    return "";
  }
  return typeof body === "string" ? body : JSON.stringify(body);
}

/**
 * One word for a POSIX shell, whatever is in it.
 *
 * @param {string} text
 */
export function quoted(text) {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
