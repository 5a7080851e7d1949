import type { DurationMs, EpochMs } from '../../model/time.ts'
import type { Monotonic } from '../../runtime/ports.ts'
import {
  type Bucket,
  bucketName,
  bucketOf,
  bucketsOf,
  currentCount,
  earliestFree,
  slotWait,
  windowEnd,
} from '../quota-buckets.ts'
import type { QuotaRule, QuotaStore, QuotaUse } from '../store.ts'
import type { Data } from './data.ts'

type Unit = {
  readonly id: number
  readonly grantId: string
  readonly windowStart: EpochMs
  readonly cost: number
  freeAt: number
  held: boolean
}
type Contents = { boot: string; opensMs: number; windowStart: EpochMs; used: number; units: Unit[] }

class Quotas {
  private readonly buckets = new Map<string, Contents & { readonly bucket: Bucket }>()
  private readonly blocks = new Map<string, EpochMs>()
  private readonly grants = new Map<string, readonly string[]>()
  private lastId = 0

  open(bucket: Bucket, monotonic: Monotonic): Contents {
    const name = bucketName(bucket)
    let contents = this.buckets.get(name)
    if (contents === undefined) {
      contents = { bucket, boot: monotonic.boot, opensMs: monotonic.ms, windowStart: 0, used: 0, units: [] }
      this.buckets.set(name, contents)
    }
    if (contents.boot !== monotonic.boot)
      Object.assign(contents, { boot: monotonic.boot, opensMs: monotonic.ms + bucket.perMs, units: [] })
    contents.units = contents.units.filter((unit) => unit.freeAt > monotonic.ms)
    return contents
  }

  peek(bucket: Bucket): Contents | undefined {
    return this.buckets.get(bucketName(bucket))
  }

  blockedUntil(quotaPartition: string, now: EpochMs): EpochMs | null {
    const until = this.blocks.get(quotaPartition) ?? 0
    return until > now ? until : null
  }

  block(quotaPartition: string, until: EpochMs): void {
    this.blocks.set(quotaPartition, Math.max(until, this.blocks.get(quotaPartition) ?? 0))
  }

  wait(bucket: Bucket, contents: Contents, monotonic: Monotonic, now: EpochMs): DurationMs {
    const blocked = (this.blockedUntil(bucket.quotaPartition, now) ?? now) - now
    if (bucket.window === 'slots') {
      const slots =
        contents.opensMs > monotonic.ms
          ? contents.opensMs - monotonic.ms
          : slotWait(contents.units, bucket.limit, monotonic.ms, bucket.perMs)
      return Math.max(blocked, slots)
    }
    const { windowStart, used } = currentCount(bucket, contents, now)
    return Math.max(blocked, used + bucket.cost <= bucket.limit ? 0 : Math.max(windowEnd(bucket, windowStart) - now, 1))
  }

  take(
    opened: readonly (readonly [Bucket, Contents])[],
    leaseMs: DurationMs,
    monotonic: Monotonic,
    now: EpochMs,
  ): { id: string; slots: number[] } {
    const grantId = String(++this.lastId)
    const slots: number[] = []
    for (const [bucket, contents] of opened) {
      const isSlot = bucket.window === 'slots'
      const current = currentCount(bucket, contents, now)
      if (!isSlot) Object.assign(contents, { windowStart: current.windowStart, used: current.used + bucket.cost })
      const id = ++this.lastId
      contents.units.push({
        id,
        grantId,
        windowStart: isSlot ? 0 : current.windowStart,
        cost: bucket.cost,
        held: true,
        freeAt: monotonic.ms + leaseMs + (isSlot ? bucket.perMs : 0),
      })
      if (isSlot) slots.push(id)
    }
    this.grants.set(
      grantId,
      opened.map(([bucket]) => bucketName(bucket)),
    )
    return { id: grantId, slots }
  }

  /** Units of a grant that were neither released nor given back. */
  held(grantId: string): { bucket: Bucket; contents: Contents; unit: Unit }[] {
    const names = this.grants.get(grantId) ?? []
    this.grants.delete(grantId)
    return names.flatMap((name) => {
      const contents = this.buckets.get(name)!
      return contents.units
        .filter((unit) => unit.grantId === grantId && unit.held)
        .map((unit) => ({ bucket: contents.bucket, contents, unit }))
    })
  }
}

function remove(contents: Contents, unit: Unit): void {
  contents.units = contents.units.filter((other) => other !== unit)
}

function use(quotas: Quotas, rule: QuotaRule, monotonic: Monotonic, now: EpochMs): QuotaUse {
  const bucket = bucketOf(rule)
  const contents = quotas.peek(bucket)
  const blockedUntil = quotas.blockedUntil(rule.quotaPartition, now)
  const facts = (used: number, freesAt: EpochMs | null): QuotaUse => ({
    rule,
    used,
    remaining: Math.max(0, rule.limit - used),
    freesAt,
    blockedUntil,
  })
  if (contents === undefined) return facts(0, null)
  if (bucket.window !== 'slots') {
    const { windowStart, used } = currentCount(bucket, contents, now)
    return facts(used, used === 0 ? null : windowEnd(bucket, windowStart))
  }
  if (contents.boot !== monotonic.boot) return facts(rule.limit, now + bucket.perMs)
  if (contents.opensMs > monotonic.ms) return facts(rule.limit, now + Math.ceil(contents.opensMs - monotonic.ms))
  const busy = contents.units.filter((unit) => unit.freeAt > monotonic.ms)
  const next = busy.reduce(
    (soonest, unit) => Math.min(soonest, earliestFree(unit, monotonic.ms, bucket.perMs)),
    Number.POSITIVE_INFINITY,
  )
  return facts(busy.length, busy.length === 0 ? null : now + Math.ceil(next - monotonic.ms))
}

export function createQuota(data: Data): QuotaStore {
  const quotas = new Quotas()
  return {
    acquireQuota: (rules, _holder, leaseMs, monotonic, now, credits) =>
      data.step(() => {
        const opened = bucketsOf(rules, credits).map((bucket) => [bucket, quotas.open(bucket, monotonic)] as const)
        let refused: { waitMs: DurationMs; rule: QuotaRule } | null = null
        for (const [bucket, contents] of opened) {
          const waitMs = quotas.wait(bucket, contents, monotonic, now)
          if (waitMs > (refused?.waitMs ?? 0)) refused = { waitMs, rule: bucket.rule }
        }
        if (refused !== null) return { granted: false, ...refused }
        return { granted: true, grant: { ...quotas.take(opened, leaseMs, monotonic, now), rules } }
      }),
    releaseQuota: (grant, monotonic) =>
      data.step(() => {
        for (const { bucket, contents, unit } of quotas.held(grant.id)) {
          if (bucket.window !== 'slots') remove(contents, unit)
          else if (contents.boot === monotonic.boot) Object.assign(unit, { held: false, freeAt: monotonic.ms + bucket.perMs })
        }
      }),
    refundQuota: (grant) =>
      data.step(() => {
        for (const { bucket, contents, unit } of quotas.held(grant.id)) {
          remove(contents, unit)
          if (bucket.window !== 'slots' && unit.windowStart === contents.windowStart)
            contents.used = Math.max(contents.used - unit.cost, 0)
        }
      }),
    blockQuota: (quotaPartition, until) => data.step(() => quotas.block(quotaPartition, until)),
    quotaUse: (rules, monotonic, now) => data.step(() => rules.map((rule) => use(quotas, rule, monotonic, now))),
  }
}
