//! Compare-and-set operations: what has to look before it writes, in one step, on one slot.
//!
//! They are sent as text (`EVAL`), never by digest: after a fail-over a server knows no digests. Every script is safe to
//! run late or twice. None is on the hot path.

/// The life of its data that a server is in: another one after every fail-over and every restart. What was written in
/// one life is void in the next, because the writes that used it up may have been lost.
macro_rules! in_this_life {
    ($script:literal) => {
        concat!("local life=string.match(redis.call('INFO','replication'),'master_replid:(%w+)')\n", $script)
    };
}

/// Raises a moment to a later one; `KEYS` the moment, `ARGV` the later one and its time to live.
pub(super) const RAISE: &str = "
local there=redis.call('GET',KEYS[1])
if there and tonumber(there)>=tonumber(ARGV[1]) then return 0 end
redis.call('SET',KEYS[1],ARGV[1],'PX',ARGV[2])
return 1";

/// Removes a value if it is still the one that was seen; run late it removes nothing newer.
pub(super) const REMOVE_SEEN: &str = "
if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end
return 0";

/// Changes a session that is at a version: `ARGV` now, version seen, next version, expiry (8 bytes each but the first),
/// ciphertext, time to live. When it began stays. Answers 1, what is there instead, or nothing.
pub(super) const AMEND: &str = "
local there=redis.call('GET',KEYS[1])
if not there or struct.unpack('>i8',there,17)<=tonumber(ARGV[1]) then return false end
if string.sub(there,1,8)~=ARGV[2] then return there end
redis.call('SET',KEYS[1],ARGV[3]..string.sub(there,9,16)..ARGV[4]..ARGV[5],'PX',ARGV[6])
return 1";

/// Counts a try: `KEYS` the lock-out, the drawer, where nobody's tries are counted, two windows, the session's own; `ARGV`
/// now, until when who passes a bound is locked out, that one's time to live, the try's name, how it is counted for ever
/// (`s` set up, `n` nobody, nothing), as how many, how many at most, the fields of what was made and forgiven with the
/// fields of their counters, when nobody's are forgotten and their time to live; then of each counter its window, bound,
/// what is presumed beside it and how many are kept. Its own counter tells whether it was counted before: a right answer
/// takes it out of the windows only. Answers how many are in each window and for ever, or -1 and when the lock-out ends.
pub(super) const COUNT_TRY: &str = "
local now,by,most=tonumber(ARGV[1]),tonumber(ARGV[6]),tonumber(ARGV[7])
local lock=redis.call('GET',KEYS[1])
if lock and tonumber(lock)>now then return {-1,tonumber(lock)} end
local function close()
  redis.call('SET',KEYS[1],ARGV[2],'PX',ARGV[3])
  return {-1,tonumber(ARGV[2])}
end
local is_new=redis.call('ZADD',KEYS[6],'NX',ARGV[1],ARGV[4])==1
local counts,over={},false
for at=1,3 do
  local key,a=KEYS[3+at],10+4*at
  local window,bound,presumed,keep=tonumber(ARGV[a]),tonumber(ARGV[a+1]),tonumber(ARGV[a+2]),tonumber(ARGV[a+3])
  if is_new then
    redis.call('ZADD',key,ARGV[1],ARGV[4])
    redis.call('ZREMRANGEBYRANK',key,0,-keep-1)
    redis.call('PEXPIRE',key,string.format('%.0f',window+math.floor(window/5)+60000))
  end
  local count=redis.call('ZCOUNT',key,'('..string.format('%.0f',now-window),'+inf')
  counts[at]=math.max(count,math.min(count+presumed,keep))
  if at<3 and counts[at]>bound then over=true end
end
if over then return close() end
local ever=0
if ARGV[5]=='s' then
  local made=tonumber(redis.call('HGET',KEYS[2],ARGV[9]) or '0')
  local forgiven=tonumber(redis.call('HGET',KEYS[2],ARGV[11]) or '0')
  if is_new then
    made=made+by
    if made-forgiven>most then return close() end
    redis.call('HSET',KEYS[2],ARGV[8],'',ARGV[9],string.format('%020.0f',made))
  end
  ever=math.max(made-forgiven,0)
elseif ARGV[5]=='n' then
  local there=redis.call('HMGET',KEYS[3],'made','until')
  local made=0
  if there[1] and tonumber(there[2])>now then made=tonumber(there[1])
  else
    redis.call('DEL',KEYS[3])
    redis.call('HSET',KEYS[3],'made','0','until',ARGV[12])
    redis.call('PEXPIRE',KEYS[3],ARGV[13])
  end
  if is_new then
    made=made+1
    if made>most then return close() end
    redis.call('HSET',KEYS[3],'made',string.format('%.0f',made))
  end
  ever=made
end
return {counts[1],counts[2],ever}";

/// Takes back a try: `KEYS` the drawer, two windows, the session's own; `ARGV` now, the try's name, how it is counted for
/// ever, as how many, how many of the session's own are taken back at most, the fields as in [`COUNT_TRY`], the window of
/// its own. What is taken back is moved to the beginning of time; what is there, or in no window any more, was before.
pub(super) const FORGIVE_TRY: &str = "
local mine=redis.call('ZADD',KEYS[2],'XX','CH',0,ARGV[2])+redis.call('ZADD',KEYS[3],'XX','CH',0,ARGV[2])
if mine==0 or ARGV[3]~='s' then return 0 end
local now,window=tonumber(ARGV[1]),tonumber(ARGV[10])
local slips=redis.call('ZCOUNT',KEYS[4],'('..string.format('%.0f',now-window),'+inf')
local made=tonumber(redis.call('HGET',KEYS[1],ARGV[7]) or '0')
local before=tonumber(redis.call('HGET',KEYS[1],ARGV[9]) or '0')
local to=math.max(math.min(before+math.min(slips,tonumber(ARGV[5]))*tonumber(ARGV[4]),made),before)
redis.call('HSET',KEYS[1],ARGV[8],'',ARGV[9],string.format('%020.0f',to))
return 1";

/// Takes one hit out of the newest tenth that has any: `ARGV` the oldest that counts.
pub(super) const REFUND: &str = "
local all,newest=redis.call('HGETALL',KEYS[1]),nil
for at=1,#all,2 do
  local slot=tonumber(all[at])
  if slot>=tonumber(ARGV[1]) and tonumber(all[at+1])>0 and (not newest or slot>newest) then newest=slot end
end
if newest then redis.call('HINCRBY',KEYS[1],string.format('%.0f',newest),-1) end
return 1";

/// Begins a challenge, once: `ARGV` tries, expiry, ciphertext, time to live.
pub(super) const ISSUE: &str = in_this_life!(
    "
if redis.call('EXISTS',KEYS[1])==1 then return 0 end
redis.call('HSET',KEYS[1],'left',ARGV[1],'expires',ARGV[2],'sealed',ARGV[3],'life',life)
redis.call('PEXPIRE',KEYS[1],ARGV[4])
return 1"
);

/// The ciphertext of an open challenge, or nothing: `ARGV` now.
pub(super) const PEEK: &str = in_this_life!(
    "
local there=redis.call('HMGET',KEYS[1],'expires','spent','life','sealed')
if not there[1] or tonumber(there[1])<=tonumber(ARGV[1]) or there[2] or there[3]~=life then return false end
return there[4]"
);

/// Uses a try: `ARGV` now. Answers how many are left and the ciphertext, -1 if none was, nothing if it is not open.
pub(super) const ATTEMPT: &str = in_this_life!(
    "
local there=redis.call('HMGET',KEYS[1],'expires','spent','life','left','sealed')
if not there[1] or tonumber(there[1])<=tonumber(ARGV[1]) or there[2] or there[3]~=life then return false end
if tonumber(there[4])<=0 then return -1 end
return {redis.call('HINCRBY',KEYS[1],'left',-1),there[5]}"
);

/// Ends a challenge for one nonce: `ARGV` now, the nonce. Answers 1 to that nonce, now and again.
pub(super) const SPEND: &str = in_this_life!(
    "
local there=redis.call('HMGET',KEYS[1],'expires','spent','life')
if not there[1] or tonumber(there[1])<=tonumber(ARGV[1]) or there[3]~=life then return 0 end
if there[2] then return there[2]==ARGV[2] and 1 or 0 end
redis.call('HSET',KEYS[1],'spent',ARGV[2])
redis.call('HDEL',KEYS[1],'sealed')
return 1"
);

/// Keeps a request, once: `ARGV` expiry, ciphertext, time to live.
pub(super) const PARK: &str = in_this_life!(
    "
if redis.call('EXISTS',KEYS[1])==1 then return 0 end
redis.call('HSET',KEYS[1],'expires',ARGV[1],'sealed',ARGV[2],'life',life)
redis.call('PEXPIRE',KEYS[1],ARGV[3])
return 1"
);

/// Gives a parked request to one nonce, now and again: `ARGV` now, the nonce.
pub(super) const TAKE: &str = in_this_life!(
    "
local there=redis.call('HMGET',KEYS[1],'expires','spent','life')
if not there[1] or tonumber(there[1])<=tonumber(ARGV[1]) or there[3]~=life then return false end
if there[2] and there[2]~=ARGV[2] then return false end
redis.call('HSET',KEYS[1],'spent',ARGV[2])
return redis.call('HGET',KEYS[1],'sealed')"
);

/// Drops a parked request for good: its place stays, so that parking it late brings nothing back.
pub(super) const DROP: &str = "
if redis.call('EXISTS',KEYS[1])==0 then return 0 end
redis.call('HSET',KEYS[1],'spent','dropped')
redis.call('HDEL',KEYS[1],'sealed')
return 1";

/// Claims a token for one nonce: `ARGV` now, the nonce (16 bytes), expiry, time to live. Answers 1 to that nonce.
pub(super) const CLAIM: &str = "
local there=redis.call('GET',KEYS[1])
if there and tonumber(string.sub(there,17))>tonumber(ARGV[1]) then
  return string.sub(there,1,16)==ARGV[2] and 1 or 0
end
redis.call('SET',KEYS[1],ARGV[2]..ARGV[3],'PX',ARGV[4])
return 1";

/// Moves a counter forward: `ARGV` the entry, its counter's field, where to (20 digits, so that text compares as numbers
/// do). Answers 1 if it moved.
pub(super) const ADVANCE: &str = "
if redis.call('HEXISTS',KEYS[1],ARGV[1])==0 then return 0 end
local there=redis.call('HGET',KEYS[1],ARGV[2])
if there and there>=ARGV[3] then return 0 end
redis.call('HSET',KEYS[1],ARGV[2],ARGV[3])
return 1";

/// What a server is, asked when it is connected to and twice a second: `ARGV` is 1 if this process has seen data here.
/// Writes, so that a server that cannot write is found out. Answers its life, when that began (0: with the first data),
/// how many replicas follow, and its clock.
pub(super) const WHO: &str = "
local info=redis.call('INFO','replication')
if string.match(info,'role:(%w+)')~='master' then return redis.error_reply('READONLY it follows another server') end
local life=string.match(info,'master_replid:(%w+)')
local time=redis.call('TIME')
local now=string.format('%.0f',tonumber(time[1])*1000+math.floor(tonumber(time[2])/1000))
local since='0'
local there=KEYS[1] and redis.call('GET',KEYS[1])
if there then
  local known,began=string.match(there,'^(%w+) (%d+)$')
  since=known==life and began or now
elseif ARGV[1]=='1' then since=now end
if KEYS[1] then redis.call('SET',KEYS[1],life..' '..since) end
return {life,since,tonumber(string.match(info,'connected_slaves:(%d+)')),now}";
