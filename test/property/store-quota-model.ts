/**
 * Holders that acquire, release, refund and die, over time steps and reboots, against a plain model of the ring. Whatever
 * they do, no window of `perMs` at the provider may hold more requests than the limit, whenever inside its life each
 * request arrives there.
 */
import * as fc from 'fast-check'
import type { QuotaGrant, QuotaRule, Store } from '../../ts/stores/store.ts'

export const LEASE_MS = 50

export type Step =
  | { readonly kind: 'acquire'; readonly holder: number; readonly arrival: number }
  | { readonly kind: 'release' | 'refund' | 'die'; readonly pick: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'reboot' }

export const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('acquire' as const),
        holder: fc.nat(3),
        arrival: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom('release' as const, 'refund' as const, 'die' as const), pick: fc.nat(9) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('wait' as const),
        ms: fc.constantFrom(0, 1, 7, 30, 49, 50, 51, 99, 100, 101, 149, 150, 151),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'reboot' as const }) },
  ),
  { maxLength: 120 },
)

export const rule: fc.Arbitrary<Pick<QuotaRule, 'limit' | 'perMs'>> = fc.record({
  limit: fc.integer({ min: 1, max: 4 }),
  perMs: fc.constantFrom(1, 50, 100),
})

type Request = {
  readonly grant: QuotaGrant
  readonly at: number
  readonly arrival: number
  readonly freeAt: number
  state: 'held' | 'released' | 'refunded' | 'dead'
  endedAt: number
}

/** What the ring must do, kept as a list of moments at which units are free again. */
class Model {
  private units: { readonly id: string; freeAt: number; held: boolean }[] = []
  private opensAt = 0

  grants(now: number, limit: number): boolean {
    return now >= this.opensAt && this.units.filter((unit) => unit.freeAt > now).length < limit
  }

  add(id: string, freeAt: number): void {
    this.units.push({ id, freeAt, held: true })
  }

  release(id: string, freeAt: number, now: number): void {
    const unit = this.units.find((known) => known.id === id && known.held && known.freeAt > now)
    if (unit !== undefined) Object.assign(unit, { freeAt, held: false })
  }

  refund(id: string): void {
    this.units = this.units.filter((unit) => unit.id !== id || !unit.held)
  }

  /** First sight after a reboot. */
  reopen(opensAt: number): void {
    this.units = []
    this.opensAt = opensAt
  }
}

/** Most requests that arrive in any half-open window of `perMs`. */
export function mostInWindow(arrivals: readonly number[], perMs: number): number {
  const sorted = [...arrivals].sort((a, b) => a - b)
  let most = 0
  let first = 0
  for (let last = 0; last < sorted.length; last += 1) {
    while (sorted[first]! <= sorted[last]! - perMs) first += 1
    most = Math.max(most, last - first + 1)
  }
  return most
}

/** Runs the steps; throws when the store disagrees with the model or a window holds too many. */
export async function checkQuota(
  store: Store,
  quotaPartition: string,
  limits: Pick<QuotaRule, 'limit' | 'perMs'>,
  script: readonly Step[],
): Promise<void> {
  const quota: QuotaRule = { quotaPartition, kind: 'slots', ...limits }
  const model = new Model()
  const requests: Request[] = []
  let now = 1000
  let boot = 0
  let bootedAt = 0
  let seenBoot = 0
  let isFirst = true
  const monotonic = (): { ms: number; boot: string } => ({ ms: now - bootedAt, boot: `boot-${boot}` })
  const end = (request: Request, state: Request['state'], at: number): void => void Object.assign(request, { state, endedAt: at })

  for (const step of script) {
    switch (step.kind) {
      case 'wait':
        now += step.ms
        break
      case 'reboot':
        boot += 1
        bootedAt = now
        for (const request of requests) if (request.state === 'held') end(request, 'dead', Math.min(now, request.at + LEASE_MS))
        break
      case 'acquire': {
        if (seenBoot !== boot && !isFirst) model.reopen(now + quota.perMs)
        seenBoot = boot
        isFirst = false
        const expected = model.grants(now, quota.limit)
        const answer = await store.acquireQuota([quota], `holder-${step.holder}`, LEASE_MS, monotonic(), now)
        if (answer.granted !== expected)
          throw new Error(`at ${now}: ${answer.granted ? 'granted' : 'refused'}, the model says otherwise`)
        if (!answer.granted) {
          if (!(answer.waitMs > 0)) throw new Error(`refused, but to wait ${answer.waitMs} ms`)
          break
        }
        model.add(answer.grant.id, now + LEASE_MS + quota.perMs)
        requests.push({
          grant: answer.grant,
          at: now,
          arrival: step.arrival,
          freeAt: now + LEASE_MS + quota.perMs,
          state: 'held',
          endedAt: now + LEASE_MS,
        })
        break
      }
      default: {
        const held = requests.filter((request) => request.state === 'held' && now <= request.at + LEASE_MS)
        const request = held[step.pick % Math.max(held.length, 1)]
        if (request === undefined) break
        if (step.kind === 'die') end(request, 'dead', request.at + LEASE_MS)
        if (step.kind === 'release') {
          await store.releaseQuota(request.grant, monotonic())
          if (seenBoot === boot) model.release(request.grant.id, now + quota.perMs, now)
          end(request, 'released', now)
        }
        if (step.kind === 'refund') {
          await store.refundQuota(request.grant, monotonic())
          model.refund(request.grant.id)
          end(request, 'refunded', now)
        }
      }
    }
  }
  const sent = requests.filter((request) => request.state !== 'refunded')
  const arrivals = sent.map((request) => request.at + (request.endedAt - request.at) * request.arrival)
  const most = mostInWindow(arrivals, quota.perMs)
  if (most > quota.limit) throw new Error(`${most} requests in a window of ${quota.perMs} ms, ${quota.limit} are allowed`)
}
