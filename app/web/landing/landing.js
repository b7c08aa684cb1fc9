// @ts-check
const PATIENCE_MS = 10_000;

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {string} path */
function ask(path) {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
}

/** Shows what this server serves; applications whose hub it does not have are left out. */
async function showHubs() {
  const { hubs, console: consoleUrl } = await (await ask("/hubs")).json();
  const served = new Set(hubs.map((/** @type {string} */ name) => name.toLowerCase()));
  let shown = 0;
  for (const card of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".card"))) {
    card.hidden = !served.has((card.dataset.hub ?? "").toLowerCase());
    shown += card.hidden ? 0 : 1;
  }
  byId("hubs").textContent = hubs.join(", ");
  byId("nothing").hidden = shown > 0;
  const link = /** @type {HTMLAnchorElement} */ (byId("console"));
  link.hidden = !consoleUrl;
  link.href = consoleUrl ?? "#";
}

async function showHealth() {
  const response = await ask("/readyz");
  const { status } = await response.json();
  say(response.ok ? "well" : "ill", response.ok ? "The server is ready" : `The server is not ready: ${status}`);
}

/**
 * @param {"well" | "ill"} state
 * @param {string} words
 */
function say(state, words) {
  byId("health").dataset.state = state;
  byId("health-word").textContent = words;
}

showHealth().catch(() => say("ill", "The server does not answer"));
// Without an answer every card stays: a page that is not served says so itself.
showHubs().catch(() => {});
