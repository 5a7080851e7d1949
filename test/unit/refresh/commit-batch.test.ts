import { describe, expect, test } from 'vitest'
import type { Answer, SourceAdapter } from '../../../ts/adapters/adapter.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { entityId } from '../../../ts/model/keys.ts'
import type { LedgerEntry } from '../../../ts/model/ledger.ts'
import type { CurrentRecord } from '../../../ts/model/record.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../ts/model/time.ts'
import { payloadHash } from '../../../ts/refresh/canonical.ts'
import {
  addCounts,
  buildCommit,
  type CommitInput,
  type CommitParts,
  type Judged,
  judge,
  needsOldRecord,
} from '../../../ts/refresh/commit-batch.ts'
import type { WorkItem } from '../../../ts/stores/store.ts'
import { currentRecord, identity, ledgerEntry, ref, SOURCE, workItem } from '../../support/builders.ts'
import { fakeAdapter } from '../../support/fake-adapter.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'

const NOW = TEST_EPOCH
const adapter = fakeAdapter()

/** What is known of one entity: its row and its stored record. */
type Known = { readonly item: WorkItem; readonly record: CurrentRecord | null }

const UNKNOWN: Known = { item: workItem('uei:A'), record: null }

function known(record: JsonObject, entry: Partial<LedgerEntry> = {}, parts: Partial<CurrentRecord> = {}): Known {
  const hash = payloadHash(record, adapter)
  const row = {
    outcome: 'changed',
    payloadHash: hash,
    normalizerVersion: 1,
    lastAttemptAt: NOW - DAY_MS,
    lastSuccessAt: NOW - DAY_MS,
    attempts: 3,
    ...entry,
  } as const
  return { item: workItem('uei:A', row), record: currentRecord({ record, payloadHash: hash, ...parts }) }
}

function recordAnswer(record: JsonObject, more: Partial<Extract<Answer, { kind: 'record' }>> = {}): Answer {
  return { kind: 'record', entity: ref('uei:A'), record, ...more }
}

const absentAnswer: Answer = { kind: 'absent', entity: ref('uei:A'), reason: 'not listed' }
const failedAnswer: Answer = { kind: 'failed', entity: ref('uei:A'), errorClass: 'transient', reason: 'reset' }

function build(
  state: Known,
  answer: Answer | { kind: 'not_modified'; entity: LedgerEntry['entity'] },
  parts: Partial<CommitInput> = {},
  status = 200,
): CommitParts {
  const used: SourceAdapter = parts.adapter ?? adapter
  const judged = judge(used, state.item, answer, status)
  return buildCommit({
    adapter: used,
    judged: [judged],
    oldRecords:
      needsOldRecord(judged) && state.record !== null ? new Map([[entityId(state.record.entity), state.record]]) : new Map(),
    followUps: [],
    runId: 'run-1',
    now: NOW,
    askAmbiguousAgainMs: DAY_MS,
    ...parts,
  })
}

/** What the store holds after the commit, to play several answers in a row. */
function storedAfter(state: Known, parts: CommitParts): Known {
  return { item: { ...state.item, entry: parts.ledger[0]! }, record: parts.records[0] ?? state.record }
}

test('what an answer says was so when it was asked for, however much later it is written', () => {
  const state = known({ status: 'active' })
  const askedAt = NOW - HOUR_MS
  const rowOf = (answer: Answer): LedgerEntry => {
    const judged = { ...judge(adapter, state.item, answer, 200), askedAt }
    const input = { adapter, judged: [judged], oldRecords: new Map(), followUps: [], runId: 'run-1', now: NOW }
    return buildCommit({ ...input, askAmbiguousAgainMs: DAY_MS }).ledger[0]!
  }
  for (const answer of [recordAnswer({ status: 'active' }), recordAnswer({ status: 'new' }), absentAnswer])
    expect(rowOf(answer)).toMatchObject({ lastAttemptAt: askedAt, lastSuccessAt: askedAt })
  expect(rowOf(failedAnswer)).toMatchObject({ lastAttemptAt: askedAt, lastSuccessAt: state.item.entry.lastSuccessAt })
})

describe('buildCommit: what one answer comes to', () => {
  test('a first record is created: outcome changed, record, event without changes', () => {
    const { ledger, records, events, counts } = build(UNKNOWN, recordAnswer({ status: 'active' }))
    const hash = payloadHash({ status: 'active' }, adapter)
    expect(ledger).toEqual([
      ledgerEntry({
        lastAttemptAt: NOW,
        lastSuccessAt: NOW,
        outcome: 'changed',
        responseStatus: 200,
        payloadHash: hash,
        normalizerVersion: 1,
        attempts: 1,
        runId: 'run-1',
      }),
    ])
    expect(records).toEqual([currentRecord({ record: { status: 'active' }, payloadHash: hash, changedAt: NOW, runId: 'run-1' })])
    expect(events).toMatchObject([
      {
        kind: 'created',
        source: SOURCE,
        oldHash: null,
        newHash: hash,
        changes: [],
        at: NOW,
        runId: 'run-1',
        confidence: 1,
        confidenceMethod: 'own_key',
      },
    ])
    expect(counts).toMatchObject({ items: 1, changed: 1, events: 1, calls: 0 })
  })

  test('another record is changed: the event names the fields', () => {
    const { events, records, ledger } = build(
      known({ status: 'active', zip: '1' }),
      recordAnswer({ status: 'inactive', zip: '1' }),
    )
    expect(events).toMatchObject([
      {
        kind: 'changed',
        changes: [{ path: '$.status', old: 'active', new: 'inactive' }],
        oldHash: payloadHash({ status: 'active', zip: '1' }, adapter),
      },
    ])
    expect(records).toMatchObject([{ record: { status: 'inactive', zip: '1' }, changedAt: NOW, present: true }])
    expect(ledger).toMatchObject([{ outcome: 'changed', attempts: 4 }])
  })

  test('words of two providers are not compared, and a stand-in replaces nothing', () => {
    const asked: SourceAdapter = {
      ...adapter,
      origin: ({ by, instead }) => ({ by: String(by), standsIn: instead === true }),
    }
    const parts = { adapter: asked }
    const state = known({ by: 'large', city: 'Boston' })
    const other = build(state, recordAnswer({ by: 'small', city: null }), parts)
    expect(other).toMatchObject({ events: [], counts: { unchanged: 1, changed: 0 }, ledger: [{ outcome: 'unchanged' }] })
    expect(other.records).toMatchObject([{ record: { by: 'small' }, changedAt: state.record!.changedAt }])
    const standIn = build(state, recordAnswer({ by: 'small', city: null, instead: true }), parts)
    expect(standIn).toMatchObject({ events: [], records: [], counts: { failed: 1 } })
    expect(standIn.ledger).toMatchObject([
      {
        outcome: 'failed',
        errorClass: 'source_down',
        lastSuccessAt: state.item.entry.lastSuccessAt,
        nextAttemptAt: NOW + MINUTE_MS,
      },
    ])
    expect(build(UNKNOWN, recordAnswer({ by: 'small', instead: true }), parts).events).toMatchObject([{ kind: 'created' }])
    expect(build(state, recordAnswer({ by: 'large', city: 'Salem' }), parts).events).toMatchObject([
      { kind: 'changed', changes: [{ path: '$.city', old: 'Boston', new: 'Salem' }] },
    ])
    // One provider that told less: what both told is compared.
    const lists = {
      adapter: {
        ...adapter,
        origin: ({ list }: JsonObject) => ({
          by: list == null ? 'less' : 'all',
          standsIn: false,
          lacks: list == null ? ['list'] : [],
        }),
      },
    }
    const whole = known({ status: 'Active', list: ['a'] })
    expect(build(whole, recordAnswer({ status: 'Active', list: null }), lists)).toMatchObject({
      events: [],
      counts: { unchanged: 1 },
    })
    expect(build(whole, recordAnswer({ status: 'Dissolved', list: null }), lists)).toMatchObject({
      events: [{ kind: 'changed', changes: [{ path: '$.status', old: 'Active', new: 'Dissolved' }] }],
      records: [{ record: { status: 'Dissolved', list: null } }],
      counts: { changed: 1, unchanged: 0 },
    })
    // Between two words of the stand-in there is a change.
    const small = known({ by: 'small', city: 'Boston', instead: true })
    expect(build(small, recordAnswer({ by: 'small', city: 'Salem', instead: true }), parts).events).toHaveLength(1)
    const gone = known({ by: 'large', city: 'Boston' }, { payloadHash: null, outcome: 'absent' }, { present: false })
    expect(build(gone, recordAnswer({ by: 'small', city: null }), parts).events).toMatchObject([
      { kind: 'returned', changes: [] },
    ])
  })

  test('what must be forgotten is neither in the event nor left in earlier ones', () => {
    const state = known({ full_name: 'Ann Lee', job: 'engineer' })
    const { events, records, erased } = build(state, recordAnswer({ opted_out: true }, { erasesHistory: true }))
    expect(events).toMatchObject([{ kind: 'changed', changes: [{ path: '$.opted_out', old: null, new: true }] }])
    expect(JSON.stringify([events, records])).not.toMatch(/Ann Lee|engineer/)
    expect(erased).toEqual([state.item.entry.entity])
    // By another normalizer there is no event, and nothing less to forget.
    const older = known({ full_name: 'Ann Lee' }, { normalizerVersion: 0 })
    expect(build(older, recordAnswer({ opted_out: true }, { erasesHistory: true }))).toMatchObject({
      events: [],
      erased: [older.item.entry.entity],
    })
    expect(build(state, recordAnswer({ full_name: 'Ann Lee', job: 'manager' })).erased).toEqual([])
    const before = known({ opted_out: true }, { normalizerVersion: 0 })
    expect(build(before, recordAnswer({ opted_out: true }, { erasesHistory: true })).erased).toEqual([before.item.entry.entity])
    const after = known({ opted_out: true })
    expect(build(after, recordAnswer({ opted_out: true }, { erasesHistory: true })).erased).toEqual([])
  })

  test('the same record, with a volatile member and the order of members different, is unchanged: nothing but the row is written', () => {
    const { events, records, ledger, counts } = build(
      known({ status: 'active', zip: '1' }),
      recordAnswer({ zip: '1', served_at: 99, status: 'active' }),
    )
    expect({ events, records }).toEqual({ events: [], records: [] })
    expect(ledger).toMatchObject([{ outcome: 'unchanged', lastSuccessAt: NOW, consecutiveFailures: 0 }])
    expect(counts).toMatchObject({ unchanged: 1, changed: 0, events: 0 })
  })

  test('304: not modified, hash, validators and the version of the normalizer stay what they were', () => {
    const state = known({ status: 'active' }, { validators: { etag: '"1"', lastModified: null }, normalizerVersion: 1 })
    const { ledger, records, events, counts } = build(
      state,
      { kind: 'not_modified', entity: ref('uei:A') },
      { adapter: fakeAdapter(undefined, { normalizerVersion: 2 }) },
      304,
    )
    expect(ledger).toMatchObject([
      {
        outcome: 'not_modified',
        responseStatus: 304,
        lastSuccessAt: NOW,
        payloadHash: state.item.entry.payloadHash,
        normalizerVersion: 1,
        validators: { etag: '"1"', lastModified: null },
      },
    ])
    expect({ records, events }).toEqual({ records: [], events: [] })
    expect(counts.notModified).toBe(1)
  })

  test('a 304 under a new normalizer does not turn the next answer into a change', () => {
    const next = fakeAdapter(undefined, { normalizerVersion: 2 })
    const state = known({ status: 'active' })
    const between = storedAfter(state, build(state, { kind: 'not_modified', entity: ref('uei:A') }, { adapter: next }, 304))
    expect(build(between, recordAnswer({ status: 'ACTIVE' }), { adapter: next }).events).toEqual([])
  })

  test('absent: the record is kept and marked, one event; the second time nothing is left to say', () => {
    const state = known({ status: 'active' })
    const gone = build(state, absentAnswer, {}, 404)
    expect(gone.ledger).toMatchObject([
      {
        outcome: 'absent',
        payloadHash: null,
        normalizerVersion: null,
        responseStatus: 404,
        lastSuccessAt: NOW,
        validators: { etag: null },
      },
    ])
    expect(gone.records).toMatchObject([{ record: { status: 'active' }, present: false, changedAt: NOW }])
    expect(gone.events).toMatchObject([{ kind: 'absent', oldHash: state.item.entry.payloadHash, newHash: null, changes: [] }])
    const again = build(storedAfter(state, gone), absentAnswer, {}, 404)
    expect(again).toMatchObject({ records: [], events: [], ledger: [{ outcome: 'absent' }], counts: { absent: 1, events: 0 } })
  })

  test('absent from the first: a success without a record or an event', () => {
    expect(build(UNKNOWN, absentAnswer, {}, 404)).toMatchObject({
      records: [],
      events: [],
      ledger: [{ outcome: 'absent', lastSuccessAt: NOW }],
    })
  })

  test('returned: the event says what is different from before it went', () => {
    const state = known({ status: 'active' })
    const gone = storedAfter(state, build(state, absentAnswer))
    expect(build(gone, recordAnswer({ status: 'active' })).events).toMatchObject([
      { kind: 'returned', changes: [], oldHash: state.record?.payloadHash, newHash: state.record?.payloadHash },
    ])
    const back = build(gone, recordAnswer({ status: 'inactive' }))
    expect(back.events).toMatchObject([{ kind: 'returned', changes: [{ path: '$.status', old: 'active', new: 'inactive' }] }])
    expect(back.records).toMatchObject([{ present: true, changedAt: NOW }])
  })

  test('what returns under a new normalizer has returned, but its differences are not told as the provider’s', () => {
    const state = known({ status: 'active' })
    const gone = storedAfter(state, build(state, absentAnswer))
    expect(
      build(gone, recordAnswer({ status: 'ACTIVE' }), { adapter: fakeAdapter(undefined, { normalizerVersion: 2 }) }).events,
    ).toMatchObject([{ kind: 'returned', changes: [] }])
  })

  test('what was seen unchanged by a new normalizer before it went can be compared when it returns', () => {
    const next = fakeAdapter(undefined, { normalizerVersion: 2 })
    const state = known({ status: 'active' })
    const seen = storedAfter(state, build(state, recordAnswer({ status: 'active' }), { adapter: next }))
    const gone = storedAfter(seen, build(seen, absentAnswer, { adapter: next }))
    expect(build(gone, recordAnswer({ status: 'inactive' }), { adapter: next }).events).toMatchObject([
      { kind: 'returned', changes: [{ path: '$.status' }] },
    ])
  })

  test('a new normalizer never yields an event: the record is stored anew, as old as its content', () => {
    const next = fakeAdapter(undefined, { normalizerVersion: 2 })
    const state = known({ status: 'active' }, {}, { changedAt: NOW - 9 * DAY_MS })
    const { ledger, records, events, counts } = build(state, recordAnswer({ status: 'ACTIVE' }), { adapter: next })
    expect(events).toEqual([])
    expect(records).toMatchObject([{ record: { status: 'ACTIVE' }, normalizerVersion: 2, changedAt: NOW - 9 * DAY_MS }])
    expect(ledger).toMatchObject([
      { outcome: 'unchanged', normalizerVersion: 2, payloadHash: payloadHash({ status: 'ACTIVE' }, adapter) },
    ])
    expect(counts).toMatchObject({ unchanged: 1, changed: 0 })
  })

  test('a lost record (a ledger row without one) is created again rather than compared with nothing', () => {
    const { events } = build({ ...known({ status: 'active' }), record: null }, recordAnswer({ status: 'inactive' }))
    expect(events).toMatchObject([{ kind: 'created', oldHash: null, changes: [] }])
  })

  test('failed: back-off of 1 m, 5 m, 30 m, 2 h, 12 h, and 12 h from then on; a success starts over', () => {
    let state = known({ status: 'active' })
    for (const [failures, wait] of [
      [1, MINUTE_MS],
      [2, 5 * MINUTE_MS],
      [3, 30 * MINUTE_MS],
      [4, 2 * HOUR_MS],
      [5, 12 * HOUR_MS],
      [6, 12 * HOUR_MS],
    ] as const) {
      const parts = build(state, failedAnswer, {}, 502)
      expect(parts.ledger).toMatchObject([
        {
          outcome: 'failed',
          consecutiveFailures: failures,
          nextAttemptAt: NOW + wait,
          errorClass: 'transient',
          error: 'reset',
          responseStatus: 502,
          attempts: 3 + failures,
        },
      ])
      state = storedAfter(state, parts)
    }
    expect(build(state, recordAnswer({ status: 'active' })).ledger).toMatchObject([
      { consecutiveFailures: 0, nextAttemptAt: null, errorClass: null, error: null },
    ])
  })

  test('a failure forgets nothing: last success, hash, validators and an open status change stay', () => {
    const state = known({ status: 'active' }, { validators: { etag: '"1"', lastModified: null }, pendingSince: NOW - HOUR_MS })
    const { ledger, records, events } = build(state, failedAnswer)
    expect(ledger).toMatchObject([
      {
        lastSuccessAt: NOW - DAY_MS,
        lastAttemptAt: NOW,
        payloadHash: state.item.entry.payloadHash,
        validators: { etag: '"1"' },
        pendingSince: NOW - HOUR_MS,
      },
    ])
    expect({ records, events }).toEqual({ records: [], events: [] })
  })

  test('a long reason is cut, so that a provider cannot fill the ledger', () => {
    expect(build(UNKNOWN, { ...failedAnswer, reason: 'x'.repeat(10_000) } as Answer).ledger[0]?.error).toHaveLength(500)
  })

  test('ambiguous: skipped with the reason, asked again after the cadence', () => {
    const { ledger, counts, events } = build(UNKNOWN, { kind: 'skipped', entity: ref('uei:A'), reason: 'two candidates' })
    expect(ledger).toMatchObject([
      {
        outcome: 'skipped',
        errorClass: 'ambiguous',
        error: 'two candidates',
        nextAttemptAt: NOW + DAY_MS,
        lastSuccessAt: null,
        consecutiveFailures: 0,
      },
    ])
    expect(counts.skipped).toBe(1)
    expect(events).toEqual([])
  })

  test('any answer but a failure closes an open status change', () => {
    const pending = { pendingSince: NOW - HOUR_MS }
    for (const answer of [recordAnswer({ status: 'active' }), recordAnswer({ status: 'new' }), absentAnswer]) {
      expect(build(known({ status: 'active' }, pending), answer).ledger[0]?.pendingSince).toBeNull()
    }
  })

  test('validators come from the answer, and go when an answer brings none', () => {
    const state = known({ status: 'active' }, { validators: { etag: '"1"', lastModified: null } })
    expect(
      build(state, recordAnswer({ status: 'active' }, { validators: { etag: '"2"', lastModified: null } })).ledger[0]?.validators
        .etag,
    ).toBe('"2"')
    expect(build(state, recordAnswer({ status: 'active' })).ledger[0]?.validators.etag).toBeNull()
  })
})

describe('event ids', () => {
  test('the same fact has the same id however often it is computed', () => {
    const state = known({ status: 'A' })
    const first = build(state, recordAnswer({ status: 'B' }))
    const repeated = build(state, recordAnswer({ served_at: 1, status: 'B' }), { runId: 'run-2', now: NOW + HOUR_MS })
    expect(repeated.events[0]?.eventId).toBe(first.events[0]?.eventId)
    expect(first.events[0]?.eventId).toMatch(/^[0-9a-f]{64}$/)
  })

  test('A, B, A, B and away and back: every transition has an id of its own', () => {
    let state: Known = UNKNOWN
    const ids: string[] = []
    const answers = [
      recordAnswer({ s: 'A' }),
      recordAnswer({ s: 'B' }),
      recordAnswer({ s: 'A' }),
      recordAnswer({ s: 'B' }),
      absentAnswer,
      recordAnswer({ s: 'B' }),
      absentAnswer,
      recordAnswer({ s: 'B' }),
    ]
    answers.forEach((answer, step) => {
      const parts = build(state, answer, { now: NOW + step * HOUR_MS })
      ids.push(...parts.events.map((event) => event.eventId))
      state = storedAfter(state, parts)
    })
    expect(ids).toHaveLength(answers.length)
    expect(new Set(ids).size).toBe(answers.length)
  })

  test('differ between sources and between entities', () => {
    const id = build(UNKNOWN, recordAnswer({ s: 'A' })).events[0]?.eventId
    expect(
      build(UNKNOWN, recordAnswer({ s: 'A' }), { adapter: fakeAdapter(undefined, { id: 'other_source' }) }).events[0]?.eventId,
    ).not.toBe(id)
    expect(build({ item: workItem('uei:B'), record: null }, recordAnswer({ s: 'A' })).events[0]?.eventId).not.toBe(id)
  })
})

describe('identities', () => {
  const found = { providerKey: 'A', method: 'piid+uei', confidence: 0.8, evidence: { piid: 'X' } }

  test('a new one is stored with its evidence, and gives the event its confidence', () => {
    const { identities, events } = build(UNKNOWN, recordAnswer({ s: 1 }, { identity: found }))
    expect(identities).toEqual([
      identity({ providerKey: 'A', method: 'piid+uei', confidence: 0.8, evidence: { piid: 'X' }, resolvedAt: NOW }),
    ])
    expect(events).toMatchObject([{ confidence: 0.8, confidenceMethod: 'piid+uei' }])
  })

  test('the same one again is not written again, a different one replaces it', () => {
    const stored = {
      ...UNKNOWN,
      item: workItem('uei:A', {}, { identity: identity({ providerKey: 'A', method: 'piid+uei', confidence: 0.8 }) }),
    }
    expect(build(stored, recordAnswer({ s: 1 }, { identity: found })).identities).toEqual([])
    expect(build(stored, recordAnswer({ s: 1 }, { identity: { ...found, providerKey: 'B' } })).identities).toMatchObject([
      { providerKey: 'B', decidedBy: 'computed' },
    ])
  })

  test('a user’s decision outranks what the answer was matched by, and is not overwritten', () => {
    const decided = {
      ...UNKNOWN,
      item: workItem('uei:A', {}, { identity: identity({ method: 'user', confidence: 1, decidedBy: 'user' }) }),
    }
    const { identities, events } = build(decided, recordAnswer({ s: 1 }, { identity: { ...found, providerKey: 'B' } }))
    expect(identities).toEqual([])
    expect(events).toMatchObject([{ confidence: 1, confidenceMethod: 'user' }])
  })

  test('without a match in the answer, the stored identity speaks', () => {
    const stored = { ...UNKNOWN, item: workItem('uei:A', {}, { identity: identity({ method: 'uei', confidence: 0.9 }) }) }
    expect(build(stored, recordAnswer({ s: 1 })).events).toMatchObject([{ confidence: 0.9, confidenceMethod: 'uei' }])
  })
})

describe('follow-ups', () => {
  const rule = { kinds: ['changed'], paths: ['$.exclusion'], source: 'sam_gov', reason: 'an exclusion changed' }

  test('an event of a named kind at a named path makes the entity due at the other source', () => {
    const { pending, events } = build(known({ exclusion: { type: 'none' } }), recordAnswer({ exclusion: { type: 'full' } }), {
      followUps: [rule],
    })
    expect(pending).toEqual([
      {
        source: 'sam_gov',
        entity: ref('uei:A'),
        reason: 'an exclusion changed',
        at: NOW,
        by: `event:${events[0]!.eventId.slice(0, 16)}`,
      },
    ])
  })

  test.each([
    ['the member itself', { exclusion: 'a' }, { exclusion: 'b' }, 1],
    ['something below it', { exclusion: { deep: [1] } }, { exclusion: { deep: [2] } }, 1],
    ['an element of it', { exclusion: ['a'] }, { exclusion: ['b'] }, 1],
    ['a member whose name begins alike', { exclusion_note: 'a' }, { exclusion_note: 'b' }, 0],
    ['another member', { status: 'a' }, { status: 'b' }, 0],
  ])('path rule and a change of %s', (_name, before, now, expected) => {
    expect(build(known(before), recordAnswer(now), { followUps: [rule] }).pending).toHaveLength(expected)
  })

  test('a rule without paths answers to every event of its kinds, and to no other kind', () => {
    const any = { ...rule, kinds: ['created', 'absent'], paths: [] }
    expect(build(UNKNOWN, recordAnswer({ s: 1 }), { followUps: [any] }).pending).toHaveLength(1)
    expect(build(known({ s: 1 }), absentAnswer, { followUps: [any] }).pending).toHaveLength(1)
    expect(build(known({ s: 1 }), recordAnswer({ s: 2 }), { followUps: [any] }).pending).toHaveLength(0)
  })
})

describe('buildCommit as a whole', () => {
  const answers: readonly Judged[] = [
    judge(adapter, workItem('uei:A'), recordAnswer({ s: 1 }), 200),
    judge(adapter, workItem('uei:B'), { ...absentAnswer, entity: ref('uei:B') } as Answer, 404),
    judge(adapter, workItem('uei:A'), recordAnswer({ s: 2 }), 200),
    judge(adapter, workItem('uei:C'), { ...failedAnswer, entity: ref('uei:C') } as Answer, null),
  ]
  const input: CommitInput = {
    adapter,
    judged: answers,
    oldRecords: new Map(),
    followUps: [],
    runId: 'run-1',
    now: NOW,
    askAmbiguousAgainMs: DAY_MS,
  }

  test('an entity answered twice counts once: the last answer stands', () => {
    const { ledger, records, counts } = buildCommit(input)
    expect(ledger.map((entry) => [entry.entity.key, entry.outcome, entry.attempts])).toEqual([
      ['uei:A', 'changed', 1],
      ['uei:B', 'absent', 1],
      ['uei:C', 'failed', 1],
    ])
    expect(records).toMatchObject([{ record: { s: 2 } }])
    expect(counts).toEqual({
      items: 3,
      changed: 1,
      unchanged: 0,
      notModified: 0,
      absent: 1,
      failed: 1,
      skipped: 0,
      events: 1,
      calls: 0,
    })
  })

  test('the same input gives the same output, and is left as it was', () => {
    const freeze = <T>(value: T): T => {
      if (typeof value === 'object' && value !== null && !(value instanceof Map)) {
        for (const member of Object.values(value)) freeze(member)
        Object.freeze(value)
      }
      return value
    }
    const frozen = freeze({ ...input, adapter: { ...adapter, volatile: [...adapter.volatile] } })
    expect(buildCommit(frozen)).toEqual(buildCommit(frozen))
  })

  test('nothing answered, nothing written', () => {
    expect(buildCommit({ ...input, judged: [] })).toMatchObject({
      ledger: [],
      records: [],
      events: [],
      identities: [],
      pending: [],
      counts: { items: 0 },
    })
  })

  test('the old record is read only when something may be different', () => {
    const state = known({ s: 1 })
    const ask = (answer: Answer, of = state): boolean => needsOldRecord(judge(adapter, of.item, answer, 200))
    expect(ask(recordAnswer({ s: 1 }))).toBe(false)
    expect(ask(recordAnswer({ s: 2 }))).toBe(true)
    expect(ask(recordAnswer({ s: 1 }), UNKNOWN)).toBe(true)
    expect(ask(absentAnswer)).toBe(true)
    expect(ask(absentAnswer, UNKNOWN)).toBe(false)
    expect(ask(failedAnswer)).toBe(false)
  })
})

test('addCounts adds every count', () => {
  const a = { items: 1, changed: 2, unchanged: 3, notModified: 4, absent: 5, failed: 6, skipped: 7, events: 8, calls: 9 }
  expect(addCounts(a, a)).toEqual({
    items: 2,
    changed: 4,
    unchanged: 6,
    notModified: 8,
    absent: 10,
    failed: 12,
    skipped: 14,
    events: 16,
    calls: 18,
  })
})
