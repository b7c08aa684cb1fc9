// @ts-check
// What a tab knows after it is loaded again. Storage may be switched off; nothing is remembered then.

/**
 * @param {string} key
 * @param {string} value
 */
export function keep(key, value) {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // The page asks again.
  }
}

/**
 * @param {string} key
 * @returns {string} empty where there is nothing
 */
export function recall(key) {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}
