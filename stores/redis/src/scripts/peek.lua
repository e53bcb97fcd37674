-- Where a stream and the positions are.
-- KEYS: a key that says where the data are. ARGV: stream.
local top = redis.call('ZREVRANGE', INDEX .. 'stream:' .. ARGV[1], 0, 0, 'WITHSCORES')
return {tonumber(top[2] or -1), tonumber(redis.call('HGET', INDEX .. 'meta', 'position') or 0)}
