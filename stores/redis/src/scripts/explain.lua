-- Whether a stream's counter is what the index makes of it.
-- KEYS: the counter. ARGV: stream, tail, whether a counter that is not is to be taken as it is.
local counter = tonumber(redis.call('GET', KEYS[1]) or 0)
local top = redis.call('ZREVRANGE', INDEX .. 'stream:' .. ARGV[1], 0, 0, 'WITHSCORES')
if not is_foreign(counter, tonumber(top[2] or -1), ARGV[2]) then
  return 1
end
if ARGV[3] ~= '' then
  redis.call('HSET', INDEX .. 'counters', ARGV[2], digits(counter))
end
return 0
