import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Answer } from '../../ts/adapters/adapter.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { entityId } from '../../ts/model/keys.ts'
import { OUTCOMES, SUCCESS_OUTCOMES } from '../../ts/model/ledger.ts'
import type { CurrentRecord, DeltaEvent } from '../../ts/model/record.ts'
import { DAY_MS, HOUR_MS } from '../../ts/model/time.ts'
import { payloadHash } from '../../ts/refresh/canonical.ts'
import { buildCommit, judge, needsOldRecord, type RecordedAnswer } from '../../ts/refresh/commit-batch.ts'
import type { WorkItem } from '../../ts/stores/store.ts'
import { ref, workItem } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'
import { TEST_EPOCH } from '../support/fake-clock.ts'

// Many runs each, and no statement about speed.
vi.setConfig({ testTimeout: 120_000 })

const KEYS = ['uei:A', 'uei:B', 'uei:C'] as const

type Step = {
  readonly key: (typeof KEYS)[number]
  readonly what: 'record' | 'absent' | 'failed' | 'skipped' | 'not_modified' | 'upgrade'
  readonly value: number
}

const steps = fc.array(
  fc.record({
    key: fc.constantFrom(...KEYS),
    what: fc.constantFrom<Step['what'][]>(
      'record',
      'record',
      'record',
      'record',
      'absent',
      'failed',
      'skipped',
      'not_modified',
      'upgrade',
    ),
    value: fc.nat(2),
  }),
  { maxLength: 40 },
)

/** A store of maps: what the engine is told again is what it wrote. */
type World = {
  readonly items: Map<string, WorkItem>
  readonly records: Map<string, CurrentRecord>
  readonly events: DeltaEvent[]
  version: number
  now: number
}

function freshWorld(): World {
  return { items: new Map(KEYS.map((key) => [key, workItem(key)])), records: new Map(), events: [], version: 1, now: TEST_EPOCH }
}

/** The record as a normalizer of this version writes it: the same value comes out differently under another. */
function recordOf(value: number, version: number, served: number): JsonObject {
  return { value: `${value}`, normalized_by: version, served_at: served }
}

function answerOf(step: Step, world: World): RecordedAnswer {
  const entity = ref(step.key)
  switch (step.what) {
    case 'record':
    case 'upgrade':
      return { kind: 'record', entity, record: recordOf(step.value, world.version, world.now) }
    case 'absent':
      return { kind: 'absent', entity, reason: 'gone' }
    case 'failed':
      return { kind: 'failed', entity, errorClass: 'transient', reason: 'reset' }
    case 'skipped':
      return { kind: 'skipped', entity, reason: 'two candidates' } satisfies Answer
    case 'not_modified':
      return { kind: 'not_modified', entity }
  }
}

function apply(world: World, step: Step): ReturnType<typeof buildCommit> {
  world.now += HOUR_MS
  if (step.what === 'upgrade') world.version += 1
  const adapter = fakeAdapter(undefined, { normalizerVersion: world.version })
  const item = world.items.get(step.key)!
  const answer = answerOf(step, world)
  // A 304 can only answer what is known; the shell turns any other into a failure.
  const judged = judge(
    adapter,
    item,
    answer.kind === 'not_modified' && item.entry.payloadHash === null
      ? { kind: 'failed', entity: answer.entity, errorClass: 'malformed', reason: '304' }
      : answer,
    200,
  )
  const old = needsOldRecord(judged) ? world.records.get(step.key) : undefined
  const input = {
    adapter,
    judged: [judged],
    oldRecords: new Map(old === undefined ? [] : [[entityId(old.entity), old] as const]),
    followUps: [],
    runId: 'run',
    now: world.now,
    askAmbiguousAgainMs: DAY_MS,
  }
  const parts = buildCommit(input)
  expect(buildCommit(input)).toEqual(parts)
  for (const entry of parts.ledger) world.items.set(entry.entity.key, { ...item, entry })
  for (const record of parts.records) world.records.set(record.entity.key, record)
  world.events.push(...parts.events)
  return parts
}

describe('any history of answers', () => {
  test('ledger, records and events agree after every commit', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const world = freshWorld()
        for (const step of history) {
          const parts = apply(world, step)
          expect(parts.ledger).toHaveLength(1)
          const entry = parts.ledger[0]!
          const record = world.records.get(step.key)
          // The ledger's hash is the hash of the record that is there, and there is none when it is not.
          if (entry.payloadHash === null) expect(record?.present ?? false).toBe(false)
          else expect(record).toMatchObject({ present: true, payloadHash: entry.payloadHash })
          if (record !== undefined) expect(record.payloadHash).toBe(payloadHash(record.record, fakeAdapter()))
          expect(OUTCOMES).toContain(entry.outcome)
          expect(entry.lastAttemptAt).toBe(world.now)
          expect(entry.lastSuccessAt === world.now).toBe(SUCCESS_OUTCOMES.has(entry.outcome!))
          expect(entry.consecutiveFailures > 0).toBe(entry.outcome === 'failed')
          expect((entry.nextAttemptAt ?? world.now) >= world.now).toBe(true)
          const { items, events, calls: _calls, ...outcomes } = parts.counts
          expect(items).toBe(Object.values(outcomes).reduce((sum, count) => sum + count, 0))
          expect(events).toBe(parts.events.length)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('the events of an entity make a chain that leads to what is known now', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const world = freshWorld()
        for (const step of history) apply(world, step)
        for (const key of KEYS) {
          let present: boolean | null = null
          for (const event of world.events.filter(({ entity }) => entity.key === key)) {
            if (present === null) expect(event).toMatchObject({ kind: 'created', oldHash: null })
            else expect(present ? ['changed', 'absent'] : ['returned']).toContain(event.kind)
            present = event.newHash !== null
          }
          expect(present ?? false).toBe(world.records.get(key)?.present ?? false)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('every event has an id of its own', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const world = freshWorld()
        for (const step of history) apply(world, step)
        expect(new Set(world.events.map(({ eventId }) => eventId)).size).toBe(world.events.length)
      }),
      { numRuns: 500 },
    )
  })

  test('events tell of the provider alone: there are as many as its values changed, whatever our normalizer became meanwhile', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const world = freshWorld()
        const told = new Map<string, number | 'absent'>()
        /** Since the last answer with a record the normalizer changed: what changed meanwhile cannot be told from that. */
        const seenUnder = new Map<string, number>()
        for (const step of history) {
          const before = told.get(step.key)
          const parts = apply(world, step)
          if (step.what === 'record' || step.what === 'upgrade') {
            const comparable = before === undefined || before === 'absent' || seenUnder.get(step.key) === world.version
            expect(parts.events).toHaveLength(comparable && before !== step.value ? 1 : 0)
            for (const { kind, changes } of parts.events)
              if (kind === 'changed') expect(changes).toEqual([{ path: '$.value', old: `${before}`, new: `${step.value}` }])
            told.set(step.key, step.value)
            seenUnder.set(step.key, world.version)
          } else if (step.what === 'absent') {
            expect(parts.events).toHaveLength(before === undefined || before === 'absent' ? 0 : 1)
            if (before !== undefined) told.set(step.key, 'absent')
          } else expect(parts.events).toEqual([])
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
