-- Sets positions aside. KEYS: a key that says where the data are. ARGV: how many. Returns the first.
return redis.call('HINCRBY', INDEX .. 'meta', 'position', ARGV[1]) - ARGV[1] + 1
