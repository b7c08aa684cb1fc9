// @ts-check
import { Refusal, command, sentenceOf } from "./api.js";
import { button, find, make, setText } from "./dom.js";
import { onSubmit, tell } from "./forms.js";
import { counted, duration } from "./words.js";

/**
 * @typedef {"delay" | "drop" | "duplicate" | "close" | "429" | "5xx" | "webhook-delay" | "webhook-fail"} Fault
 * @typedef {{ id: string | number, hub?: string, group?: string, user?: string, what: Fault, value?: number | null,
 *   probability?: number | null, struck?: number }} ChaosRule
 */

/** @type {Record<Fault, { words: string, value?: string, usual?: string }>} */
const FAULTS = {
  delay: { words: "Delay messages", value: "Milliseconds", usual: "500" },
  drop: { words: "Drop messages" },
  duplicate: { words: "Send messages twice" },
  close: { words: "Close connections", value: "Close code", usual: "1011" },
  429: { words: "Refuse REST calls with 429", value: "Retry-After in seconds", usual: "1" },
  "5xx": { words: "Fail REST calls", value: "Status", usual: "503" },
  "webhook-delay": { words: "Delay events", value: "Milliseconds", usual: "500" },
  "webhook-fail": { words: "Fail events", value: "Status, 0 for unreachable", usual: "503" },
};

/** Faults on purpose. Hidden where the service offers none. */
export class ChaosPanel {
  #form = find("chaos-form", HTMLFormElement);
  #what = find("chaos-what", HTMLSelectElement);
  #value = find("chaos-value", HTMLInputElement);
  #valueLabel = find("chaos-value-label");
  #list = find("chaos-list");
  #none = find("chaos-none");

  /** @param {(rules: number | null) => void} changed how many there are; `null` where the service offers none */
  constructor(changed) {
    this.changed = changed;
    this.#what.append(...Object.entries(FAULTS).map(([what, { words }]) => new Option(words, what)));
    this.#what.addEventListener("change", () => this.#fit());
    this.#fit();
    onSubmit(this.#form, async (values) => {
      const what = /** @type {Fault} */ (values.text("what"));
      const percent = Number(values.text("percent"));
      if (!(percent > 0 && percent <= 100)) {
        throw new Error("Please enter a chance above 0 and up to 100 percent.");
      }
      const value = FAULTS[what].value ? Number(values.needed("value", "a number")) : null;
      if (Number.isNaN(value)) {
        throw new Error("Please enter a number.");
      }
      const [hub, group, user] = ["hub", "group", "user"].map((name) => values.text(name));
      await command("chaos", { hub, group, user, what, value, probability: percent / 100 });
      await this.refresh();
      return "In force.";
    });
  }

  async refresh() {
    try {
      const answer = await command("chaos", undefined, "GET");
      const rules = /** @type {ChaosRule[]} */ (Array.isArray(answer) ? answer : (answer?.rules ?? []));
      this.#list.replaceChildren(...rules.map((rule) => this.#item(rule)));
      this.#none.hidden = rules.length > 0;
      this.changed(rules.length);
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) {
        this.changed(null);
      }
    }
  }

  #fit() {
    const { value, usual } = FAULTS[/** @type {Fault} */ (this.#what.value)];
    const field = this.#value.parentElement;
    if (field) {
      field.hidden = value === undefined;
    }
    setText(this.#valueLabel, value ?? "Value");
    this.#value.value = usual ?? "";
  }

  /** @param {ChaosRule} rule */
  #item(rule) {
    const words = describe(rule);
    const item = make("li", "chaos-rule");
    const remove = button("Remove", async () => {
      try {
        await command("chaos", { id: rule.id }, "DELETE");
        tell(this.#form, "Removed.");
      } catch (error) {
        tell(this.#form, sentenceOf(error), true);
      }
      await this.refresh();
      this.#what.focus();
    });
    remove.ariaLabel = `Remove: ${words}`;
    const text = make("span");
    text.append(make("bdi", "", words));
    if (rule.struck) {
      text.append(make("span", "hint", `, struck ${counted(rule.struck, "time")}`));
    }
    item.append(text, remove);
    return item;
  }
}

/** @param {ChaosRule} rule */
function describe({ what, value, probability, hub, group, user }) {
  const where = [hub && `hub ${hub}`, group && `group ${group}`, user && `user ${user}`].filter(Boolean).join(", ");
  const amount = typeof value === "number" ? ` (${amountOf(what, value)})` : "";
  const chance = `${Number(((probability ?? 1) * 100).toFixed(2))}\u00a0%`;
  return `${FAULTS[what]?.words ?? what}${amount}, ${chance}, ${where || "everywhere"}`;
}

/**
 * @param {Fault} what
 * @param {number} value
 */
function amountOf(what, value) {
  if (what === "delay" || what === "webhook-delay") {
    return duration(value);
  }
  return what === "429" ? `Retry-After ${counted(value, "second")}` : String(value);
}
