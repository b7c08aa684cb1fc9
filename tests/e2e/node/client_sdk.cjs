// The official client. A line of JSON in, {verb, args}, is answered by {done, value} or {done, failed}; what the client
// tells its listeners in between is {event, ...} on a line of its own. Bytes are {binary: [...]} both ways.
const { createInterface } = require("node:readline");
const { WebPubSubClient, WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol } = require("@azure/web-pubsub-client");

const [url, protocol, options] = process.argv.slice(2);
const protocols = { json: WebPubSubJsonProtocol, "json.reliable": WebPubSubJsonReliableProtocol };
const client = new WebPubSubClient(url, {
  protocol: protocols[protocol](),
  messageRetryOptions: { maxRetries: 0 },
  reconnectRetryOptions: { retryDelayInMs: 20 },
  ...JSON.parse(options),
});
const writers = new Map();

const plain = (_, value) => (value instanceof ArrayBuffer ? { binary: [...new Uint8Array(value)] } : value);
const say = (message) => process.stdout.write(JSON.stringify(message, plain) + "\n");
const given = (value) => (Array.isArray(value?.binary) ? Uint8Array.from(value.binary).buffer : value);

client.on("connected", ({ connectionId, userId }) => say({ event: "connected", connectionId, userId }));
client.on("disconnected", ({ connectionId, message }) => say({ event: "disconnected", connectionId, message }));
client.on("stopped", () => say({ event: "stopped" }));
client.on("group-message", ({ message }) => say({ event: "group-message", ...message }));
client.on("server-message", ({ message }) => say({ event: "server-message", ...message }));
client.on("rejoin-group-failed", ({ group, error }) =>
  say({ event: "rejoin-group-failed", group, name: error.errorDetail?.name }));

async function read(stream) {
  const parts = [];
  try {
    for await (const { data } of stream) parts.push(data);
    say({ event: "stream", group: stream.groupName, id: stream.streamId, parts });
  } catch (error) {
    say({ event: "stream", group: stream.groupName, id: stream.streamId, parts, failed: error.name });
  }
}

const verbs = {
  listen: () => void client.onGroupStream(read),
  open: async (group, streamOptions) => {
    const writer = await client.openGroupStream(group, streamOptions);
    writers.set(writer.streamId, writer);
  },
  write: (id, data, dataType) => writers.get(id).write(data, dataType),
  end: (id) => writers.get(id).end(),
  abort: (id, error) => writers.get(id).abort(error),
};

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const { verb, args } = JSON.parse(line);
    const run = verbs[verb] ?? client[verb].bind(client);
    try {
      say({ done: verb, value: (await run(...args.map(given))) ?? null });
    } catch (error) {
      say({ done: verb, failed: error.name, detail: error.errorDetail ?? null });
    }
  }
  process.exit(0);
})();
