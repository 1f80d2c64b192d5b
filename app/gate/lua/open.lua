-- open: lifts the fence of a sale that was seeded and recounted under this epoch.
-- KEYS  1 sale (hash)  2 answers and 3 customers of the round (hashes)  4 orders (stream)
-- ARGV  1 epoch  2 state ('open' | 'paused' | 'closed')  3 remaining (tickets)  4 backlog (tickets)
--       5 time at which answers and customers go (seconds since the epoch, 0 = not yet known); those made later as well
--       6 entries in the stream when the backlog was counted ('' = opened whatever is there)
-- returns {'opened', remaining} | {'moved', entries in the stream} | {'refused', the epoch that is here, or 0}
--
-- Behind the fence entries only leave. As many as were counted are those that were counted, and the backlog is exact;
-- otherwise the drain has taken some away since, and the caller counts again.
local here = redis.call('HMGET', KEYS[1], 'epoch', 'state')
if here[1] ~= ARGV[1] or here[2] ~= 'fenced' then return {'refused', tonumber(here[1] or 0)} end
local entries = redis.call('XLEN', KEYS[4])
if ARGV[6] ~= '' and entries ~= tonumber(ARGV[6]) then return {'moved', entries} end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'remaining', ARGV[3], 'backlog', ARGV[4], 'expires', ARGV[5])
if ARGV[5] ~= '0' then
  redis.call('EXPIREAT', KEYS[2], ARGV[5])
  redis.call('EXPIREAT', KEYS[3], ARGV[5])
end
return {'opened', tonumber(ARGV[3])}
