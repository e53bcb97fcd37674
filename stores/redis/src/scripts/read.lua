-- A page of events. Every source is a sorted set that has the order asked for; their heads are merged.
-- KEYS: a key that says where the data are.
-- ARGV: index (stream, time, undispatched, position), order (revision, time, position), context and aggregate ('*' or
--   '=' and the name as in kinds), aggregate id as in stream keys and as it is, least and greatest score, backward,
--   skip, limit, most bytes, whether dispatched events are left out, whether to look for foreign ids,
--   and where to go on: number, second number, text, kind (number '' for the start).
local index, order = ARGV[1], ARGV[2]
local stream_id, aggregate_id = ARGV[5], ARGV[6]
local least, greatest, backward = ARGV[7], ARGV[8], ARGV[9] ~= ''
local skip, limit, most_bytes = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local undispatched = ARGV[13] ~= ''
local cursor = ARGV[15] ~= '' and {tonumber(ARGV[15]), tonumber(ARGV[16]), ARGV[17], ARGV[18]} or nil
-- So many places in an index are looked at in one call at the most; then the page ends early.
local LOOKS = 20000

if ARGV[14] ~= '' then
  local taken, new = foreign_ids()
  if new then return {'ids', digits(taken)} end
end

-- Byte by byte: Lua's own comparison follows the server's language.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- Entries are {number, second number, text, kind, key}.
local function precedes(a, b)
  for i = 1, 2 do
    if a[i] ~= b[i] then return a[i] < b[i] end
  end
  for i = 3, 4 do
    if a[i] ~= b[i] then return before(a[i], b[i]) end
  end
  return false
end

local function entry(source, member, score)
  if index == 'stream' then
    local stamp, sequence, id = string.match(member, '^(%-?%d+):(%d+):(.*)$')
    local key = stamp .. ':' .. sequence .. ':' .. source.names .. ':' .. aggregate_id .. ':' .. id
    if order == 'revision' then
      return {tonumber(score), tonumber(stamp), member, source.kind, key}
    end
    local text = ordered(digits(tonumber(score))) .. ordered(sequence) .. ':' .. aggregate_id .. ':' .. id
    return {tonumber(stamp), 0, text, source.kind, key}
  elseif index == 'position' then
    local place, rest = string.match(member, '^(%-?%d+:%d+):(.*)$')
    if aggregate_id ~= '' and string.sub(rest, 1, #aggregate_id + 1) ~= aggregate_id .. ':' then
      return {tonumber(score), 0, member, source.kind}
    end
    return {tonumber(score), 0, member, source.kind, place .. ':' .. source.names .. ':' .. rest}
  end
  local at = 2 + string.byte(member) - 96
  local sequence_end = at + string.byte(member, at) - 96
  local sequence = string.sub(member, at + 1, sequence_end)
  local key = score .. ':' .. sequence .. ':' .. source.names .. string.sub(member, sequence_end + 1)
  return {tonumber(score), 0, member, source.kind, key, member}
end

-- The first place from low on, and before high, that the cursor has not passed.
local function search(source, low, high)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call('ZRANGE', source.set, middle, middle, 'WITHSCORES')
    local at = entry(source, found[1], found[2])
    local passed
    if backward then passed = precedes(at, cursor) else passed = not precedes(cursor, at) end
    if passed then low = middle + 1 else high = middle end
  end
  return low
end

-- How many places of a source are before (or at) the cursor.
local function seek(source)
  local low = redis.call('ZCOUNT', source.set, '-inf', '(' .. digits(cursor[1]))
  return search(source, low, low + redis.call('ZCOUNT', source.set, digits(cursor[1]), digits(cursor[1])))
end

local function sorted(source)
  local list, found = {}, redis.call('ZRANGEBYSCORE', source.set, least, greatest, 'WITHSCORES')
  for i = 1, #found, 2 do
    list[#list + 1] = entry(source, found[i], found[i + 1])
  end
  table.sort(list, precedes)
  if backward then
    for i = 1, math.floor(#list / 2) do
      list[i], list[#list + 1 - i] = list[#list + 1 - i], list[i]
    end
  end
  local at = 1
  while cursor and list[at] and not (backward and precedes(list[at], cursor) or not backward and precedes(cursor, list[at])) do
    at = at + 1
  end
  return list, at
end

local sources = {}
local function add(kind, sets)
  local source = {kind = kind, names = names(kind), at = 1, list = {}}
  source.set = INDEX .. sets .. ':' .. kind
  if index == 'stream' then
    source.set = source.set .. ':' .. stream_id
    local tail = source.names .. ':' .. aggregate_id
    local counter = tonumber(redis.call('GET', EVENTS .. tail .. ':revision') or 0)
    local top = redis.call('ZREVRANGE', source.set, 0, 0, 'WITHSCORES')
    if is_foreign(counter, tonumber(top[2] or -1), tail) then return true end
    if not top[1] then return false end
    if order == 'time' and redis.call('ZSCORE', source.set, 'd') then
      source.list, source.at = sorted(source)
      source.low, source.high = 0, 0
      sources[#sources + 1] = source
      return false
    end
  end
  local function below(bound)
    if bound == '-inf' then return 0 end
    if bound == '+inf' then return redis.call('ZCARD', source.set) end
    if string.sub(bound, 1, 1) == '(' then return redis.call('ZCOUNT', source.set, '-inf', bound) end
    return redis.call('ZCOUNT', source.set, '-inf', '(' .. bound)
  end
  source.low, source.high = below(least), below(greatest)
  -- The places still to come are [low, high).
  if string.sub(least, 1, 1) == '(' then
    source.low = redis.call('ZCOUNT', source.set, '-inf', string.sub(least, 2))
  end
  if cursor and order == 'time' and index == 'stream' then
    -- The cursor speaks of time, the set of revisions: in a stream whose stamps never go back both rise together.
    local place = search(source, source.low, source.high)
    if backward then source.high = place else source.low = place end
  elseif cursor then
    local place = seek(source)
    if backward then source.high = math.min(source.high, place) else source.low = math.max(source.low, place) end
  end
  if source.low < source.high then sources[#sources + 1] = source end
  return false
end

local function wanted(pattern, name)
  return pattern == '*' or string.sub(pattern, 2) == name
end

local kinds = {}
if ARGV[3] ~= '*' and ARGV[4] ~= '*' then
  kinds[1] = string.sub(ARGV[3], 2) .. ':' .. string.sub(ARGV[4], 2)
else
  for _, kind in ipairs(redis.call('SMEMBERS', INDEX .. 'kinds')) do
    local context, aggregate = string.match(kind, '^([^:]*):([^:]*)$')
    if wanted(ARGV[3], context) and wanted(ARGV[4], aggregate) then kinds[#kinds + 1] = kind end
  end
end
for _, kind in ipairs(kinds) do
  if index == 'time' then
    -- By time an event stands in one of two sets.
    add(kind, 'dispatched')
    add(kind, 'undispatched')
  elseif add(kind, index) then
    return {'stream', kind}
  end
end

if #sources == 1 and sources[1].low < sources[1].high and not (index == 'position' and aggregate_id ~= '') and not undispatched then
  -- Nothing but the places themselves says what is left out.
  local source = sources[1]
  local left_out = math.min(skip, source.high - source.low)
  if backward then source.high = source.high - left_out else source.low = source.low + left_out end
  skip = skip - left_out
end

local values, bytes = {}, 0

-- How many values to ask for at once: as many as are sure to fit, by the size of those that came.
local function batch()
  local fitting = #values == 0 and 16 or (most_bytes - bytes) / (bytes / #values)
  return math.max(1, math.floor(math.min(500, fitting, limit - #values)))
end

if #sources == 1 and index == 'stream' and not undispatched and sources[1].low < sources[1].high then
  -- The usual load, of a stream by its places: nothing is merged.
  local source = sources[1]
  local middle = ':' .. source.names .. ':' .. aggregate_id .. ':'
  local member, score
  while source.low < source.high and #values < limit and bytes < most_bytes do
    local size = batch()
    local from, to = source.low, math.min(source.high, source.low + size) - 1
    if backward then from, to = math.max(source.low, source.high - size), source.high - 1 end
    local found, keys = redis.call('ZRANGE', source.set, from, to, 'WITHSCORES'), {}
    local count = #found / 2
    for i = 1, count do
      local place, id = string.match(found[2 * i - 1], '^(%-?%d+:%d+):(.*)$')
      keys[backward and count + 1 - i or i] = EVENTS .. place .. middle .. id
    end
    local taken = 0
    for _, value in ipairs(redis.call('MGET', unpack(keys))) do
      taken = taken + 1
      if value then
        values[#values + 1] = value
        bytes = bytes + #value
        if bytes >= most_bytes then break end
      end
    end
    local last = 2 * (backward and count + 1 - taken or taken)
    member, score = found[last - 1], found[last]
    if backward then source.high = source.high - taken else source.low = source.low + taken end
  end
  if source.low >= source.high then return {'page', values} end
  local at = entry(source, member, score)
  return {'page', values, digits(at[1]), digits(at[2]), at[3], at[4], '0'}
end

local chunk = math.min(1000, math.max(8, math.ceil((skip + limit) / math.max(1, #sources)) + 1))
local function head(source)
  if not source.list[source.at] and source.low < source.high then
    local from, to = source.low, source.high - 1
    if backward then from = math.max(from, to - chunk + 1) else to = math.min(to, from + chunk - 1) end
    local found = redis.call('ZRANGE', source.set, from, to, 'WITHSCORES')
    source.list, source.at = {}, 1
    for i = 1, #found, 2 do
      local place = backward and #found - i or i
      source.list[(i + 1) / 2] = entry(source, found[place], found[place + 1])
    end
    if backward then source.high = from else source.low = to + 1 end
  end
  return source.list[source.at]
end

local function take()
  local first, from
  for _, source in ipairs(sources) do
    local candidate = head(source)
    if candidate then
      local better = not first
      if first then
        if backward then better = precedes(first, candidate) else better = precedes(candidate, first) end
      end
      if better then first, from = candidate, source end
    end
  end
  if from then from.at = from.at + 1 end
  return first
end

local reached, looks, pending = nil, 0, {}
local prefix = (undispatched or index == 'undispatched') and UNDISPATCHED or EVENTS

-- Drops what the index says of an event that a node-eventstore marked as dispatched.
local function forget(at)
  if redis.call('ZREM', INDEX .. 'undispatched:' .. at[4], at[6]) == 1 then
    redis.call('ZADD', INDEX .. 'dispatched:' .. at[4], digits(at[1]), at[6])
  end
  local packed = cmsgpack.pack(at[4], digits(at[1]), at[6])
  local colon = string.find(at[6], ':', 1, true)
  while colon do
    -- Which part of the member is the id can't be told where an id has colons: the packed reference tells.
    local id = string.sub(at[6], colon + 1)
    if redis.call('HGET', INDEX .. 'undispatched', id) == packed then
      redis.call('HDEL', INDEX .. 'undispatched', id)
    end
    colon = string.find(at[6], ':', colon + 1, true)
  end
end

-- Takes the values of the pending entries; whether the page is full.
local function flush()
  if #pending == 0 then return false end
  local keys = {}
  for i, at in ipairs(pending) do keys[i] = prefix .. at[5] end
  local found = redis.call('MGET', unpack(keys))
  for i, at in ipairs(pending) do
    if found[i] then
      if skip > 0 then
        skip = skip - 1
      else
        values[#values + 1] = found[i]
        bytes = bytes + #found[i]
      end
    elseif index == 'undispatched' then
      forget(at)
    end
    reached = at
    if #values >= limit or bytes >= most_bytes then
      local rest = {}
      for j = i + 1, #pending do rest[#rest + 1] = pending[j] end
      pending = rest
      return true
    end
  end
  pending = {}
  return false
end

local full, over = false, false
repeat
  local next_one = take()
  if not next_one then
    full = flush()
    over = not full or #pending == 0
    break
  end
  looks = looks + 1
  if next_one[5] and skip > 0 and not undispatched then
    skip, reached = skip - 1, next_one
  elseif next_one[5] then
    pending[#pending + 1] = next_one
  else
    if #pending == 0 then reached = next_one end
  end
  if #pending >= batch() then
    full = flush()
    if full and #pending == 0 then
      -- Whether there is anything behind: looked at, not taken.
      over = take() == nil
    end
  end
until full or looks >= LOOKS
if not full and not over then
  full = flush()
end

if over or not reached then
  return {'page', values}
end
return {'page', values, digits(reached[1]), digits(reached[2]), reached[3], reached[4], digits(skip)}
