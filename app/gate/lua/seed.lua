-- seed: seeds a sale in the state `fenced`, for a new round or for a recount. It refuses if the sale's epoch here is as
-- new as the caller's.
-- KEYS  1 sale (hash)  2 answers and 3 customers and 4 released of the sale's round here (hashes, set)
-- ARGV  1 round  2 epoch  3 stock  4 limit per customer (0 = none)  5 opens and 6 closes (Unix time in ms, 0 = none)
--       7 run id of this server ('' if it cannot be known)
--       8 time to live of keys 2 to 4, in seconds, if they are of an earlier round
--       9 traceparent of the span that seeds ('' if it is not sampled)  10 generation of the terms
--       11 incarnation of the ledger's server, kept if the sale has one here already  12 round of keys 2 to 4
-- returns {'seeded', epoch} | {'refused', the sale's epoch here} | {'elsewhere', the sale's round here}
--
-- 'elsewhere': keys 2 to 4 are of the wrong round. If the sale was reset while this server was away, its round here may
-- be older than the one before the new round.
local here = redis.call('HMGET', KEYS[1], 'round', 'epoch')
-- A value that is not a number counts as missing.
local round_here, epoch_here = tonumber(here[1] or ''), tonumber(here[2] or '')
local epoch = assert(tonumber(ARGV[2]), 'seed: the epoch is not a number')
if epoch_here and epoch_here >= epoch then return {'refused', epoch_here} end
if round_here and here[1] ~= ARGV[12] then return {'elsewhere', round_here} end

-- The fields that reserve reads and writes come first: a hash of this size is searched from its beginning.
redis.call('HSET', KEYS[1], 'round', ARGV[1], 'epoch', ARGV[2], 'state', 'fenced', 'server', ARGV[7], 'stock', ARGV[3],
  'remaining', 0, 'hinted_at', 0, 'accepted', 0, 'backlog', 0, 'written', 0, 'written_orders', 0, 'limit', ARGV[4],
  'opens', ARGV[5], 'closes', ARGV[6], 'expires', 0, 'acknowledged', 0, 'acknowledged_orders', 0, 'allotted', 0,
  'repairs', 0, 'released', 0, 'seeded_by', ARGV[9], 'generation', ARGV[10], 'fenced_at', 0,
  'restored', 0)
redis.call('HSETNX', KEYS[1], 'ledger', ARGV[11])
if ARGV[12] ~= ARGV[1] then
  for i = 2, 4 do redis.call('EXPIRE', KEYS[i], ARGV[8]) end
end
return {'seeded', epoch}
