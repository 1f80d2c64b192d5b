-- forget_consumers: removes the names of workers that are gone from the group.
-- KEYS  1 orders (stream)
-- ARGV  1 group  2 shortest idle time of a consumer to remove (milliseconds)
-- returns the number of consumers removed
--
-- It is one script because XGROUP DELCONSUMER also drops the consumer's pending entries. A consumer that has a pending
-- entry stays until another worker has claimed the entry.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local removed = 0
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for field = 1, #flat, 2 do consumer[flat[field]] = flat[field + 1] end
  if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    removed = removed + 1
  end
end
return removed
