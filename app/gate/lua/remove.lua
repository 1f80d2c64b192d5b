-- remove: takes an ended and drained sale away. What buyers may still ask about goes later, by itself.
-- KEYS  1 sale (hash)  2 orders (stream)  3 answers, 4 customers and 5 released of the round that is here
-- ARGV  1 time at which these three go, where they have none yet (seconds since the epoch)  2 their round
-- returns {'removed', 0} | {'elsewhere', the round that is here}
--
-- A sale that was fenced before it ended has answers that nobody gave a time to go.
local round = redis.call('HGET', KEYS[1], 'round')
if round and round ~= ARGV[2] then return {'elsewhere', tonumber(round)} end
redis.call('UNLINK', KEYS[1], KEYS[2])
for i = 3, 5 do redis.call('EXPIREAT', KEYS[i], ARGV[1], 'NX') end
return {'removed', 0}
