-- Marks events as dispatched.
-- KEYS: a key that says where the data are. ARGV: the ids.
for _, id in ipairs(ARGV) do
  local packed = redis.call('HGET', INDEX .. 'undispatched', id)
  if packed then
    local refs = {cmsgpack.unpack(packed)}
    for i = 1, #refs, 3 do
      local kind, stamp, member = refs[i], refs[i + 1], refs[i + 2]
      local at = 2 + string.byte(member) - 96
      local sequence_end = at + string.byte(member, at) - 96
      local rest = string.sub(member, sequence_end + 1)
      local sequence = string.sub(member, at + 1, sequence_end)
      redis.call('DEL', UNDISPATCHED .. stamp .. ':' .. sequence .. ':' .. names(kind) .. rest)
      if redis.call('ZREM', INDEX .. 'undispatched:' .. kind, member) == 1 then
        redis.call('ZADD', INDEX .. 'dispatched:' .. kind, stamp, member)
      end
    end
    redis.call('HDEL', INDEX .. 'undispatched', id)
  end
end
return 'OK'
