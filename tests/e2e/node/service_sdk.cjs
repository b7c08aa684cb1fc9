// Runs verbs of @azure/web-pubsub. A line of JSON in, {group?, verb, args}, is a line out: {value} or {status}.
const { createInterface } = require("node:readline");
const { WebPubSubServiceClient } = require("@azure/web-pubsub");

const [connectionString, hub] = process.argv.slice(2);
const client = new WebPubSubServiceClient(connectionString, hub, { allowInsecureConnection: true });

async function run({ group, verb, args, binary }) {
  const target = group === undefined ? client : client.group(group);
  const given = binary ? [Uint8Array.from(binary).buffer, ...args] : args;
  const result = await target[verb](...given);
  if (result?.[Symbol.asyncIterator] === undefined) return result;
  const pages = [];
  for await (const page of result.byPage()) pages.push(page);
  return pages;
}

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = { value: (await run(JSON.parse(line))) ?? null };
    } catch (error) {
      answer = { status: error.statusCode ?? null, code: error.code ?? null, text: String(error.message) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
})();
