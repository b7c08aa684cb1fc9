// @ts-check
import { avatar, make, nameOf } from "../chat/elements.js";
import { KeyedList } from "../chat/keyed-list.js";
import { nameOfLanguage } from "./words.js";

/**
 * @typedef {object} Table those who read one language
 * @property {string} language
 * @property {string} name of the language
 * @property {string[]} people
 * @property {string} me
 * @property {string} you the word for it
 */

/** Who is there, by the language they read. */
export class PeopleView {
  /** @type {KeyedList<Table>} */
  #tables;

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#tables = new KeyedList(list, {
      keyOf: ({ language }) => language,
      stampOf: (table) => JSON.stringify(table),
      create: () => make("li", "table"),
      update: draw,
    });
  }

  /**
   * @param {Map<string, Set<string>>} members the languages of each
   * @param {Map<string, string>} names of languages
   * @param {{ me: string, you: string }} reader
   */
  show(members, names, { me, you }) {
    /** @type {Map<string, string[]>} */
    const readers = new Map();
    for (const [user, languages] of members) {
      for (const language of languages) {
        readers.set(language, [...(readers.get(language) ?? []), user]);
      }
    }
    const tables = [...readers].map(([language, people]) => ({
      language,
      name: names.get(language) ?? nameOfLanguage(language),
      people: people.sort((one, other) => one.localeCompare(other)),
      me,
      you,
    }));
    this.#tables.show(tables.sort((one, other) => one.name.localeCompare(other.name)));
  }
}

/**
 * @param {HTMLElement} element
 * @param {Table} table
 */
function draw(element, { language, name, people, me, you }) {
  const heading = make("h3", "table-name", name);
  heading.lang = language;
  const list = make("ul", "persons");
  for (const person of people) {
    const item = make("li", "person");
    item.append(avatar(person), nameOf("person-name", person));
    if (person === me) {
      item.append(make("span", "person-detail", `(${you})`));
    }
    list.append(item);
  }
  element.replaceChildren(heading, list);
}
