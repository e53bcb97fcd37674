-- Takes events that node-eventstore wrote into the index.
-- KEYS: a key that says where the data are.
-- ARGV: for each event kind, stream, tail, aggregateId, stamp, sequence, id, revision, commit id, position.
-- Returns how many commits are new to the index, and how many of them took an id of node-eventstore's.
local commits, numbered = 0, 0
for i = 1, #ARGV, 10 do
  local kind, tail, aggregate_id = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  local stream = INDEX .. 'stream:' .. ARGV[i + 1]
  local stamp, sequence, id, revision, commit_id, position =
    ARGV[i + 4], ARGV[i + 5], ARGV[i + 6], ARGV[i + 7], ARGV[i + 8], ARGV[i + 9]
  local ref = stamp .. ':' .. sequence .. ':' .. id
  local member = ordered(revision) .. ordered(sequence) .. ':' .. aggregate_id .. ':' .. id
  if redis.call('ZADD', stream, revision, ref) == 1 then
    local new = redis.call('ZADD', stream, 'GT', digits(-tonumber(revision) - 1), 'c' .. commit_id)
    commits = commits + new
    if string.match(commit_id, '^%d+$') then numbered = numbered + new end
    redis.call('SADD', INDEX .. 'kinds', kind)
    if position ~= '' then
      redis.call('ZADD', INDEX .. 'position:' .. kind, position, stamp .. ':' .. sequence .. ':' .. aggregate_id .. ':' .. id)
      if tonumber(position) > tonumber(redis.call('HGET', INDEX .. 'meta', 'position') or 0) then
        redis.call('HSET', INDEX .. 'meta', 'position', position)
      end
    end
    if redis.call('EXISTS', UNDISPATCHED .. stamp .. ':' .. sequence .. ':' .. tail .. ':' .. id) == 1 then
      redis.call('ZADD', INDEX .. 'undispatched:' .. kind, stamp, member)
      remember(kind, stamp, member, id)
    else
      redis.call('ZADD', INDEX .. 'dispatched:' .. kind, stamp, member)
    end
    local rank = redis.call('ZRANK', stream, ref)
    for j, other in ipairs(redis.call('ZRANGE', stream, math.max(0, rank - 1), rank + 1)) do
      local other_stamp = tonumber(string.match(other, '^%-?%d+'))
      local is_before = rank > 0 and j == 1
      if other_stamp and other ~= ref and (other_stamp > tonumber(stamp)) == is_before and other_stamp ~= tonumber(stamp) then
        redis.call('ZADD', stream, '-0.5', 'd')
      end
    end
  end
end
return {commits, numbered}
