-- release: returns the tickets of one cancelled reservation to the stock and to the customer's allowance, once.
-- KEYS  1 sale (hash)  2 released of the round (set of reservation ids)  3 customers of the round (hash)
-- ARGV  1 round  2 epoch  3 reservation id  4 customer  5 quantity (tickets)
-- returns {'released', remaining} | {'already', remaining} | {'stale', the sale's epoch here, or 0}
local here = redis.call('HMGET', KEYS[1], 'round', 'epoch', 'state', 'remaining', 'expires')
if here[1] ~= ARGV[1] or here[2] ~= ARGV[2] or here[3] == 'fenced' then return {'stale', tonumber(here[2] or 0)} end
local quantity = assert(tonumber(ARGV[5]), 'release: the quantity is not a number')
if redis.call('SISMEMBER', KEYS[2], ARGV[3]) == 1 then return {'already', tonumber(here[4])} end

-- The reservation is recorded first. A failure part way then leaks its tickets and never returns them twice.
redis.call('SADD', KEYS[2], ARGV[3])
if (tonumber(here[5]) or 0) > 0 then redis.call('EXPIREAT', KEYS[2], here[5]) end
redis.call('HINCRBY', KEYS[1], 'released', 1)
local held = tonumber(redis.call('HGET', KEYS[3], ARGV[4]) or 0)
if held > 0 then redis.call('HSET', KEYS[3], ARGV[4], math.max(0, held - quantity)) end
redis.call('HINCRBY', KEYS[1], 'allotted', quantity)
return {'released', redis.call('HINCRBY', KEYS[1], 'remaining', quantity)}
