// MQTT.js clients by name. A line of JSON in, {client, verb, ...}, is answered by {done, ...}; what clients hear in
// between is {client, event, ...} on a line of its own.
const { createInterface } = require("node:readline");
const mqtt = require("mqtt");

const clients = new Map();
const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");

function watch(name, client) {
  clients.set(name, client);
  client.on("connect", ({ sessionPresent, properties }) => say({ client: name, event: "connect", sessionPresent, properties }));
  client.on("message", (topic, payload, { qos, properties }) =>
    say({ client: name, event: "message", topic, payload: payload.toString(), qos, properties }));
  client.on("disconnect", ({ reasonCode }) => say({ client: name, event: "disconnect", reasonCode }));
  client.on("error", ({ code, message }) => say({ client: name, event: "error", code, message }));
}

const verbs = {
  connect: (_, { client, url, options }) => watch(client, mqtt.connect(url, options)),
  subscribe: (client, { topic, options }) => client.subscribeAsync(topic, options),
  unsubscribe: (client, { topic }) => client.unsubscribeAsync(topic),
  publish: (client, { topic, payload, options }) => client.publishAsync(topic, payload, options),
  end: (client) => client.endAsync(),
  pull: (client) => client.stream.destroy(),
};

function buffers(options) {
  if (options?.properties?.correlationData) options.properties.correlationData = Buffer.from(options.properties.correlationData);
  return options;
}

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    buffers(request.options);
    try {
      const result = await verbs[request.verb](clients.get(request.client), request);
      say({ done: request.verb, granted: Array.isArray(result) ? result.map(({ qos }) => qos) : undefined });
    } catch (error) {
      say({ done: request.verb, failed: String(error.message), code: error.code });
    }
  }
  process.exit(0);
})();
