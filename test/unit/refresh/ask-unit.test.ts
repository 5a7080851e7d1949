import { describe, expect, test } from 'vitest'
import type { SourceAdapter } from '../../../ts/adapters/adapter.ts'
import type { CallResult, Refusal } from '../../../ts/http/source-client.ts'
import type { JsonValue } from '../../../ts/model/json.ts'
import type { LedgerEntry } from '../../../ts/model/ledger.ts'
import type { ResponseClass } from '../../../ts/model/response.ts'
import type { EndingCode } from '../../../ts/model/run-report.ts'
import { askUnit, endingOf, type UnitResult } from '../../../ts/refresh/ask-unit.ts'
import { targetOf, type Unit } from '../../../ts/refresh/unit-queue.ts'
import { workItem } from '../../support/builders.ts'
import { fakeAdapter } from '../../support/fake-adapter.ts'
import { answered, type FakeClient, fakeClient, ok, type Respond, refused } from '../../support/fake-client.ts'

const adapter = fakeAdapter()

function unitOf(kind: 'batch' | 'lookup', keys: readonly string[], entry: Partial<LedgerEntry> = {}): Unit {
  const targets = keys.map((key) => {
    const item = workItem(`uei:${key}`, entry)
    return { item, target: targetOf(item, adapter), laterGroups: [] }
  })
  return { kind, group: 'main', targets, splits: 0 }
}

async function ask(
  unit: Unit,
  respond: Respond,
  used: SourceAdapter = adapter,
): Promise<{ result: UnitResult; client: FakeClient }> {
  const client = fakeClient(respond)
  return {
    result: await askUnit(unit, {
      adapter: used,
      client,
      context: { now: 0, options: {} },
      signal: new AbortController().signal,
    }),
    client,
  }
}

const rows = (...ids: string[]): JsonValue => ({ rows: ids.map((id) => ({ id, status: 'active' })), next: null })
const batch = unitOf('batch', ['A', 'B'])
const lookup = unitOf('lookup', ['A'])

/** Entity -> kind of answer. */
function outcome(result: UnitResult): Record<string, string> {
  if (result.kind === 'stopped') throw new Error('the unit was stopped')
  return Object.fromEntries(result.judged.map(({ item, answer }) => [item.entry.entity.key, answer.kind]))
}

describe('one response class after the other', () => {
  test('ok: answers by entity; what the answer does not list is handed back', async () => {
    const { result } = await ask(batch, () => ok(rows('B')))
    expect(outcome(result)).toEqual({ 'uei:B': 'record' })
    expect(result).toMatchObject({
      kind: 'answered',
      calls: 1,
      unlisted: [{ item: { entity: { key: 'uei:A' } } }],
      judged: [{ status: 200, hash: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    })
  })

  test('empty: all handed back', async () => {
    const { result } = await ask(batch, () => answered('empty', { json: { rows: [], next: null } }))
    expect(result).toMatchObject({ kind: 'answered', judged: [], unlisted: [{}, {}] })
  })

  test('not_found on a look-up: absent, with the status it was told by', async () => {
    const { result } = await ask(lookup, () => answered('not_found', { status: 404 }))
    expect(result).toMatchObject({
      kind: 'answered',
      judged: [{ answer: { kind: 'absent' }, status: 404, hash: null }],
      unlisted: [],
    })
  })

  test('not_modified: only for what is known', async () => {
    const known = unitOf('lookup', ['A'], {
      payloadHash: 'h',
      normalizerVersion: 1,
      validators: { etag: '"1"', lastModified: null },
    })
    const { result, client } = await ask(known, () => answered('not_modified'))
    expect(outcome(result)).toEqual({ 'uei:A': 'not_modified' })
    expect(client.requests[0]?.validators).toEqual({ etag: '"1"', lastModified: null })
    const { result: nothing } = await ask(lookup, () => answered('not_modified'))
    expect(nothing).toMatchObject({
      kind: 'answered',
      judged: [{ answer: { kind: 'failed', errorClass: 'malformed', reason: expect.stringContaining('304') } }],
    })
  })

  test('not_modified on a later page makes no sense: rejected, whatever the pages before said', async () => {
    const { result } = await ask(batch, (_request, index) =>
      index === 0 ? ok({ rows: [{ id: 'A' }], next: '1' }) : answered('not_modified'),
    )
    expect(result).toMatchObject({ kind: 'rejected', calls: 2, reason: expect.stringContaining('304') })
  })

  test.each<ResponseClass>(['invalid_request', 'malformed'])(
    '%s: rejected as a whole, with the answer to look at',
    async (responseClass) => {
      const { result } = await ask(batch, () => answered(responseClass, { reason: 'no good', json: { oops: 1 } }))
      expect(outcome(result)).toEqual({ 'uei:A': 'failed', 'uei:B': 'failed' })
      expect(result).toMatchObject({
        kind: 'rejected',
        reason: 'no good',
        view: { text: '{"oops":1}' },
        judged: [{ answer: { errorClass: responseClass, reason: 'no good' } }, {}],
      })
    },
  )

  test('transient: each entity fails and backs off, also when no answer arrived', async () => {
    const { result } = await ask(batch, () => answered('transient', { reason: 'connection reset', calls: 3 }))
    expect(result).toMatchObject({
      kind: 'answered',
      calls: 3,
      unlisted: [],
      judged: [{ answer: { kind: 'failed', errorClass: 'transient', reason: 'connection reset' }, status: null }, {}],
    })
  })

  test.each<[ResponseClass, 'failed' | 'parked', string, EndingCode]>([
    ['auth', 'failed', 'the provider refused the credentials: because', 'credentials'],
    ['rate_limited', 'parked', 'the provider says later: because', 'rate_limited'],
    ['quota_exhausted', 'parked', 'the provider says later: because', 'quota'],
    ['source_down', 'parked', 'the source is down: because', 'source_down'],
  ])('%s: the entities are not at fault; the partition stops as %s', async (responseClass, status, reason, code) => {
    const { result } = await ask(batch, () => answered(responseClass, { reason: 'because', until: 99 }))
    expect(result).toEqual({ kind: 'stopped', ending: { status, reason, until: 99, code }, calls: 1, quotaWaitMs: 0 })
  })

  test.each<[Refusal, string, EndingCode | undefined]>([
    ['breaker_open', 'parked', 'breaker_open'],
    ['quota', 'parked', 'quota'],
    ['budget', 'parked', 'budget'],
    ['aborted', 'interrupted', undefined],
    ['credential', 'failed', 'credentials'],
  ])('refused for %s: nothing was asked, the partition stops as %s', async (why, status, code) => {
    const { result } = await ask(batch, () => refused(why, 'not now', 7))
    expect(result).toEqual({ kind: 'stopped', ending: { status, reason: 'not now', until: 7, code }, calls: 0, quotaWaitMs: 0 })
  })

  test('a class that is an answer never ends a partition', () => {
    for (const responseClass of [
      'ok',
      'empty',
      'not_found',
      'not_modified',
      'invalid_request',
      'malformed',
      'transient',
    ] as const)
      expect(endingOf(answered(responseClass))).toBeNull()
  })
})

describe('pages', () => {
  const paged =
    (pages: readonly (readonly string[])[]): Respond =>
    (request) => {
      const at = Number((request.json as { cursor: string | null }).cursor ?? '0')
      return ok({ rows: pages[at]!.map((id) => ({ id })), next: at + 1 < pages.length ? String(at + 1) : null })
    }

  test('are followed to the end before anything is said to be unlisted', async () => {
    const { result, client } = await ask(unitOf('batch', ['A', 'B', 'C']), paged([['A'], [], ['C']]))
    expect(outcome(result)).toEqual({ 'uei:A': 'record', 'uei:C': 'record' })
    expect(result).toMatchObject({ calls: 3, unlisted: [{ item: { entity: { key: 'uei:B' } } }] })
    expect(client.requests.map((request) => (request.json as { cursor: string | null }).cursor)).toEqual([null, '1', '2'])
  })

  test('a page that fails fails the unit: half an answer proves nothing', async () => {
    const { result } = await ask(batch, (_request, index) =>
      index === 0 ? ok({ rows: [{ id: 'A' }], next: '1' }) : answered('transient'),
    )
    expect(outcome(result)).toEqual({ 'uei:A': 'failed', 'uei:B': 'failed' })
  })

  test('a refusal between pages stops the partition, with the calls that were made', async () => {
    const { result } = await ask(batch, (_request, index) =>
      index === 0 ? ok({ rows: [{ id: 'A' }], next: '1' }) : refused('quota'),
    )
    expect(result).toMatchObject({ kind: 'stopped', calls: 1 })
  })

  test.each([
    ['the same again', ['1', '1']],
    ['in a circle', ['1', '2', '3', '1']],
  ])('a cursor that comes %s is rejected at once', async (_name, cursors) => {
    const { result, client } = await ask(batch, (_request, index) => ok({ rows: [], next: cursors[index]! }))
    expect(result).toMatchObject({ kind: 'rejected', reason: 'the page cursor "1" repeats itself' })
    expect(client.requests).toHaveLength(cursors.length)
  })

  test('pages without end are rejected after a hundred', async () => {
    const { result, client } = await ask(batch, (_request, index) => ok({ rows: [], next: String(index + 1) }))
    expect(result).toMatchObject({ kind: 'rejected', reason: 'more than 100 pages for one request', calls: 100 })
    expect(client.requests).toHaveLength(100)
  })
})

describe('hostile and confused answers', () => {
  test('answers about entities that were not asked for are dropped', async () => {
    const { result } = await ask(batch, () => ok(rows('A', 'X', '__proto__')))
    expect(outcome(result)).toEqual({ 'uei:A': 'record' })
  })

  test('two answers about one entity: the last stands', async () => {
    const { result } = await ask(batch, () =>
      ok({
        rows: [
          { id: 'A', v: 1 },
          { id: 'A', v: 2 },
        ],
        next: null,
      }),
    )
    expect(result).toMatchObject({ judged: [{ answer: { record: { v: 2 } } }] })
  })

  test('a body of the wrong shape is rejected as malformed, with the body to look at', async () => {
    for (const body of [{ rows: 'none' }, [], 'text', null]) {
      const { result } = await ask(batch, () => ok(body))
      expect(result).toMatchObject({
        kind: 'rejected',
        reason: 'the body has no list of rows',
        judged: [{ answer: { errorClass: 'malformed' } }, {}],
      })
    }
  })

  test('any other error of an adapter is a bug and comes out as one', async () => {
    const broken = fakeAdapter(['batch'], {
      batch: {
        ...adapter.batch!,
        parse: () => {
          throw new TypeError('undefined is not a function')
        },
      },
    })
    await expect(ask(batch, () => ok(rows('A')), broken)).rejects.toThrow(TypeError)
  })

  test('an ok without a body is a bug of the client', async () => {
    const bodiless: CallResult = {
      kind: 'answer',
      view: null,
      classified: { class: 'ok', reason: '' },
      stats: { calls: 1, quotaWaitMs: 0 },
    }
    await expect(ask(batch, () => bodiless)).rejects.toThrow('has no body')
  })
})

describe('targetOf', () => {
  const validators = { etag: '"1"', lastModified: null }

  test('sends validators only where a 304 would vouch for a record of the current normalizer', () => {
    const send = (entry: Partial<LedgerEntry>): unknown =>
      targetOf(workItem('uei:A', { validators, ...entry }), adapter).validators
    const none = { etag: null, lastModified: null }
    expect(send({ payloadHash: 'h', normalizerVersion: 1 })).toEqual(validators)
    expect(send({ payloadHash: 'h', normalizerVersion: 0 })).toEqual(none)
    expect(send({ payloadHash: null, normalizerVersion: null })).toEqual(none)
  })
})

describe('look-ups of several requests', () => {
  const stepping = fakeAdapter(['lookup'], {
    lookup: {
      request: () => ({ method: 'GET', path: '/1', label: 'step' }),
      more: (views) => (views.length < 3 ? { method: 'GET', path: `/${views.length + 1}`, label: 'step' } : null),
      parse: (last, target, _context, earlier = []) => ({
        kind: 'record',
        entity: target.entity,
        record: { seen: [...earlier, last].map((one) => one.status) },
      }),
    },
  })

  test('are asked one after the other, all answers in order, empty and missing ones too', async () => {
    const { result, client } = await ask(
      lookup,
      (_request, index) => (index === 1 ? answered('not_found') : index === 2 ? answered('empty') : ok({})),
      stepping,
    )
    expect(client.requests.map((request) => request.path)).toEqual(['/1', '/2', '/3'])
    expect(result).toMatchObject({
      kind: 'answered',
      calls: 3,
      judged: [{ status: 200, answer: { kind: 'record', record: { seen: [200, 404, 200] } } }],
    })
  })

  test('fail, stop and are refused by whichever answer says so, with all calls counted', async () => {
    const at =
      (index: number, answer: CallResult): Respond =>
      (_request, now) =>
        now === index ? answer : ok({})
    expect((await ask(lookup, at(1, answered('transient')), stepping)).result).toMatchObject({
      kind: 'answered',
      calls: 2,
      judged: [{ answer: { kind: 'failed', errorClass: 'transient' } }],
    })
    expect((await ask(lookup, at(2, answered('rate_limited')), stepping)).result).toMatchObject({ kind: 'stopped', calls: 3 })
    expect((await ask(lookup, at(1, answered('malformed')), stepping)).result).toMatchObject({ kind: 'rejected', calls: 2 })
    expect((await ask(lookup, at(1, answered('not_modified')), stepping)).result).toMatchObject({
      kind: 'rejected',
      reason: 'answer 2 of one request is 304 (not modified)',
    })
  })

  test('end after 20 answers', async () => {
    const endless = fakeAdapter(['lookup'], {
      lookup: { ...stepping.lookup!, more: () => ({ method: 'GET', path: '/again', label: 'step' }) },
    })
    const { result } = await ask(lookup, () => ok({}), endless)
    expect(result).toMatchObject({ kind: 'rejected', calls: 20, reason: 'more than 20 answers for one request' })
  })
})
