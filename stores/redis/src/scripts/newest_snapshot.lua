-- The newest snapshots of the streams asked for: all with the highest revision of their stream.
-- KEYS: a key that says where the data are.
-- ARGV: context and aggregate ('*' or '=' and the name as in kinds), aggregate id as in stream keys and as it is,
--   least and greatest revision.
local taken, new = foreign_ids()
if new then return {'ids', digits(taken)} end

local function wanted(pattern, name)
  return pattern == '*' or string.sub(pattern, 2) == name
end

local values = {}
for _, kind in ipairs(redis.call('SMEMBERS', INDEX .. 'kinds')) do
  local context, aggregate = string.match(kind, '^([^:]*):([^:]*)$')
  if wanted(ARGV[1], context) and wanted(ARGV[2], aggregate) then
    local stream, place = SNAPSHOT_INDEX .. 'stream:' .. kind .. ':' .. ARGV[3], names(kind) .. ':' .. ARGV[4]
    local found = false
    while not found do
      local top = redis.call('ZREVRANGEBYSCORE', stream, ARGV[6], ARGV[5], 'WITHSCORES', 'LIMIT', 0, 1)
      if not top[1] then break end
      for _, member in ipairs(redis.call('ZRANGEBYSCORE', stream, top[2], top[2])) do
        local stamp, id = string.match(member, '^(%-?%d+):(.*)$')
        local value = redis.call('GET', SNAPSHOTS .. stamp .. ':' .. place .. ':' .. id)
        if value then
          values[#values + 1] = value
          found = true
        else
          -- A node-eventstore deleted it.
          redis.call('ZREM', stream, member)
          redis.call('HDEL', SNAPSHOT_INDEX .. 'ids:' .. kind .. ':' .. ARGV[3], id)
        end
      end
    end
  end
end
return {'snapshots', values}
