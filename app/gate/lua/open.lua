-- open: lifts the fence of a sale that was seeded and recounted under this epoch.
-- KEYS  1 sale (hash)  2 answers and 3 customers of the round (hashes)  4 orders (stream)
-- ARGV  1 epoch  2 state ('open' | 'paused' | 'closed')  3 remaining (tickets)  4 backlog (tickets)
--       5 time at which answers and customers expire, also if created later (Unix time in seconds, 0 = not known yet)
--       6 entries in the stream when the backlog was counted ('' = do not compare)
-- returns {'opened', remaining} | {'moved', entries in the stream} | {'refused', the sale's epoch here, or 0}
--
-- While the sale is fenced, entries only leave the stream. If there are as many as were counted, they are the counted
-- ones and the backlog is exact. Otherwise the drain has removed some of them, and the caller must count again.
local here = redis.call('HMGET', KEYS[1], 'epoch', 'state')
if here[1] ~= ARGV[1] or here[2] ~= 'fenced' then return {'refused', tonumber(here[1] or 0)} end
local entries = redis.call('XLEN', KEYS[4])
if ARGV[6] ~= '' and entries ~= tonumber(ARGV[6]) then return {'moved', entries} end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'remaining', ARGV[3], 'allotted', ARGV[3], 'backlog', ARGV[4],
  'expires', ARGV[5], 'restored', redis.call('HLEN', KEYS[2]))
if ARGV[5] ~= '0' then
  redis.call('EXPIREAT', KEYS[2], ARGV[5])
  redis.call('EXPIREAT', KEYS[3], ARGV[5])
end
return {'opened', tonumber(ARGV[3])}
