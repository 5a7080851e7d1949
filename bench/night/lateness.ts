/**
 * Was any entity ever older than its SLA? Judged from the commits alone, not by the engine's own count: each success is compared
 * with the one before it.
 */
import { entityId } from '../../ts/model/keys.ts'
import type { DurationMs, EpochMs } from '../../ts/model/time.ts'
import type { CommitBatch, Store } from '../../ts/stores/store.ts'

type Known = {
  readonly slaMs: DurationMs
  readonly last: Map<string, EpochMs>
  readonly late: Set<string>
  worstMs: DurationMs
  firsts: EpochMs[]
}

export type Lateness = {
  /** Entities that were asked about (or proven unchanged) at all. */
  readonly entities: number
  /** Of these, how many were at any time after `since` older than the SLA. */
  readonly late: number
  readonly worstMs: DurationMs
  /** When 99 % of them had been answered for the first time. */
  readonly filledAt: EpochMs
}

export class LatenessMeter {
  private readonly sources = new Map<string, Known>()
  private readonly since: EpochMs

  constructor(slas: ReadonlyMap<string, DurationMs>, since: EpochMs) {
    this.since = since
    for (const [source, slaMs] of slas)
      this.sources.set(source, { slaMs, last: new Map(), late: new Set(), worstMs: 0, firsts: [] })
  }

  /** The same store, with an eye on what is committed. */
  watch(store: Store): Store {
    return {
      ...store,
      commit: async (batch) => {
        const summary = await store.commit(batch)
        this.note(batch)
        return summary
      },
    }
  }

  private note({ ledger, provenUnchanged, lease }: CommitBatch): void {
    for (const { source, entity, lastSuccessAt } of ledger) {
      if (lastSuccessAt === null) continue
      const known = this.sources.get(source)!
      const id = entityId(entity)
      this.succeed(known, id, known.last.get(id), lastSuccessAt)
    }
    if (provenUnchanged === undefined) return
    const known = this.sources.get(lease.partition.slice(0, lease.partition.indexOf(':')))!
    for (const [id, last] of known.last)
      if (last >= provenUnchanged.knownSince && last < provenUnchanged.asOf) this.succeed(known, id, last, provenUnchanged.asOf)
  }

  private succeed(known: Known, id: string, before: EpochMs | undefined, at: EpochMs): void {
    if (before === undefined) known.firsts.push(at)
    else this.judge(known, id, before, at)
    if (before === undefined || before < at) known.last.set(id, at)
  }

  private judge(known: Known, id: string, before: EpochMs, until: EpochMs): void {
    const late = until - Math.max(before + known.slaMs, this.since)
    if (late <= 0) return
    known.late.add(id)
    known.worstMs = Math.max(known.worstMs, until - before - known.slaMs)
  }

  /** Those that nobody came back to count, too. */
  end(now: EpochMs): ReadonlyMap<string, Lateness> {
    const found = new Map<string, Lateness>()
    for (const [source, known] of this.sources) {
      for (const [id, last] of known.last) this.judge(known, id, last, now)
      const { late, worstMs, firsts, last } = known
      const sorted = firsts.sort((a, b) => a - b)
      found.set(source, {
        entities: last.size,
        late: late.size,
        worstMs,
        filledAt: sorted[Math.floor(sorted.length * 0.99)] ?? now,
      })
    }
    return found
  }
}
