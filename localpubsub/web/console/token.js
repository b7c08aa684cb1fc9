// @ts-check
import { command, reachableFromHere } from "./api.js";
import { copyButton, find, make } from "./dom.js";
import { onSubmit } from "./forms.js";
import { listed } from "./words.js";

const LONGEST_MINUTES = 24 * 60;

/**
 * A client access URL the test client can use.
 *
 * @param {{ hub: string, userId: string, roles: string[], groups: string[], minutes?: number }} wishes
 * @returns {Promise<string>}
 */
export async function clientUrl({ minutes = 60, ...wishes }) {
  const { url } = await command("token", { ...wishes, minutes, protocol: "default" });
  return reachableFromHere(url);
}

/** The form that makes a client access URL for a program. */
export function startTokenForm() {
  const result = find("token-result");
  onSubmit(find("token-form", HTMLFormElement), async (values) => {
    result.replaceChildren();
    const minutes = Number(values.text("minutes"));
    if (!Number.isInteger(minutes) || minutes < 1 || minutes > LONGEST_MINUTES) {
      throw new Error(`Please enter 1 to ${LONGEST_MINUTES} minutes.`);
    }
    const { url, token } = await command("token", {
      hub: values.needed("hub", "a hub"),
      userId: values.text("userId"),
      roles: [...values.all("role"), ...listed(values.raw("roles"))],
      groups: listed(values.raw("groups")),
      minutes,
      protocol: values.text("protocol"),
    });
    result.append(copyable("Client access URL", url), copyable("Token", token));
    return "Made. Whoever has it is let in: keep it to yourself.";
  });
}

/**
 * @param {string} label
 * @param {string} text
 */
function copyable(label, text) {
  const field = make("label", "copyable", label);
  const value = make("textarea");
  value.readOnly = true;
  value.rows = 3;
  value.value = text;
  field.append(value);
  const row = make("div", "copyable-row");
  row.append(field, copyButton(`Copy ${label.charAt(0).toLowerCase()}${label.slice(1)}`, () => text));
  return row;
}
