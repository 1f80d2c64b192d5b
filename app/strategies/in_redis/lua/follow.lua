-- follow: makes the standalone counter follow the ledger: a new round, or growth, pause, window, end.
-- KEYS  1 counter (hash)  2 answers, 3 customers and 4 orders (hashes)
-- ARGV  1 round  2 epoch  3 stock  4 left (tickets, by the ledger; used if the round is new here)
--       5 limit per customer (0 = none)  6 opens and 7 closes (ms since the epoch, 0 = none)
--       8 state ('open' | 'paused' | 'closed')  9 life (seconds)
-- returns 1 if the counter is as asked for, 0 if a later round is here
local round, stock, left = unpack(redis.call('HMGET', KEYS[1], 'round', 'stock', 'left'))
if round and tonumber(round) > tonumber(ARGV[1]) then return 0 end
if round == ARGV[1] then
  left = tonumber(left) + math.max(0, tonumber(ARGV[3]) - tonumber(stock))
else
  redis.call('UNLINK', unpack(KEYS))
  redis.call('HSET', KEYS[1], 'round', ARGV[1], 'accepted', 0)
  left = ARGV[4]
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'stock', ARGV[3], 'left', left, 'limit', ARGV[5], 'opens', ARGV[6],
  'closes', ARGV[7], 'state', ARGV[8])
redis.call('EXPIRE', KEYS[1], ARGV[9])
return 1
