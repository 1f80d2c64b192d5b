-- trust_ledger: notes the ledger's server that has every order of the sale that the gate remembers.
-- KEYS  1 sale (hash)
-- ARGV  1 epoch  2 incarnation of the ledger's server
-- returns {'noted', 0} | {'refused', the sale's epoch here, or 0}
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch ~= ARGV[1] then return {'refused', tonumber(epoch or 0)} end
redis.call('HSET', KEYS[1], 'ledger', ARGV[2])
return {'noted', 0}
