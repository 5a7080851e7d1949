/**
 * Quotas. A slot is a row per unit in use: `free_ms` is a window after its release, or after its holder's lease when that
 * dies. A bucket that another boot left behind opens a whole window after it is first seen: its clock cannot be compared,
 * and a power cut may have taken its last grants.
 */
import type { DurationMs, EpochMs } from '../../model/time.ts'
import type { Monotonic } from '../../runtime/ports.ts'
import {
  type Bucket,
  bucketOf,
  bucketsOf,
  currentCount,
  earliestFree,
  slotWait,
  windowEnd,
  windowName,
} from '../quota-buckets.ts'
import type { QuotaAnswer, QuotaRule, QuotaStore, QuotaUse } from '../store.ts'
import type { Connection } from './connection.ts'

type BucketRow = {
  readonly id: number
  readonly boot: string
  readonly opens_ms: number
  readonly window_start: number
  readonly used: number
}
type SlotRow = { readonly freeAt: number; readonly held: boolean }
type UnitRow = {
  readonly id: number
  readonly bucket_id: number
  readonly window_start: number
  readonly units: number
  readonly window: string
  readonly per_ms: number
  readonly boot: string
  readonly bucket_window_start: number
}

function findBucket(db: Connection, bucket: Bucket): BucketRow | undefined {
  return db.get<BucketRow>(
    'SELECT id, boot, opens_ms, window_start, used FROM quota_bucket WHERE quota_partition = ? AND window = ? AND per_ms = ?',
    bucket.quotaPartition,
    windowName(bucket),
    bucket.perMs,
  )
}

/** The bucket as of this boot. */
function openBucket(db: Connection, bucket: Bucket, monotonic: Monotonic): BucketRow {
  const known = findBucket(db, bucket)
  if (known === undefined) {
    return db.get<BucketRow>(
      'INSERT INTO quota_bucket (quota_partition, window, per_ms, boot, opens_ms, window_start, used) VALUES (?, ?, ?, ?, ?, 0, 0) RETURNING id, boot, opens_ms, window_start, used',
      bucket.quotaPartition,
      windowName(bucket),
      bucket.perMs,
      monotonic.boot,
      monotonic.ms,
    )!
  }
  if (known.boot === monotonic.boot) return known
  const opensMs = monotonic.ms + bucket.perMs
  db.run('UPDATE quota_bucket SET boot = ?, opens_ms = ? WHERE id = ?', monotonic.boot, opensMs, known.id)
  db.run('DELETE FROM quota_unit WHERE bucket_id = ?', known.id)
  return { ...known, boot: monotonic.boot, opens_ms: opensMs }
}

function busySlots(db: Connection, row: BucketRow, monotonic: Monotonic): readonly SlotRow[] {
  return db
    .tuples<readonly [freeMs: number, held: number]>(
      'SELECT free_ms, held FROM quota_unit WHERE bucket_id = ? AND free_ms > ?',
      row.id,
      monotonic.ms,
    )
    .map(([freeAt, held]) => ({ freeAt, held: held === 1 }))
}

/** Time until the bucket may grant one more; 0 when it can now. */
function bucketWait(db: Connection, bucket: Bucket, row: BucketRow, monotonic: Monotonic, now: EpochMs): DurationMs {
  if (bucket.window === 'slots') {
    if (row.opens_ms > monotonic.ms) return row.opens_ms - monotonic.ms
    return slotWait(busySlots(db, row, monotonic), bucket.limit, monotonic.ms, bucket.perMs)
  }
  const { windowStart, used } = currentCount(bucket, { windowStart: row.window_start, used: row.used }, now)
  return used + bucket.cost <= bucket.limit ? 0 : Math.max(windowEnd(bucket, windowStart) - now, 1)
}

function blockedUntil(db: Connection, quotaPartition: string, now: EpochMs): EpochMs | null {
  const until = db.get<{ until: number }>('SELECT until FROM quota_block WHERE quota_partition = ?', quotaPartition)?.until ?? 0
  return until > now ? until : null
}

/** The rule that makes the caller wait longest; null when every one grants. */
function refusal(
  db: Connection,
  opened: readonly (readonly [Bucket, BucketRow])[],
  monotonic: Monotonic,
  now: EpochMs,
): { waitMs: DurationMs; rule: QuotaRule } | null {
  let worst: { waitMs: DurationMs; rule: QuotaRule } | null = null
  for (const [bucket, row] of opened) {
    const block = blockedUntil(db, bucket.quotaPartition, now)
    const waitMs = Math.max(bucketWait(db, bucket, row, monotonic, now), block === null ? 0 : block - now)
    if (waitMs > 0 && waitMs > (worst?.waitMs ?? 0)) worst = { waitMs, rule: bucket.rule }
  }
  return worst
}

type Claim = {
  readonly holder: string
  readonly leaseMs: DurationMs
  readonly monotonic: Monotonic
  readonly now: EpochMs
  readonly grantId: number
}

/** Writes one unit; returns its id when it is a slot. */
function take(db: Connection, bucket: Bucket, row: BucketRow, claim: Claim): number | null {
  const isSlot = bucket.window === 'slots'
  const { windowStart, used } = currentCount(bucket, { windowStart: row.window_start, used: row.used }, claim.now)
  if (!isSlot) db.run('UPDATE quota_bucket SET window_start = ?, used = ? WHERE id = ?', windowStart, used + bucket.cost, row.id)
  const { id } = db.get<{ id: number }>(
    'INSERT INTO quota_unit (bucket_id, grant_id, holder, held, free_ms, window_start, units) VALUES (?, ?, ?, 1, ?, ?, ?) RETURNING id',
    row.id,
    claim.grantId,
    claim.holder,
    claim.monotonic.ms + claim.leaseMs + (isSlot ? bucket.perMs : 0),
    isSlot ? 0 : windowStart,
    bucket.cost,
  )!
  return isSlot ? id : null
}

function heldUnits(db: Connection, grantId: string): readonly UnitRow[] {
  return db.all<UnitRow>(
    `SELECT u.id, u.bucket_id, u.window_start, u.units, b.window, b.per_ms, b.boot, b.window_start AS bucket_window_start
     FROM quota_unit u JOIN quota_bucket b ON b.id = u.bucket_id WHERE u.grant_id = ? AND u.held = 1`,
    Number(grantId),
  )
}

function use(db: Connection, rule: QuotaRule, monotonic: Monotonic, now: EpochMs): QuotaUse {
  const bucket = bucketOf(rule)
  const row = findBucket(db, bucket)
  const facts = (used: number, freesAt: EpochMs | null): QuotaUse => ({
    rule,
    used,
    remaining: Math.max(0, rule.limit - used),
    freesAt,
    blockedUntil: blockedUntil(db, rule.quotaPartition, now),
  })
  if (row === undefined) return facts(0, null)
  if (bucket.window !== 'slots') {
    const { windowStart, used } = currentCount(bucket, { windowStart: row.window_start, used: row.used }, now)
    return facts(used, used === 0 ? null : windowEnd(bucket, windowStart))
  }
  if (row.boot !== monotonic.boot) return facts(rule.limit, now + bucket.perMs)
  if (row.opens_ms > monotonic.ms) return facts(rule.limit, now + Math.ceil(row.opens_ms - monotonic.ms))
  const busy = busySlots(db, row, monotonic)
  const next = busy.reduce(
    (soonest, slot) => Math.min(soonest, earliestFree(slot, monotonic.ms, bucket.perMs)),
    Number.POSITIVE_INFINITY,
  )
  return facts(busy.length, busy.length === 0 ? null : now + Math.ceil(next - monotonic.ms))
}

export function createQuota(db: Connection): QuotaStore {
  return {
    acquireQuota: (rules, holder, leaseMs, monotonic, now, credits): Promise<QuotaAnswer> =>
      db.write(
        'acquire_quota',
        () => {
          const opened = bucketsOf(rules, credits).map((bucket) => [bucket, openBucket(db, bucket, monotonic)] as const)
          for (const [, row] of opened)
            db.run('DELETE FROM quota_unit WHERE bucket_id = ? AND free_ms <= ?', row.id, monotonic.ms)
          const refused = refusal(db, opened, monotonic, now)
          if (refused !== null) return { granted: false, ...refused }
          const grantId = db.get<{ last: number }>('UPDATE quota_sequence SET last = last + 1 RETURNING last')!.last
          const claim = { holder, leaseMs, monotonic, now, grantId }
          const slots = opened.map(([bucket, row]) => take(db, bucket, row, claim)).filter((id) => id !== null)
          return { granted: true, grant: { id: String(grantId), rules, slots } }
        },
        'process_crash',
      ),

    releaseQuota: (grant, monotonic) =>
      db.write(
        'release_quota',
        () => {
          for (const unit of heldUnits(db, grant.id)) {
            if (unit.window !== 'slots') db.run('DELETE FROM quota_unit WHERE id = ?', unit.id)
            // A unit of another boot waits for the bucket to be opened again; that counts it for a whole window.
            else if (unit.boot === monotonic.boot)
              db.run('UPDATE quota_unit SET held = 0, free_ms = ? WHERE id = ?', monotonic.ms + unit.per_ms, unit.id)
          }
        },
        'process_crash',
      ),

    refundQuota: (grant, _monotonic) =>
      db.write(
        'refund_quota',
        () => {
          for (const unit of heldUnits(db, grant.id)) {
            db.run('DELETE FROM quota_unit WHERE id = ?', unit.id)
            // What was charged to a window that has ended is gone with it.
            if (unit.window !== 'slots' && unit.window_start === unit.bucket_window_start) {
              db.run('UPDATE quota_bucket SET used = max(used - ?, 0) WHERE id = ?', unit.units, unit.bucket_id)
            }
          }
        },
        'process_crash',
      ),

    blockQuota: (quotaPartition, until, reason) =>
      db.write('block_quota', () => {
        db.run(
          `INSERT INTO quota_block (quota_partition, until, reason) VALUES (?, ?, ?)
           ON CONFLICT (quota_partition) DO UPDATE SET until = excluded.until, reason = excluded.reason WHERE excluded.until > until`,
          quotaPartition,
          until,
          reason,
        )
      }),

    quotaUse: (rules, monotonic, now) => db.read(() => rules.map((rule) => use(db, rule, monotonic, now))),
  }
}
