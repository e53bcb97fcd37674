-- Which events and snapshots of node-eventstore's the index lacks.
-- KEYS: a key that says where the data are. ARGV: their keys. Returns the numbers (from 1) of those that it lacks, and
-- of those whose keys can be read in more than one way and are not found in the likeliest.
local function escape(name)
  return (string.gsub(name, '[%%:]', function(c) return string.format('%%%02X', string.byte(c)) end))
end

local function readings(name)
  return name == '_general' and {'', '_general'} or {name}
end

local lacking = {}
for i, key in ipairs(ARGV) do
  local set, rest
  if string.sub(key, 1, #EVENTS) == EVENTS then
    set, rest = INDEX .. 'stream:', string.sub(key, #EVENTS + 1)
  else
    set, rest = SNAPSHOT_INDEX .. 'stream:', string.sub(key, #SNAPSHOTS + 1)
  end
  local pattern = set == INDEX .. 'stream:' and '^(%-?%d+:%d+):([^:]*):([^:]*):(.*):([^:]*)$'
    or '^(%-?%d+):([^:]*):([^:]*):(.*):([^:]*)$'
  local place, context, aggregate, aggregate_id, id = string.match(rest, pattern)
  local found = false
  if place then
    for _, c in ipairs(readings(context)) do
      for _, a in ipairs(readings(aggregate)) do
        local stream = set .. escape(c) .. ':' .. escape(a) .. ':' .. escape(aggregate_id)
        found = found or redis.call('ZSCORE', stream, place .. ':' .. id)
      end
    end
  end
  if not found then lacking[#lacking + 1] = i end
end
return lacking
