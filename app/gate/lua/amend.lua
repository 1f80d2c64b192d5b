-- amend: applies the terms that the ledger has committed to a running sale. A fenced sale stays fenced.
-- KEYS  1 sale (hash)  2 answers, 3 customers and 4 released of the round
-- ARGV  1 epoch  2 state ('open' | 'paused' | 'closed')  3 stock (tickets; it only grows)  4 limit (0 = none)
--       5 opens and 6 closes (Unix time in ms, 0 = none)
--       7 time at which answers, customers and released expire (Unix time in seconds, 0 = not known yet)
--       8 generation of the terms
--       9 round
-- returns {'amended', remaining} | {'outdated', remaining}: the sale has newer terms here | {'missing', 0}
--         {'refused', the sale's epoch here}: only a recount helps. Epoch or round is another one, the sale is fenced or
--         has more stock, or it is to sell and answers are gone (they expired after it had closed), so that limits and
--         keys are unknown.
local here = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'stock', 'remaining', 'generation', 'written_orders',
  'restored', 'round')
if not here[1] then return {'missing', 0} end
local refused = {'refused', tonumber(here[1])}
if here[1] ~= ARGV[1] or here[8] ~= ARGV[9] or here[2] == 'fenced' then return refused end
if tonumber(ARGV[8]) < tonumber(here[5] or 0) then return {'outdated', tonumber(here[4])} end
local answers = tonumber(here[6] or 0) + tonumber(here[7] or 0)
if ARGV[2] ~= 'closed' and redis.call('HLEN', KEYS[2]) < answers then return refused end
local growth = tonumber(ARGV[3]) - tonumber(here[3])
if growth < 0 then return refused end
local remaining = tonumber(here[4]) + growth
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'stock', ARGV[3], 'remaining', remaining, 'limit', ARGV[4],
  'opens', ARGV[5], 'closes', ARGV[6], 'expires', ARGV[7], 'generation', ARGV[8])
if growth > 0 then redis.call('HINCRBY', KEYS[1], 'allotted', growth) end
for i = 2, 4 do
  if ARGV[7] == '0' then redis.call('PERSIST', KEYS[i]) else redis.call('EXPIREAT', KEYS[i], ARGV[7]) end
end
return {'amended', remaining}
