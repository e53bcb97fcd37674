-- What several scripts share. The prefixes of the keys (EVENTS, UNDISPATCHED, SNAPSHOTS, INDEX, IDS) stand above it.

-- The most arguments that one command gets from a script: Lua's stack is bounded.
local MOST = 4000

local function digits(number)
  return string.format('%.0f', number)
end

-- Digits that sort as their number does: their count as a letter stands before them.
local function ordered(number)
  return string.char(96 + #number) .. number
end

local function unescape(text)
  return (string.gsub(text, '%%(%x%x)', function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Context and aggregate of a kind as they stand in node-eventstore's keys.
local function names(kind)
  local context, aggregate = string.match(kind, '^([^:]*):([^:]*)$')
  context = context == '' and '_general' or unescape(context)
  return context .. ':' .. (aggregate == '' and '_general' or unescape(aggregate))
end

-- Calls a command with as many arguments at once as may be; so many of them belong together.
local function spread(command, key, arguments, together)
  local most = MOST - MOST % together
  for from = 1, #arguments, most do
    local to = math.min(from + most - 1, #arguments)
    if key then
      redis.call(command, key, unpack(arguments, from, to))
    else
      redis.call(command, unpack(arguments, from, to))
    end
  end
end

-- Makes an event undispatched in the index. An id may belong to events of several streams.
local function remember(kind, stamp, member, id)
  local packed = cmsgpack.pack(kind, stamp, member)
  if redis.call('HSETNX', INDEX .. 'undispatched', id, packed) == 0 then
    redis.call('HSET', INDEX .. 'undispatched', id, redis.call('HGET', INDEX .. 'undispatched', id) .. packed)
  end
end

-- How many ids node-eventstore's writers have taken since the beginning, and whether some are new to us.
local function foreign_ids()
  local meta = redis.call('HMGET', INDEX .. 'meta', 'ids', 'foreign')
  local taken = tonumber(redis.call('GET', IDS) or 0) - tonumber(meta[1] or 0)
  return taken, taken ~= tonumber(meta[2] or 0)
end

-- Whether a stream's counter says that node-eventstore's writers were here: it is neither what its last revision
-- makes it nor what was found to be right.
local function is_foreign(counter, last, tail)
  return counter ~= last + 1 and counter ~= tonumber(redis.call('HGET', INDEX .. 'counters', tail) or -1)
end
