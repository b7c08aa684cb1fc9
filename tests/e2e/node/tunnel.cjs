// Microsoft's tunnel client with its event handler for express behind it, as the Socket.IO package joins them.
// Says {ready}, then {event, data} for each event; a line of JSON in, {verb, args}, calls the service back.
const { createInterface } = require("node:readline");
const { WebPubSubEventHandler } = require("@azure/web-pubsub-express");
const { InprocessServerProxy } = require("@azure/web-pubsub-socket.io/dist/serverProxies");

const [connectionString, hub] = process.argv.slice(2);
const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");

const handler = new WebPubSubEventHandler(hub, {
  path: "/hooks",
  handleConnect: (request, response) => {
    say({ event: "connect", user: request.context.userId });
    if (request.context.userId === "nobody") return response.fail(401, "no");
    response.success({ groups: ["g"] });
  },
  handleUserEvent: (request, response) => {
    say({ event: request.context.eventName, length: request.data.length, states: request.context.states });
    response.setState("count", (request.context.states.count ?? 0) + 1);
    response.success(`${request.data}!`, "text");
  },
  onConnected: () => say({ event: "connected" }),
  onDisconnected: () => say({ event: "disconnected" }),
});

const proxy = InprocessServerProxy.fromConnectionString(connectionString, hub, handler.getMiddleware());
const targets = { proxy, group: proxy.group("g") };

(async () => {
  await proxy.runAsync();
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { target, verb, args } = JSON.parse(line);
    try {
      await targets[target][verb](...args);
      say({ done: verb });
    } catch (error) {
      say({ failed: String(error.message) });
    }
  }
  process.exit(0);
})();
