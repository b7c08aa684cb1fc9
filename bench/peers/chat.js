// The same chat with the service's own JavaScript packages: what is said goes to everybody. Nothing is kept.
const express = require("express");
const { WebPubSubServiceClient } = require("@azure/web-pubsub");
const { WebPubSubEventHandler } = require("@azure/web-pubsub-express");

const hub = process.env.BENCH_HUB;
const service = new WebPubSubServiceClient(process.env.WPS_CONNECTION_STRING, hub, { allowInsecureConnection: true });
const handler = new WebPubSubEventHandler(hub, {
  path: "/eventhandler",
  handleConnect: (request, response) => response.success({ groups: ["lobby"] }),
  handleUserEvent: async (request, response) => {
    response.success();
    if (request.context.eventName === "say") {
      const { message, key } = request.data;
      await service.group("lobby").sendToAll({ type: "message", from: request.context.userId, message, key });
    }
  },
});

const app = express();
app.use(handler.getMiddleware());
app.listen(Number(process.env.PORT), "127.0.0.1");
