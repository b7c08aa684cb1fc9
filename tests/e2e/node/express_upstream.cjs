// An upstream of @azure/web-pubsub-express. It prints its port; it ends with its standard input.
const { createServer } = require("node:http");
const { WebPubSubEventHandler } = require("@azure/web-pubsub-express");

const handler = new WebPubSubEventHandler("chat", {
  path: "/eventhandler",
  handleConnect: (request, response) => response.success({ userId: request.context.userId, groups: ["lobby"] }),
  handleUserEvent: (request, response) => {
    response.setState("n", 1);
    response.success(request.dataType === "json" ? JSON.stringify(request.data) : request.data, request.dataType);
  },
});
const middleware = handler.getMiddleware();

// What Express does around it: `next` without an error is its 404 page, with one its error page.
const server = createServer((request, response) => {
  request.path = new URL(request.url, "http://localhost").pathname;
  request.baseUrl = "";
  middleware(request, response, (error) => {
    response.statusCode = error ? 500 : 404;
    response.end(error ? `<pre>${error.stack}</pre>` : `Cannot ${request.method} ${request.path}`);
  });
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.on("end", () => process.exit()).resume();
