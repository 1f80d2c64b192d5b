-- unlock: deletes the lock if the caller still holds it. A plain DEL could delete the lock of the next holder.
-- KEYS  1 lock (string)
-- ARGV  1 the caller's random value
-- returns 1 if the caller still held it, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
