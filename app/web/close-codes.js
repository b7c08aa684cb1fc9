// @ts-check

/**
 * @typedef {object} Explanation
 * @property {string} sentence what happened, for a person
 * @property {boolean} final whether trying again unasked would only end the same way
 */

/** @type {(sentence: string) => Explanation} */
const passing = (sentence) => ({ sentence, final: false });
/** @type {(sentence: string) => Explanation} */
const final = (sentence) => ({ sentence, final: true });

const EXPLANATIONS = new Map([
  [1000, passing("The server ended this connection.")],
  [1001, passing("The service is restarting or going away.")],
  [1002, final("The service and this page disagree about the WebSocket protocol.")],
  [1003, final("The service received a kind of data it does not accept.")],
  [1005, passing("The connection was closed without a reason.")],
  [1006, passing("The connection was cut off. The network or the service may be down.")],
  [1007, final("The service could not read what this page sent.")],
  [1008, final("The service closed the connection because it broke one of its rules.")],
  [1009, final("The service closed the connection because a message was too large.")],
  [1010, final("The service lacks an extension this page needs.")],
  [1011, passing("The service ran into an error of its own.")],
  [1012, passing("The service is restarting.")],
  [1013, passing("The service is too busy at the moment.")],
  [1014, passing("A server on the way to the service gave a bad answer.")],
  [1015, final("A secure connection to the service could not be made.")],
  [3000, final("The service no longer accepts who you are.")],
  [3003, final("The service does not allow you in here.")],
  [3008, passing("The service waited too long for an answer.")],
]);

// Browsers hide why a handshake failed, so that pages cannot probe other servers: refused and unreachable look the same.
const NEVER_OPENED = "The server did not let you in, or the service cannot be reached.";

/**
 * @param {number} code
 * @param {{ opened: boolean, said?: string }} circumstances `said` is the reason the service gave, if any
 * @returns {Explanation}
 */
export function explainClose(code, { opened, said }) {
  if (!opened) {
    return passing(NEVER_OPENED);
  }
  const known = EXPLANATIONS.get(code) ?? unlisted(code);
  return said ? { ...known, sentence: `${known.sentence} It said: “${said}”.` } : known;
}

/** @param {number} code */
function unlisted(code) {
  return code >= 4000 && code <= 4999
    ? passing("The application closed this connection.")
    : passing("The connection was closed for an unusual reason.");
}
