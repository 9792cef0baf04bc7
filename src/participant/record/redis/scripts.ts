// The record as one Redis hash, and each operation as one script, which Redis runs without interruption and judges by its
// own clock. The states are those of migrations/0002-record.ts:
//
//   status, owner, fence, attempts, held_until, fingerprint, result, error, settled_by
//
// Bytes are passed as base64, since clients give texts. Every script answers with texts, so that all clients agree.

const prelude = `
local key = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function whole(number) return string.format('%.0f', number) end
local function isHeld(fence, owner)
  local row = redis.call('HMGET', key, 'status', 'fence', 'owner')
  if row[2] ~= fence or row[3] ~= owner then return nil end
  return row[1]
end
`;

/**
 * ARGV: owner, lease in ms, fingerprint or '', most attempts, retention in ms.
 *
 * A fence is never below the clock: where Redis has lost the record, by a fail-over or by eviction, the next fence is still
 * larger than those that were handed out before.
 */
export const claimScript = `${prelude}
local owner, lease, fingerprint = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local most, retention = tonumber(ARGV[4]), tonumber(ARGV[5])
local row = redis.call('HMGET', key, 'status', 'owner', 'fence', 'attempts', 'held_until', 'fingerprint', 'result', 'error')
local status = row[1]
if status then
  local recorded = row[6] or ''
  if fingerprint ~= '' and recorded ~= '' and fingerprint ~= recorded then return { 'mismatch', recorded } end
  if status == '2' then return { 'succeeded', row[7] or 'null' } end
  if status == '3' then return { 'failed', row[8] or 'null' } end
  if status == '4' then return { 'manual', row[8] or 'null' } end
  if status == '1' and row[2] == owner then return { 'claimed', row[3], row[4] } end
  local left = tonumber(row[5]) - now
  if left > 0 then return { 'busy', whole(left) } end
  if tonumber(row[4]) >= most then
    redis.call('HSET', key, 'status', '4')
    redis.call('PERSIST', key)
    return { 'exhausted', row[8] or 'null' }
  end
end
local fence = whole(math.max(tonumber(row[3] or '0') + 1, now))
local attempts = whole(tonumber(row[4] or '0') + 1)
redis.call('HSET', key, 'status', '1', 'owner', owner, 'fence', fence, 'attempts', attempts, 'held_until', whole(now + lease))
if fingerprint ~= '' then redis.call('HSET', key, 'fingerprint', fingerprint) end
redis.call('PEXPIRE', key, whole(retention + lease))
return { 'claimed', fence, attempts }
`;

/** ARGV: fence, owner, lease in ms. */
export const renewScript = `${prelude}
if isHeld(ARGV[1], ARGV[2]) ~= '1' then return '0' end
redis.call('HSET', key, 'held_until', whole(now + tonumber(ARGV[3])))
if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
return '1'
`;

/** ARGV: fence, owner, status, result or '', error or '', rest in ms or '' to keep the lease. Answers '1' to its own repeat. */
export const endScript = `${prelude}
local status = isHeld(ARGV[1], ARGV[2])
if status == ARGV[3] then return '1' end
if status ~= '1' then return '0' end
redis.call('HSET', key, 'status', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', key, 'result', ARGV[4]) end
if ARGV[5] ~= '' then redis.call('HSET', key, 'error', ARGV[5]) end
if ARGV[6] ~= '' then redis.call('HSET', key, 'held_until', whole(now + tonumber(ARGV[6]))) end
if ARGV[3] == '4' then redis.call('PERSIST', key) end
return '1'
`;

/** ARGV: fence, owner. The attempt does not count; the last one takes the fingerprint with it. Answers '1' to its own repeat. */
export const releaseScript = `${prelude}
local status = isHeld(ARGV[1], ARGV[2])
if status == '5' then return '1' end
if status ~= '1' then return '0' end
redis.call('HSET', key, 'status', '5', 'held_until', whole(now))
if redis.call('HINCRBY', key, 'attempts', -1) == 0 then redis.call('HDEL', key, 'fingerprint') end
return '1'
`;

/** ARGV: status, result or '', error or '', by, retention in ms. */
export const settleScript = `${prelude}
if redis.call('HGET', key, 'status') ~= '4' then return '0' end
redis.call('HSET', key, 'status', ARGV[1], 'settled_by', ARGV[4])
if ARGV[2] ~= '' then redis.call('HSET', key, 'result', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('HSET', key, 'error', ARGV[3]) end
if ARGV[1] == '5' then redis.call('HSET', key, 'held_until', whole(now), 'attempts', '0') end
redis.call('PEXPIRE', key, ARGV[5])
return '1'
`;
