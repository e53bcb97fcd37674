-- Stores a snapshot, or takes one that node-eventstore stored into the index.
-- KEYS: the snapshot's key. ARGV: kind, stream, stamp, id, revision (-1: none), JSON ('' where it is there already).
-- Returns whether it is new to the index.
local kind, stream, member = ARGV[1], SNAPSHOT_INDEX .. 'stream:' .. ARGV[2], ARGV[3] .. ':' .. ARGV[4]
local ids = SNAPSHOT_INDEX .. 'ids:' .. ARGV[2]
local earlier = redis.call('HGET', ids, ARGV[4])
if earlier and earlier ~= member and ARGV[6] ~= '' then
  redis.call('ZREM', stream, earlier)
  redis.call('DEL', SNAPSHOTS .. string.match(earlier, '^%-?%d+') .. ':' .. names(kind) .. ':' .. ARGV[7] .. ':' .. ARGV[4])
end
if ARGV[6] ~= '' then
  redis.call('SET', KEYS[1], ARGV[6])
end
redis.call('HSET', ids, ARGV[4], member)
redis.call('SADD', INDEX .. 'kinds', kind)
return redis.call('ZADD', stream, ARGV[5], member)
