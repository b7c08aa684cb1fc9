// @ts-check

const COPIED_FOR_MS = 1_500;

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {string} [text] shown as it is: nothing in it is markup
 */
export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) {
    element.className = className;
  }
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
}

/**
 * An element of the page's own markup. Throws where there is none.
 *
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @param {new () => Kind} [kind]
 * @returns {Kind}
 */
export function find(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof (kind ?? HTMLElement))) {
    throw new Error(`the page has no #${id}`);
  }
  return /** @type {Kind} */ (element);
}

/**
 * @param {string} label
 * @param {() => void} act
 * @param {string} [className]
 */
export function button(label, act, className = "quiet") {
  const element = make("button", className, label);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

/**
 * @param {string} label
 * @param {() => string} text read when it is pressed
 */
export function copyButton(label, text) {
  const element = button(label, async () => {
    element.textContent = (await copy(text())) ? "Copied" : "Not copied";
    setTimeout(() => {
      element.textContent = label;
    }, COPIED_FOR_MS);
  });
  element.setAttribute("aria-live", "polite");
  return element;
}

/**
 * @param {string} text
 * @returns {Promise<boolean>}
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard outside of a secure context, as on another machine's address: the old way still works there.
    const focused = document.activeElement;
    const field = make("textarea", "visually-hidden");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (focused instanceof HTMLElement) {
      focused.focus();
    }
    return done;
  }
}

/**
 * A line to be copied into a terminal or a settings file.
 *
 * @param {string} text
 */
export function snippet(text) {
  const element = make("div", "snippet");
  element.append(make("code", "", text), copyButton("Copy", () => text));
  return element;
}

/**
 * Makes `list` hold exactly `wanted`, in this order. What stays is not moved, so focus and scrolling survive.
 *
 * @param {Element} list
 * @param {readonly Element[]} wanted
 */
export function arrange(list, wanted) {
  const kept = new Set(wanted);
  for (const child of [...list.children]) {
    if (!kept.has(child)) {
      child.remove();
    }
  }
  let cursor = list.firstElementChild;
  for (const element of wanted) {
    if (element === cursor) {
      cursor = cursor.nextElementSibling;
    } else {
      list.insertBefore(element, cursor);
    }
  }
}

/**
 * Writes only what changed: the page stays still for those who select text or have it read to them.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/**
 * Runs `act` in the next frame, once, however often it is asked for until then.
 *
 * @param {() => void} act
 */
export function oncePerFrame(act) {
  let planned = false;
  return () => {
    if (!planned) {
      planned = true;
      requestAnimationFrame(() => {
        planned = false;
        act();
      });
    }
  };
}
