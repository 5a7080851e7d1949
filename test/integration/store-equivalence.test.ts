/** The two stores give the same answers to any sequence of calls: what one gets wrong, the other shows. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isEngineError } from '../../ts/model/errors.ts'
import { partitionKey } from '../../ts/model/keys.ts'
import { type LedgerEntry, OUTCOMES } from '../../ts/model/ledger.ts'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import type { CommitBatch, Judge, Store } from '../../ts/stores/store.ts'
import {
  at,
  batch,
  COHORT,
  checkpoint,
  company,
  entry,
  event,
  identity,
  list,
  NOW,
  pendingChange,
  record,
  SOURCE,
  upsert,
} from '../contract/store-fixtures.ts'
import { checkQuota, rule, steps } from '../property/store-quota-model.ts'
import { temporaryFiles } from './store-support.ts'

const files = temporaryFiles()
const KEYS = ['A', 'B', 'C', 'D', 'E', 'F']
const FEED = partitionKey(SOURCE, 'change_feed')

const key = fc.constantFrom(...KEYS)
const moment = fc.integer({ min: 0, max: 12 }).map((step) => NOW + step)
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null })

const row: fc.Arbitrary<LedgerEntry> = fc
  .record({
    key,
    lastAttemptAt: maybe(moment),
    lastSuccessAt: maybe(moment),
    outcome: maybe(fc.constantFrom(...OUTCOMES)),
    nextAttemptAt: maybe(moment),
    consecutiveFailures: fc.nat(2),
    pendingSince: maybe(moment),
    attempts: fc.nat(5),
  })
  .map(({ key: name, ...facts }) => entry(company(name), facts))

const action = fc.oneof(
  fc.record({
    kind: fc.constant('upsert' as const),
    key,
    attributes: fc.constantFrom({}, { uei: 'U' }, { uei: 'U', n: 1 }),
    aliases: fc.subarray(['x', 'y']),
  }),
  fc.constant({ kind: 'assign' as const }),
  fc.record({ kind: fc.constant('pending' as const), keys: fc.array(key, { maxLength: 3 }), at: moment }),
  fc.record({ kind: fc.constant('identity' as const), key, decidedBy: fc.constantFrom('user' as const, 'computed' as const) }),
  fc.record({
    kind: fc.constant('commit' as const),
    rows: fc.array(row, { maxLength: 5 }),
    records: fc.array(fc.record({ key, hash: fc.constantFrom('1', '2'), present: fc.boolean() }), { maxLength: 2 }),
    events: fc.array(fc.record({ key, id: fc.constantFrom('1', '2', '3') }), { maxLength: 2 }),
    pending: fc.array(fc.record({ key, at: moment }), { maxLength: 1 }),
    proof: maybe(fc.record({ asOf: moment, knownSince: moment })),
    onFeed: fc.boolean(),
  }),
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

async function apply(store: Store, step: Action): Promise<unknown> {
  switch (step.kind) {
    case 'upsert':
      return store.upsertEntities([upsert(company(step.key), step.attributes, { aliases: step.aliases })], 'i', NOW)
    case 'assign':
      return store.assign(
        SOURCE,
        ['company'],
        ({ attributes }) =>
          attributes['uei'] === undefined
            ? { cohort: 'unresolved', unresolvable: 'no UEI' }
            : { cohort: COHORT, unresolvable: null },
        NOW,
      )
    case 'pending':
      return store.addPending(step.keys.map((name) => pendingChange(company(name), { at: step.at })))
    case 'identity':
      return store.putIdentities([identity(company(step.key), { decidedBy: step.decidedBy })])
    case 'commit':
      return commit(store, step)
  }
}

async function commit(store: Store, step: Extract<Action, { kind: 'commit' }>): Promise<unknown> {
  const partition = step.onFeed ? FEED : partitionKey(SOURCE, COHORT)
  const lease = (await store.acquireLease(partition, 'holder', 1000, at(0)))!
  const version = ((await store.checkpoint(partition))?.version ?? 0) + 1
  const changes: Partial<CommitBatch> = {
    checkpoint: checkpoint(version, { partition }),
    ledger: step.rows,
    records: step.records.map(({ key: name, hash, present }) =>
      record(company(name), { payloadHash: hash, present, record: { hash } }),
    ),
    events: step.events.map(({ key: name, id }) => event(company(name), id)),
    pending: step.pending.map(({ key: name, at: when }) => pendingChange(company(name), { at: when })),
    ...(step.proof === null ? {} : { provenUnchanged: { ...step.proof, responseStatus: 200, outcome: 'unchanged' as const } }),
  }
  try {
    return await store.commit(batch(lease, version, changes))
  } finally {
    await store.releaseLease(lease)
  }
}

/** The result of a call, or the code of its error. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    if (isEngineError(error)) return error.code
    throw error
  }
}

/** The result of a step and the partitions whose change counter it moved (by how much is the store's own affair). */
async function observe(store: Store, step: Action): Promise<unknown> {
  const before = await store.changeCounters()
  const result = await outcome(apply(store, step))
  const after = await store.changeCounters()
  return {
    result,
    changed: [...after].filter(([partition, count]) => count > (before.get(partition) ?? 0)).map(([partition]) => partition),
  }
}

async function everything(store: Store, judge: Judge): Promise<unknown> {
  const query = { source: SOURCE, cohort: COHORT, notAttemptedSince: judge.now - 2, limit: null } as const
  return {
    entities: await list(store.entities('company')),
    ledger: await list(store.ledger(SOURCE)),
    records: await list(store.currentRecords(SOURCE)),
    events: await list(store.events({ limit: 99 })),
    stats: await store.partitionStats(SOURCE, judge),
    due: await list(store.workItems({ ...query, select: 'due', notAttemptedSince: null }, judge)),
    all: await list(store.workItems({ ...query, select: 'all' }, judge)),
    few: await list(store.workItems({ ...query, select: 'all', limit: 2 }, judge)),
    pending: await store.pending(),
    identities: await store.identities({ limit: 99 }),
    sizes: await store.cohortSizes(SOURCE),
    checkpoints: await store.checkpoints(),
    aliases: await store.entitiesByAlias('company', ['x', 'y', 'A']),
  }
}

describe('sqlite and memory', () => {
  it('answer alike to any sequence of calls', async () => {
    const judge = fc.record({ now: moment, cadenceMs: fc.nat(8), slaMs: fc.nat(8) })
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), judge, async (script, thresholds) => {
        const sqlite = await files.open()
        const memory = openMemoryStore()
        // Most sequences begin with something to work on.
        const opening: Action[] = [
          ...KEYS.slice(0, 4).map((name): Action => ({ kind: 'upsert', key: name, attributes: { uei: 'U' }, aliases: [] })),
          { kind: 'assign' },
        ]
        for (const step of [...opening, ...script]) expect(await observe(sqlite, step)).toEqual(await observe(memory, step))
        expect(await everything(sqlite, thresholds)).toEqual(await everything(memory, thresholds))
        await sqlite.close()
      }),
      { numRuns: 100 },
    )
  })

  it('keep the same quota: no window above the limit, no refusal without need', async () => {
    const sqlite = await files.open()
    let run = 0
    await fc.assert(
      fc.asyncProperty(rule, steps, async (limits, script) => {
        run += 1
        await checkQuota(sqlite, `key-${run}`, limits, script)
      }),
      { numRuns: 60 },
    )
  })
})
