-- seed: creates a missing counter, or adds to an existing one by how much the stock has grown.
-- KEYS  1 counter (hash)
-- ARGV  1 stock  2 left (tickets, by the ledger)  3 life (seconds)
-- returns 1 if it was created, else 0
--
-- A decrement of a missing counter leaves a hash without a stock, which does not count as a counter.
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
