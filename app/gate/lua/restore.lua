-- restore: rebuilds a page of answers and customers' tickets from the ledger and the stream, while the sale is fenced.
-- KEYS  1 sale (hash)  2 answers of the round (hash)  3 customers of the round (hash)
-- ARGV  1 epoch  2 'first' (empties both hashes before) | 'next'
--       then for each order: customer, key, answer (as reserve writes it), tickets to count for the customer
-- returns {'restored', orders} | {'refused', the sale's epoch here, or 0}
local here = redis.call('HMGET', KEYS[1], 'epoch', 'state')
if here[1] ~= ARGV[1] or here[2] ~= 'fenced' then return {'refused', tonumber(here[1] or 0)} end
if ARGV[2] == 'first' then redis.call('UNLINK', KEYS[2], KEYS[3]) end

local orders = 0
for base = 3, #ARGV, 4 do
  local customer, counted = ARGV[base], tonumber(ARGV[base + 3])
  redis.call('HSET', KEYS[2], customer .. ' ' .. ARGV[base + 1], ARGV[base + 2])
  if counted > 0 then redis.call('HINCRBY', KEYS[3], customer, counted) end
  orders = orders + 1
end
return {'restored', orders}
