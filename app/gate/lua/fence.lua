-- fence: stops a sale at once, for somebody who saw that this server went back in time. Only a new seed lifts it.
-- KEYS  1 sale (hash)
-- ARGV  1 epoch (the newest that the caller knows; an older one fences nothing)
-- returns {'fenced', epoch} | {'refused', the epoch that is here} | {'missing', 0}
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '')  -- what is no number is as good as gone
if not epoch then return {'missing', 0} end
if tonumber(ARGV[1]) < epoch then return {'refused', epoch} end
redis.call('HSET', KEYS[1], 'state', 'fenced')
return {'fenced', epoch}
