// @ts-check

/**
 * Name and value, once for each time a header is there.
 *
 * @param {unknown} headers an object of texts or lists of texts, or a list of pairs
 * @returns {[string, string][]}
 */
export function headerList(headers) {
  if (typeof headers !== "object" || headers === null) {
    return [];
  }
  const pairs = Array.isArray(headers) ? headers.filter(Array.isArray) : Object.entries(headers);
  return pairs.flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => /** @type {[string, string]} */ ([String(name), String(one)])),
  );
}
