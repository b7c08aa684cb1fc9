"""What has to happen at once in Redis.

Where memory is full a script may still write after a write that needs none, and fails at its first write otherwise. So
the first write of each is one that needs memory, where there is one: what fails has changed nothing.
"""

# Keys: records, ids, logs. Arguments: log, id, at, body, the number expected or nothing, how many are kept, and from
# when or nothing. The records are a stream whose ids are the numbers; beside it lie the last of them, and that of each
# id that is kept.
APPEND = """
local id = 'i' .. ARGV[2]
local known = redis.call('HGET', KEYS[2], id)
local record = known and redis.call('XRANGE', KEYS[1], known .. '-0', known .. '-0')[1]
if record then return {'known', record} end
local last = tonumber(redis.call('HGET', KEYS[2], 'last') or 0)
if ARGV[5] ~= '' and tonumber(ARGV[5]) ~= last then return {'conflict', last} end
local number = string.format('%d', last + 1)
redis.call('XADD', KEYS[1], number .. '-0', 'at', ARGV[3], 'id', ARGV[2], 'body', ARGV[4])
redis.call('HSET', KEYS[2], 'last', number, id, number)
redis.call('ZADD', KEYS[3], 0, ARGV[1])
local floor, oldest = last + 1 - ARGV[6], tonumber(ARGV[7])
while true do
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  if not first then break end
  local is_young = not oldest or tonumber(first[2][2]) >= oldest
  if is_young and tonumber(string.match(first[1], '^%d+')) > floor then break end
  redis.call('XDEL', KEYS[1], first[1])
  redis.call('HDEL', KEYS[2], 'i' .. first[2][4])
end
return {'new', last + 1}
"""

# Keys: records, ids. Arguments: after which number, of how many newest or nothing, the limit, how many are kept, and
# from when or nothing.
READ = """
local last = tonumber(redis.call('HGET', KEYS[2], 'last') or 0)
local after = math.max(0, tonumber(ARGV[1]), last - ARGV[4], last - (tonumber(ARGV[2]) or last))
local limit, oldest, found = tonumber(ARGV[3]), tonumber(ARGV[5]), {}
local start = string.format('%d-0', after + 1)
while #found < limit do
  local page = redis.call('XRANGE', KEYS[1], start, '+', 'COUNT', limit - #found)
  if #page == 0 then break end
  for _, record in ipairs(page) do
    if not oldest or tonumber(record[2][2]) >= oldest then found[#found + 1] = record end
  end
  start = '(' .. page[#page][1]
end
return found
"""

# Keys: records, ids, logs. Argument: log.
DROP = """
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
"""

# Keys: rows, tables. Arguments: table, how many rows are set, name and value of each, names of those taken away.
WRITE = """
local over = 2 + 2 * ARGV[2]
for i = 3, over, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = over + 1, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
local size = redis.call('HLEN', KEYS[1])
if size == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
elseif over > 2 then
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
end
return size
"""

# Keys: one that is never there. Arguments: channel, message. A server that was demoted would take an announcement which
# listeners of its successor never hear. It takes no write, even one of nothing.
ANNOUNCE = """
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
"""
