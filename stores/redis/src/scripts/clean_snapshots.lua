-- Deletes all but the newest snapshots of a stream.
-- KEYS: a key that says where the data are. ARGV: stream, tail, how many to keep. Returns how many were deleted.
local stream, ids, keep = SNAPSHOT_INDEX .. 'stream:' .. ARGV[1], SNAPSHOT_INDEX .. 'ids:' .. ARGV[1], tonumber(ARGV[3])

local function key(member)
  local stamp, id = string.match(member, '^(%-?%d+):(.*)$')
  return SNAPSHOTS .. stamp .. ':' .. ARGV[2] .. ':' .. id, id, tonumber(stamp)
end

-- Those that a node-eventstore deleted don't count.
for _, member in ipairs(redis.call('ZRANGE', stream, 0, -1)) do
  local where, id = key(member)
  if redis.call('EXISTS', where) == 0 then
    redis.call('ZREM', stream, member)
    redis.call('HDEL', ids, id)
  end
end

local old = redis.call('ZREVRANGE', stream, keep, -1)
local edge = redis.call('ZREVRANGE', stream, math.max(0, keep - 1), keep, 'WITHSCORES')
if keep > 0 and edge[2] and edge[2] == edge[4] then
  -- Of snapshots of one revision the version decides, then the time.
  local list = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', stream, edge[2], edge[2])) do
    local where, _, stamp = key(member)
    local readable, snapshot = pcall(cjson.decode, redis.call('GET', where))
    local version = readable and snapshot.version
    local class = type(version) == 'string' and 2 or type(version) == 'number' and 1 or 0
    list[#list + 1] = {member = member, class = class, version = version, stamp = stamp}
  end
  table.sort(list, function(a, b)
    if a.class ~= b.class then return a.class > b.class end
    if a.class > 0 and a.version ~= b.version then return a.version > b.version end
    return a.stamp > b.stamp
  end)
  local newer = redis.call('ZCOUNT', stream, '(' .. edge[2], '+inf')
  old = redis.call('ZREVRANGEBYSCORE', stream, '(' .. edge[2], '-inf')
  for i = keep - newer + 1, #list do old[#old + 1] = list[i].member end
end
for _, member in ipairs(old) do
  local where, id = key(member)
  redis.call('DEL', where)
  redis.call('ZREM', stream, member)
  redis.call('HDEL', ids, id)
end
return #old
