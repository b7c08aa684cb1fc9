// The upstream as the service's own JavaScript packages make it. No signature is checked there.
const express = require("express");
const { WebPubSubServiceClient } = require("@azure/web-pubsub");
const { WebPubSubEventHandler } = require("@azure/web-pubsub-express");

const service = new WebPubSubServiceClient(process.env.WPS_CONNECTION_STRING, "chat", { allowInsecureConnection: true });
const handler = new WebPubSubEventHandler("chat", {
  path: "/eventhandler",
  handleConnect: (request, response) => response.success({ userId: request.claims.sub[0] }),
  handleUserEvent: async (request, response) => {
    if (process.env.FANOUT === "sdk") {
      await service.sendToAll({ from: request.context.userId, message: request.data });
    }
    response.success();
  },
});

const app = express();
app.use(handler.getMiddleware());
app.get("/negotiate", async (request, response) => {
  const token = await service.getClientAccessToken({ userId: request.query.id });
  response.json({ url: token.url });
});
app.listen(Number(process.env.PORT), "127.0.0.1");
