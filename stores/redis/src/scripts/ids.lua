-- Takes ids. KEYS: a key that says where the data are. ARGV: how many. Returns the last.
redis.call('HINCRBY', INDEX .. 'meta', 'ids', ARGV[1])
return redis.call('INCRBY', IDS, ARGV[1])
