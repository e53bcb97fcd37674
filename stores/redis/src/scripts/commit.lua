-- Writes a commit, all or nothing.
-- KEYS: the stream's revision counter.
-- ARGV: kind, stream, tail (context:aggregate:aggregateId), aggregateId, expectation (any, exact, free), its number,
--   commit id, whether positions are on, the position that was foreseen, whether other streams can have the same tail
--   or other events the same keys (no, possible, likely: the tail); for each event stamp, sequence, id, given position, JSON behind revision and position.
local HEAD, PER_EVENT = 10, 5
local kind, tail, aggregate_id, commit_id = ARGV[1], ARGV[3], ARGV[4], ARGV[7]
local stream, meta = INDEX .. 'stream:' .. ARGV[2], INDEX .. 'meta'
local count = (#ARGV - HEAD) / PER_EVENT

local counter = tonumber(redis.call('GET', KEYS[1]) or 0)
local top = redis.call('ZREVRANGE', stream, 0, 0, 'WITHSCORES')
local last = tonumber(top[2] or -1)
if is_foreign(counter, last, tail) then
  return {'foreign'}
end

local expected, number = ARGV[5], tonumber(ARGV[6])
local first
if expected == 'any' or (expected == 'exact' and last == number) then
  first = last + 1
elseif expected == 'free' and last < number then
  first = number
end

local earlier = last >= 0 and redis.call('ZSCORE', stream, 'c' .. commit_id)
if not (first and expected == 'free') then
  if earlier then
    local from = -tonumber(earlier) - 1
    local keys, values = {}, {}
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', stream, from, from + count)) do
      local place, id = string.match(member, '^(%-?%d+:%d+):(.*)$')
      keys[#keys + 1] = EVENTS .. place .. ':' .. tail .. ':' .. id
    end
    for at = 1, #keys, MOST do
      for _, value in ipairs(redis.call('MGET', unpack(keys, at, math.min(at + MOST - 1, #keys)))) do
        if value then values[#values + 1] = value end
      end
    end
    return {'there', values}
  end
end
if not first then
  return {'conflict', last}
end

local position = ARGV[8] ~= '' and tonumber(redis.call('HGET', meta, 'position') or 0)
if ARGV[9] ~= '' and position and position + 1 ~= tonumber(ARGV[9]) then
  return {'moved'}
end

local writes, refs, times, positions, marks = {}, {}, {}, {}, {}
local highest, disordered = position, false
local before = top[1] and tonumber(string.match(top[1], '^%-?%d+'))
for i = 1, count do
  local at = HEAD + PER_EVENT * (i - 1)
  local stamp, sequence, id, given, rest = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local revision = digits(first + i - 1)
  local place = given ~= '' and given or position and digits(position + i)
  local key = stamp .. ':' .. sequence .. ':' .. tail .. ':' .. id
  local json = '{"streamRevision":' .. revision .. ',"position":' .. (place or 'null') .. ',' .. rest
  local member = ordered(revision) .. ordered(sequence) .. ':' .. aggregate_id .. ':' .. id
  local w, m = 4 * i, 2 * i
  writes[w - 3], writes[w - 2], writes[w - 1], writes[w] = EVENTS .. key, json, UNDISPATCHED .. key, json
  refs[m - 1], refs[m] = revision, stamp .. ':' .. sequence .. ':' .. id
  times[m - 1], times[m] = stamp, member
  if place then
    positions[#positions + 1] = place
    positions[#positions + 1] = stamp .. ':' .. sequence .. ':' .. aggregate_id .. ':' .. id
    highest = math.max(highest or tonumber(redis.call('HGET', meta, 'position') or 0), tonumber(place))
  end
  disordered = disordered or (before and tonumber(stamp) < before)
  before = tonumber(stamp)
end
if not earlier then
  refs[#refs + 1], refs[#refs + 2] = digits(-first - 1), 'c' .. commit_id
end
if disordered then
  refs[#refs + 1], refs[#refs + 2] = '-0.5', 'd'
end

-- An event's key is its own unless the commit's id was used before, or another stream has the same tail.
if earlier or ARGV[10] ~= 'no' then
  for i = 1, #writes, 4 do
    if redis.call('EXISTS', writes[i]) == 1 then
      return {'taken'}
    end
  end
end
local next_counter = math.max(counter, first + count)
writes[#writes + 1], writes[#writes + 2] = KEYS[1], digits(next_counter)
spread('MSET', nil, writes, 2)
if ARGV[10] == 'likely' or next_counter ~= first + count then
  redis.call('HSET', INDEX .. 'counters', tail, digits(next_counter))
end
if last < 0 then
  redis.call('SADD', INDEX .. 'kinds', kind)
end
spread('ZADD', stream, refs, 2)
spread('ZADD', INDEX .. 'undispatched:' .. kind, times, 2)
for i = 1, count do
  remember(kind, times[2 * i - 1], times[2 * i], ARGV[HEAD + PER_EVENT * (i - 1) + 3])
end
if #positions > 0 then
  spread('ZADD', INDEX .. 'position:' .. kind, positions, 2)
  redis.call('HSET', meta, 'position', digits(highest))
end
return {'committed', digits(first), position and digits(position + 1) or ''}
