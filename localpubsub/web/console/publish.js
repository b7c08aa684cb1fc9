// @ts-check
/** @import { Target } from "./protocol.js" */
import { command } from "./api.js";
import { find } from "./dom.js";
import { checkData, onSubmit, tell } from "./forms.js";

const NAMED = { all: "", group: "group", user: "user", connection: "connection" };

/** The form that sends as an application's server would. */
export class PublishForm {
  #form = find("publish-form", HTMLFormElement);
  #hub = find("publish-hub", HTMLInputElement);
  #kind = find("publish-kind", HTMLSelectElement);
  #name = find("publish-name", HTMLInputElement);
  #data = find("publish-data", HTMLTextAreaElement);

  constructor() {
    this.#kind.addEventListener("change", () => this.#fit());
    this.#fit();
    onSubmit(this.#form, async (values) => {
      const hub = values.needed("hub", "a hub");
      const kind = /** @type {Target["kind"]} */ (values.text("kind"));
      const name = kind === "all" ? "" : values.needed("name", `a ${NAMED[kind]}`);
      const dataType = values.text("dataType");
      const data = values.raw("data");
      checkData(dataType, data);
      await command("publish", { hub, target: { kind, name }, dataType, data });
      return kind === "all" ? `Sent to everybody in ${hub}.` : `Sent to ${NAMED[kind]} ${name}.`;
    });
  }

  /**
   * @param {string} hub
   * @param {Target} target
   */
  prepare(hub, { kind, name }) {
    this.#hub.value = hub;
    this.#kind.value = kind;
    this.#name.value = name;
    this.#fit();
    tell(this.#form, "");
    this.#data.focus();
  }

  #fit() {
    const isAll = this.#kind.value === "all";
    this.#name.disabled = isAll;
    this.#name.placeholder = isAll ? "everybody" : "";
  }
}
