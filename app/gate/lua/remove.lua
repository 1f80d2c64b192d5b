-- remove: removes an ended and drained sale. The keys from which buyers may still be answered expire later.
-- KEYS  1 sale (hash)  2 orders (stream)  3 answers, 4 customers and 5 released of the sale's round here
-- ARGV  1 time at which keys 3 to 5 expire if they have no time to live yet (Unix time in seconds)  2 their round
-- returns {'removed', 0} | {'elsewhere', the sale's round here} | {'draining', orders that wait in the stream}
--
-- A sale that was fenced before it ended has answers without a time to live.
local round = redis.call('HGET', KEYS[1], 'round')
if round and round ~= ARGV[2] then return {'elsewhere', tonumber(round)} end
local waiting = redis.call('XLEN', KEYS[2])
if waiting > 0 then return {'draining', waiting} end
redis.call('UNLINK', KEYS[1], KEYS[2])
for i = 3, 5 do redis.call('EXPIREAT', KEYS[i], ARGV[1], 'NX') end
return {'removed', 0}
