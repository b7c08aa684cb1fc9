-- Events as the service sends them: many connections, each signed, every event with an id of its own.
-- BENCH_KIND is connect, message or negotiate; BENCH_CONNECTIONS is a file of "id signature" lines; BENCH_FIRST_ID is
-- where event ids begin, so that no run repeats those of another.
local kind = os.getenv("BENCH_KIND")
local first = tonumber(os.getenv("BENCH_FIRST_ID"))
local ids, signatures, count, sent = {}, {}, 0, 0
for line in io.lines(os.getenv("BENCH_CONNECTIONS")) do
  local id, signature = line:match("(%S+) (%S+)")
  count = count + 1
  ids[count], signatures[count] = id, signature
end

local message = string.rep("x", 128)
local connect = '{"claims":{"sub":["user"],"role":["webpubsub.sendToGroup"],"exp":["1900000000"]},"query":{"id":["user"]},'
  .. '"headers":{"User-Agent":["bench"],"Upgrade":["websocket"]},"subprotocols":["json.webpubsub.azure.v1"],'
  .. '"clientCertificates":[]}'
local family = kind == "connect" and "sys" or "user"
local body = kind == "connect" and connect or message

function request()
  sent = sent + 1
  if kind == "negotiate" then return wrk.format("GET", "/negotiate?id=user" .. sent) end
  local at = sent % count + 1
  return wrk.format("POST", "/eventhandler", {
    ["Host"] = "127.0.0.1",
    ["Content-Type"] = kind == "connect" and "application/json; charset=utf-8" or "text/plain; charset=utf-8",
    ["WebHook-Request-Origin"] = "bench.example",
    ["ce-specversion"] = "1.0",
    ["ce-awpsversion"] = "1.0",
    ["ce-type"] = "azure.webpubsub." .. family .. "." .. kind,
    ["ce-source"] = "/hubs/chat/client/" .. ids[at],
    ["ce-id"] = string.format("%d", first + sent),
    ["ce-time"] = "2026-03-04T05:06:07Z",
    ["ce-signature"] = signatures[at],
    ["ce-connectionId"] = ids[at],
    ["ce-hub"] = "chat",
    ["ce-eventName"] = kind,
    ["ce-userId"] = "user",
  }, body)
end

function done(summary, latency)
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
