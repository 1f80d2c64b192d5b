-- seed: gives a counter that isn't there its stock, and one that is there what the stock has grown by.
-- KEYS  1 counter (hash)
-- ARGV  1 stock  2 left (tickets, by the ledger)  3 life (seconds)
-- returns 1 where it was seeded, else 0
--
-- A decrement that met no counter leaves one without a stock behind: it is not a counter.
local stock = redis.call('HGET', KEYS[1], 'stock')
if stock then
  local growth = tonumber(ARGV[1]) - tonumber(stock)
  if growth > 0 then
    redis.call('HSET', KEYS[1], 'stock', ARGV[1])
    redis.call('HINCRBY', KEYS[1], 'left', growth)
  end
  return 0
end
redis.call('HSET', KEYS[1], 'stock', ARGV[1], 'left', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
