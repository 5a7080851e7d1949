/**
 * Answers + what was known -> ledger rows, records, events, identities, follow-ups. Pure: the shell hands in `now`, the
 * previous rows and records, and writes the result in one transaction.
 */
import { hash } from 'node:crypto'
import type { Answer, FoundIdentity, SourceAdapter } from '../adapters/adapter.ts'
import type { Counts } from '../model/checkpoint.ts'
import type { Identity } from '../model/entity.ts'
import type { JsonObject } from '../model/json.ts'
import { type EntityRef, entityId, type SourceId } from '../model/keys.ts'
import type { LedgerEntry } from '../model/ledger.ts'
import type { CurrentRecord, DeltaEvent, EventKind, FieldChange } from '../model/record.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { PendingChange, WorkItem } from '../stores/store.ts'
import { payloadHash } from './canonical.ts'
import { touches } from './changed-paths.ts'
import { diffRecords } from './diff.ts'
import { fail, setAside, skip, succeed } from './ledger-rows.ts'

/**
 * What is recorded: an adapter's answer, or the engine's own knowledge that a conditional request found nothing new, that the
 * source cannot be asked about the entity any more (no call was made), or that the answer is about somebody else.
 */
export type RecordedAnswer =
  | Answer
  | { readonly kind: 'not_modified'; readonly entity: EntityRef }
  | { readonly kind: 'unresolved'; readonly entity: EntityRef; readonly reason: string }
  /** It was asked about, and what came back is too likely somebody else's: kept as a candidate, of which the record is not taken. */
  | { readonly kind: 'candidate'; readonly entity: EntityRef; readonly reason: string; readonly identity: FoundIdentity }

/** An answer with the row it concerns and, for records, its payload hash. */
export type Judged = {
  readonly item: WorkItem
  readonly answer: RecordedAnswer
  readonly status: number | null
  readonly hash: string | null
  /**
   * When the provider was asked. It is what the row says as attempt and success: a status change that was reported while
   * the request was under way stays open. Without it the commit's own moment counts.
   */
  readonly askedAt?: EpochMs
}

/** Events that make an entity due at another source; from the adapter's follow-ups and the config's `status_changes`. */
export type FollowUpRule = {
  readonly kinds: readonly string[]
  readonly paths: readonly string[]
  readonly source: SourceId
  readonly reason: string
}

export type CommitInput = {
  readonly adapter: SourceAdapter
  readonly judged: readonly Judged[]
  /** Stored records of the entities in `needsOldRecord`, by entity id. */
  readonly oldRecords: ReadonlyMap<string, CurrentRecord>
  readonly followUps: readonly FollowUpRule[]
  readonly runId: string
  readonly now: EpochMs
  /** When an entity that could not be told apart is asked about again: the source's cadence. */
  readonly askAmbiguousAgainMs: DurationMs
}

export type CommitParts = {
  readonly ledger: readonly LedgerEntry[]
  readonly records: readonly CurrentRecord[]
  readonly events: readonly DeltaEvent[]
  readonly identities: readonly Identity[]
  readonly pending: readonly PendingChange[]
  /** Entities of which the source's earlier events lose their values. */
  readonly erased: readonly EntityRef[]
  readonly counts: Counts
}

const KNOWN_CONTENT: CurrentRecord['record'] = {}

/** Hashes a record; when it says what is known already (`hash` is the row's `payloadHash`), its content is left out of the result. */
export function judge(adapter: SourceAdapter, item: WorkItem, answer: RecordedAnswer, status: number | null): Judged {
  if (answer.kind !== 'record') return { item, answer, status, hash: null }
  const hash = payloadHash(answer.record, adapter)
  // What is known already is not written: the record is let go here, not held until its commit.
  return { item, answer: hash === item.entry.payloadHash ? { ...answer, record: KNOWN_CONTENT } : answer, status, hash }
}

/** Whether the stored record must be read to say what happened: its content is (or may be) about to change. */
export function needsOldRecord(judged: Judged): boolean {
  if (judged.answer.kind === 'record') return judged.hash !== judged.item.entry.payloadHash
  return judged.answer.kind === 'absent' && judged.item.entry.payloadHash !== null
}

function confidenceOf(
  found: FoundIdentity | undefined,
  stored: Identity | null,
): { confidence: number; confidenceMethod: string } {
  // A user's decision stands over whatever the answer was matched by.
  if (stored?.decidedBy === 'user') return { confidence: stored.confidence, confidenceMethod: stored.method }
  if (found !== undefined) return { confidence: found.confidence, confidenceMethod: found.method }
  if (stored !== null) return { confidence: stored.confidence, confidenceMethod: stored.method }
  return { confidence: 1, confidenceMethod: 'own_key' }
}

/**
 * The same transition out of the same stored state has the same id, however often it is computed; the moment the old
 * content was first seen tells A->B from a later A->B after a B->A in between.
 */
function eventId(
  source: SourceId,
  entity: EntityRef,
  kind: EventKind,
  oldHash: string | null,
  newHash: string | null,
  oldChangedAt: EpochMs | null,
): string {
  return hash('sha256', JSON.stringify([source, entity.kind, entity.key, kind, oldHash, newHash, oldChangedAt]), 'hex')
}

type Change = { readonly kind: EventKind; readonly changes: readonly FieldChange[]; readonly newHash: string | null }

class Builder {
  readonly ledger: LedgerEntry[] = []
  readonly records: CurrentRecord[] = []
  readonly events: DeltaEvent[] = []
  readonly identities: Identity[] = []
  readonly pending: PendingChange[] = []
  readonly erased: EntityRef[] = []
  readonly tally = { items: 0, changed: 0, unchanged: 0, notModified: 0, absent: 0, failed: 0, skipped: 0, events: 0, calls: 0 }
  private readonly input: CommitInput

  constructor(input: CommitInput) {
    this.input = input
  }

  add(judged: Judged): void {
    if (judged.answer.kind === 'due') {
      this.addDue(judged.answer.entity, judged.answer.reason)
      return
    }
    this.tally.items += 1
    switch (judged.answer.kind) {
      case 'record':
        this.addRecord(judged, judged.answer, judged.hash!)
        if (judged.answer.identity !== undefined) this.addIdentity(judged, judged.answer.identity)
        break
      case 'absent':
        this.addAbsent(judged)
        break
      case 'not_modified':
        this.tally.notModified += 1
        this.ledger.push(succeed(judged.item.entry, this.input, 'not_modified', judged, judged.item.entry.payloadHash))
        break
      case 'skipped':
        this.tally.skipped += 1
        this.ledger.push(skip(judged.item.entry, this.input, judged, judged.answer.reason))
        break
      case 'unresolved':
        this.tally.skipped += 1
        this.ledger.push(setAside(judged.item.entry, this.input, judged.answer.reason))
        break
      case 'candidate':
        this.tally.skipped += 1
        this.ledger.push(
          setAside(skip(judged.item.entry, this.input, judged, judged.answer.reason), this.input, judged.answer.reason),
        )
        this.addIdentity(judged, judged.answer.identity)
        break
      case 'failed':
        this.tally.failed += 1
        this.ledger.push(fail(judged.item.entry, this.input, judged, judged.answer.errorClass, judged.answer.reason))
        break
    }
  }

  private addRecord(judged: Judged, answer: Extract<Answer, { kind: 'record' }>, newHash: string): void {
    const { entry } = judged.item
    const { adapter, now, runId } = this.input
    const { record, erasesHistory = false } = answer
    if (newHash === entry.payloadHash) {
      this.tally.unchanged += 1
      // Recorded by a version that did not erase yet.
      if (erasesHistory && entry.normalizerVersion !== adapter.normalizerVersion) this.erased.push(entry.entity)
      this.ledger.push(succeed(entry, this.input, 'unchanged', judged, newHash))
      return
    }
    if (erasesHistory) this.erased.push(entry.entity)
    const stored = {
      source: adapter.id,
      entity: entry.entity,
      record,
      payloadHash: newHash,
      normalizerVersion: adapter.normalizerVersion,
      present: true,
      runId,
    }
    const old = this.input.oldRecords.get(entityId(entry.entity)) ?? null
    if (entry.payloadHash !== null && entry.normalizerVersion !== adapter.normalizerVersion) {
      // Another normalizer wrote the old hash: the difference is ours, not the provider's. Stored anew, no event.
      this.tally.unchanged += 1
      this.records.push({ ...stored, changedAt: old?.changedAt ?? now })
      this.ledger.push(succeed(entry, this.input, 'unchanged', judged, newHash))
      return
    }
    if (old?.present && old.payloadHash === newHash) {
      // Another pass recorded this very content after the row was read: it is known, and its event is out.
      this.tally.unchanged += 1
      this.ledger.push(succeed(entry, this.input, 'unchanged', judged, newHash))
      return
    }
    const [before, after] = [old === null ? null : (adapter.origin?.(old.record) ?? null), adapter.origin?.(record) ?? null]
    const isOfAnother = before !== null && after !== null && before.by !== after.by
    if (isOfAnother && old!.present) {
      if (after.standsIn && !before.standsIn) {
        const reason = `only ${after.by} could be asked; what ${before.by} said stands until it can be asked again`
        this.tally.failed += 1
        this.ledger.push(fail(entry, this.input, judged, 'source_down', reason))
        return
      }
      const told = comparison(old!.record, before.lacks, record, after.lacks)
      if (told === null || diffRecords(...told, adapter).length === 0) {
        // Stored anew, no event: that two providers differ, or that one told less, is nothing that happened.
        this.tally.unchanged += 1
        this.records.push({ ...stored, changedAt: old!.changedAt })
        this.ledger.push(succeed(entry, this.input, 'unchanged', judged, newHash))
        return
      }
      this.tally.changed += 1
      this.records.push({ ...stored, changedAt: now })
      this.ledger.push(succeed(entry, this.input, 'changed', judged, newHash))
      this.addEvent(judged, { kind: 'changed', newHash, changes: diffRecords(...told, adapter) }, old)
      return
    }
    const kind: EventKind = old === null ? 'created' : old.present ? 'changed' : 'returned'
    this.tally.changed += 1
    this.records.push({ ...stored, changedAt: now })
    this.ledger.push(succeed(entry, this.input, 'changed', judged, newHash))
    // What returns may have been normalized differently when it was last seen; then its differences are not the provider's.
    const comparable = old !== null && !isOfAnother && (old.present || old.normalizerVersion === adapter.normalizerVersion)
    const changes = comparable ? diffRecords(erasesHistory ? {} : old.record, record, adapter) : []
    this.addEvent(judged, { kind, newHash, changes }, old)
  }

  private addAbsent(judged: Judged): void {
    const { entry } = judged.item
    const old = this.input.oldRecords.get(entityId(entry.entity)) ?? null
    this.tally.absent += 1
    this.ledger.push(succeed(entry, this.input, 'absent', judged, null))
    if (entry.payloadHash === null || old === null || !old.present) return
    this.records.push({
      ...old,
      present: false,
      normalizerVersion: entry.normalizerVersion ?? old.normalizerVersion,
      changedAt: this.input.now,
      runId: this.input.runId,
    })
    this.addEvent(judged, { kind: 'absent', newHash: null, changes: [] }, old)
  }

  private addEvent(judged: Judged, change: Change, old: CurrentRecord | null): void {
    const { adapter, now, runId } = this.input
    const { entity } = judged.item.entry
    const oldHash = old?.payloadHash ?? null
    const found = judged.answer.kind === 'record' ? judged.answer.identity : undefined
    const event: DeltaEvent = {
      eventId: eventId(adapter.id, entity, change.kind, oldHash, change.newHash, old?.changedAt ?? null),
      source: adapter.id,
      entity,
      kind: change.kind,
      at: now,
      runId,
      oldHash,
      newHash: change.newHash,
      changes: change.changes,
      ...confidenceOf(found, judged.item.identity),
    }
    this.events.push(event)
    this.tally.events += 1
    for (const rule of this.input.followUps) {
      if (!rule.kinds.includes(event.kind)) continue
      if (rule.paths.length > 0 && !event.changes.some((field) => rule.paths.some((path) => touches(field.path, path)))) continue
      this.pending.push({ source: rule.source, entity, reason: rule.reason, at: now, by: `event:${event.eventId.slice(0, 16)}` })
    }
  }

  /** It changed, and nobody said into what: the entry that makes it due is opened after everything else in the commit. */
  private addDue({ kind, key }: EntityRef, reason: string): void {
    const { adapter, now } = this.input
    this.pending.push({ source: adapter.id, entity: { kind, key }, reason, at: now, by: 'feed' })
  }

  private addIdentity(judged: Judged, found: FoundIdentity): void {
    const stored = judged.item.identity
    const source = this.input.adapter.resolvesFor ?? this.input.adapter.id
    if (stored?.decidedBy === 'user') return
    // One that could not be asked by is not kept: the entity is found again by what it was found by.
    if (found.providerKey !== '' && (this.input.adapter.providerKeyProblem?.(found.providerKey) ?? null) !== null) return
    const same =
      stored !== null &&
      stored.providerKey === found.providerKey &&
      stored.method === found.method &&
      stored.confidence === found.confidence
    if (same) return
    const { entity } = judged.item.entry
    // Another key than the one by which it was asked about so far: what is known is about something else.
    if (
      source !== this.input.adapter.id &&
      stored !== null &&
      stored.providerKey !== '' &&
      stored.providerKey !== found.providerKey
    ) {
      const reason = `its identity is another now: ${found.providerKey === '' ? 'none' : found.providerKey}`
      this.pending.push({ source, entity, reason, at: this.input.now, by: this.input.adapter.id })
    }
    this.identities.push({
      source,
      entity: judged.item.entry.entity,
      providerKey: found.providerKey,
      method: found.method,
      confidence: found.confidence,
      evidence: found.evidence,
      alternatives: found.alternatives ?? [],
      resolvedAt: this.input.now,
      decidedBy: 'computed',
    })
  }
}

/** Two records without what either origin has no word about; null when the words of the two are not to be compared at all. */
function comparison(
  old: JsonObject,
  oldLacks: readonly string[] | undefined,
  record: JsonObject,
  lacks: readonly string[] | undefined,
): readonly [JsonObject, JsonObject] | null {
  if (oldLacks === undefined || lacks === undefined) return null
  const left = new Set([...oldLacks, ...lacks])
  const rest = (whole: JsonObject): JsonObject => Object.fromEntries(Object.entries(whole).filter(([name]) => !left.has(name)))
  return [rest(old), rest(record)]
}

/** Builds what one commit writes. An entity answered twice in the same batch counts once: the last answer stands. */
export function buildCommit(input: CommitInput): CommitParts {
  const lastAnswer = new Map<string, Judged>()
  // That something changed stands beside whatever else is said of the entity: it is not an answer of its own.
  for (const judged of input.judged)
    lastAnswer.set(`${judged.answer.kind === 'due' ? 'due ' : ''}${entityId(judged.item.entry.entity)}`, judged)
  const builder = new Builder(input)
  for (const judged of lastAnswer.values()) builder.add(judged)
  const { ledger, records, events, identities, pending, erased, tally } = builder
  return { ledger, records, events, identities, pending, erased, counts: tally }
}

export function addCounts(a: Counts, b: Counts): Counts {
  return {
    items: a.items + b.items,
    changed: a.changed + b.changed,
    unchanged: a.unchanged + b.unchanged,
    notModified: a.notModified + b.notModified,
    absent: a.absent + b.absent,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    events: a.events + b.events,
    calls: a.calls + b.calls,
  }
}
