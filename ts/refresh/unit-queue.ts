/**
 * Work items -> units: what one call asks about. Batches are formed per group (a call never mixes groups); a target that
 * its first group does not list is asked in its next one. Pulls lazily, so memory holds a few batches whatever the size
 * of the partition.
 */
import type { AdapterContext, SourceAdapter, Target } from '../adapters/adapter.ts'
import type { EntityRef } from '../model/keys.ts'
import type { Validators } from '../model/response.ts'
import type { WorkItem } from '../stores/store.ts'
import { countsAs, type IdentityRule } from './identity.ts'
import type { PreparedItem } from './prepare-items.ts'
import { type WaitingGroups, waitingId } from './resume.ts'

export type UnitTarget = {
  readonly item: WorkItem
  readonly target: Target
  /** Groups still to be tried after the unit's own. */
  readonly laterGroups: readonly string[]
}

export type Unit = {
  readonly kind: 'batch' | 'lookup'
  readonly group: string
  readonly targets: readonly UnitTarget[]
  /** How often the unit was halved because the provider refused it as a whole. */
  readonly splits: number
}

const NO_VALIDATORS: Validators = { etag: null, lastModified: null }

/**
 * Validators are sent only when a 304 would be worth having: it must vouch for a record of the current normalizer. `rule`: by which an
 * identity counts; null: every one does.
 */
export function targetOf(
  item: PreparedItem,
  adapter: Pick<SourceAdapter, 'normalizerVersion'>,
  rule: IdentityRule | null = null,
): Target {
  const { payloadHash, normalizerVersion, validators } = item.entry
  const current = payloadHash !== null && normalizerVersion === adapter.normalizerVersion
  return {
    entity: item.entity,
    providerKey: item.identity !== null && (rule === null || countsAs(item.identity, rule)) ? item.identity.providerKey : null,
    validators: current ? validators : NO_VALIDATORS,
    ...(item.related === undefined ? {} : { related: item.related }),
  }
}

export class UnitQueue {
  private readonly source: AsyncIterator<PreparedItem>
  private readonly adapter: SourceAdapter
  private readonly batchSize: number
  private readonly context: () => AdapterContext
  private readonly rule: IdentityRule | null
  private readonly buckets = new Map<string, UnitTarget[]>()
  private readonly ready: Unit[] = []
  /** By `waitingId`; what is known of entities that are still to be pulled stays in it, for the next to be killed. */
  private readonly asked: Map<string, string>
  private drained = false

  /** `waiting`: what a process before this one left of its own, from the checkpoint. */
  constructor(
    source: AsyncIterator<PreparedItem>,
    adapter: SourceAdapter,
    batchSize: number,
    context: () => AdapterContext,
    rule: IdentityRule | null = null,
    waiting: WaitingGroups = new Map(),
  ) {
    this.asked = new Map(waiting)
    this.source = source
    this.adapter = adapter
    this.batchSize = batchSize
    this.context = context
    this.rule = rule
  }

  /** No unit is left and none can come, unless a unit in flight hands targets back. */
  get isEmpty(): boolean {
    return this.drained && this.ready.length === 0 && this.buckets.size === 0
  }

  /** Entities that were not listed in an earlier group and are not settled: to be kept with each commit. */
  get waiting(): WaitingGroups {
    return this.asked
  }

  /** What is about to be committed about them ends their wait. */
  settled(entities: Iterable<EntityRef>): void {
    if (this.asked.size > 0) for (const entity of entities) this.asked.delete(waitingId(entity))
  }

  /** The next unit, or null when the work list is drained. */
  async next(): Promise<Unit | null> {
    while (true) {
      const unit = this.ready.shift()
      if (unit !== undefined) return unit
      if (this.drained) return this.flushOne()
      await this.pull()
    }
  }

  /** Targets that a complete answer did not list go to their next group; those without one are returned: absent. */
  handBack(unlisted: readonly UnitTarget[]): readonly UnitTarget[] {
    const absent: UnitTarget[] = []
    for (const entry of unlisted) {
      const [group, ...laterGroups] = entry.laterGroups
      if (group === undefined) absent.push(entry)
      else {
        this.asked.set(waitingId(entry.item.entry.entity), group)
        this.place({ ...entry, laterGroups }, group)
      }
    }
    return absent
  }

  /** Asks again in two halves: one bad entity must not fail the others of its batch. */
  split(unit: Unit): void {
    const middle = Math.ceil(unit.targets.length / 2)
    for (const targets of [unit.targets.slice(0, middle), unit.targets.slice(middle)]) {
      this.ready.push({ ...unit, targets, splits: unit.splits + 1 })
    }
  }

  async close(): Promise<void> {
    await this.source.return?.()
  }

  private async pull(): Promise<void> {
    const step = await this.source.next()
    if (step.done) {
      this.drained = true
      return
    }
    const target = targetOf(step.value, this.adapter, this.rule)
    if (this.adapter.batch === undefined) {
      this.ready.push({ kind: 'lookup', group: '', targets: [{ item: step.value, target, laterGroups: [] }], splits: 0 })
      return
    }
    const groups = this.adapter.batch.groups(target, this.context())
    const next = this.asked.size === 0 ? undefined : this.asked.get(waitingId(step.value.entry.entity))
    // A group that is no longer the entity's: from the first again.
    const [group, ...laterGroups] = next === undefined ? groups : groups.slice(Math.max(0, groups.indexOf(next)))
    this.place({ item: step.value, target, laterGroups }, group ?? '')
  }

  private place(entry: UnitTarget, group: string): void {
    const bucket = this.buckets.get(group)
    if (bucket === undefined) this.buckets.set(group, [entry])
    else bucket.push(entry)
    if ((this.buckets.get(group)?.length ?? 0) >= this.batchSize) this.flush(group)
  }

  private flush(group: string): void {
    const targets = this.buckets.get(group)
    if (targets === undefined) return
    this.buckets.delete(group)
    this.ready.push({ kind: 'batch', group, targets, splits: 0 })
  }

  private flushOne(): Unit | null {
    for (const group of this.buckets.keys()) {
      this.flush(group)
      return this.ready.shift() ?? null
    }
    return null
  }
}
