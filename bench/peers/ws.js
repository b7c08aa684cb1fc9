// Broadcast as a small server with the package ws does it: the body of POST /send goes to every client.
const http = require("http");
const { WebSocketServer } = require("ws");

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const text = Buffer.concat(parts);
    for (const client of sockets.clients) {
      client.send(text, { binary: false });
    }
    response.writeHead(202, { "content-length": "0" });
    response.end();
  });
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
server.listen(Number(process.env.PORT), "127.0.0.1");
