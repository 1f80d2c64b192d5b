-- unlock: deletes the lock if it is still the caller's own. A plain DEL would take it from whoever came after.
-- KEYS  1 lock (string)
-- ARGV  1 the caller's word
-- returns 1 where the caller still held it, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
