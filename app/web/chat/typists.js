// @ts-check

const TELL_EVERY_MS = 3_000;
// A little longer than the pause between two tellings, so that the line does not flicker.
const FORGET_AFTER_MS = 4_500;

/** Who is writing something, room by room. */
export class Typists {
  /** @type {Map<string, Map<string, number>>} the timers that will forget them */
  #rooms = new Map();
  #toldAt = 0;

  /** @param {() => void} changed called when somebody has stopped, too */
  constructor(changed) {
    this.changed = changed;
  }

  /** Whether it is time to tell the others that this person is writing; counts as told then. */
  mayTell() {
    const now = performance.now();
    if (this.#toldAt > 0 && now - this.#toldAt < TELL_EVERY_MS) {
      return false;
    }
    this.#toldAt = now;
    return true;
  }

  /** What was being written is sent: the next letter is news again. */
  reset() {
    this.#toldAt = 0;
  }

  /**
   * @param {string} room
   * @param {string} user
   */
  heard(room, user) {
    this.#forget(room, user);
    const users = this.#rooms.get(room) ?? new Map();
    this.#rooms.set(room, users);
    users.set(user, setTimeout(() => this.stopped(room, user), FORGET_AFTER_MS));
  }

  /**
   * @param {string} room
   * @param {string} user
   */
  stopped(room, user) {
    if (this.#forget(room, user)) {
      this.changed();
    }
  }

  /** @param {string} room */
  of(room) {
    return [...(this.#rooms.get(room)?.keys() ?? [])];
  }

  /**
   * @param {string} room
   * @param {string} user
   */
  #forget(room, user) {
    const users = this.#rooms.get(room);
    clearTimeout(users?.get(user));
    return users?.delete(user) ?? false;
  }
}
