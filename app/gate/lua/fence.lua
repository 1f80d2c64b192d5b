-- fence: stops a sale at once, for a caller that saw this server go back in time (lose its newest writes). Only a new
-- seed lifts the fence.
-- KEYS  1 sale (hash)
-- ARGV  1 epoch (the newest that the caller knows; an epoch older than the sale's fences nothing)
-- returns {'fenced', the sale's epoch} | {'refused', the sale's epoch} | {'missing', 0}
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '')  -- an epoch that is not a number counts as missing
if not epoch then return {'missing', 0} end
if tonumber(ARGV[1]) < epoch then return {'refused', epoch} end
-- The next epoch must be newer than any that a process knows, or that process could never buy again.
local newest = math.max(tonumber(ARGV[1]), tonumber(redis.call('HGET', KEYS[1], 'fenced_at') or '') or 0)
redis.call('HSET', KEYS[1], 'state', 'fenced', 'fenced_at', newest)
return {'fenced', epoch}
