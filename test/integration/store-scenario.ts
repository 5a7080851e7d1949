/** A piece of work that calls every writing method and can be resumed at any point, as the engine's own work can. */
import type { EntityRef } from '../../ts/model/keys.ts'
import { partitionKey } from '../../ts/model/keys.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import type { QuotaRule, Store } from '../../ts/stores/store.ts'
import {
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
  placeAll,
  record,
  SOURCE,
  upsert,
} from '../contract/store-fixtures.ts'

export const SCENARIO_COMMITS = 3
const REFS: readonly EntityRef[] = Array.from({ length: 40 }, (_, index) => company(`K${String(index).padStart(2, '0')}`))
const PARTITION = partitionKey(SOURCE, COHORT)
const RULES: readonly QuotaRule[] = [
  { quotaPartition: 'key', kind: 'slots', limit: 1000, perMs: 1 },
  { quotaPartition: 'key', kind: 'counter', limit: 1000, perMs: DAY_MS, resets: 'utc_day' },
]

/** `attempt` moves the monotonic clock on, so that a lease that a dead process left has run out. */
export async function runScenario(store: Store, attempt: number): Promise<void> {
  const monotonic = { ms: attempt * 1000, boot: 'boot-1' }
  await store.startRun({ runId: 'run-1', startedAt: NOW, command: 'scenario' })
  await store.upsertEntities(
    REFS.map((ref) => upsert(ref, { name: ref.key }, { aliases: ['shared'] })),
    'ingest-1',
    NOW,
  )
  await store.addIngest({
    ingestId: 'ingest-1',
    loader: 'test',
    file: 'a.csv',
    sha256: 'x',
    rows: REFS.length,
    at: NOW,
    detail: {},
  })
  await store.assign(SOURCE, ['company'], placeAll(COHORT), NOW)
  await store.addQuarantine([{ id: 'q1', origin: 'ingest', where: 'a.csv:1', reason: 'x', payload: 'y', at: NOW }])
  await store.setQuarantineState('q1', 'replayed')
  await store.putIdentities([identity(REFS[0]!), identity(REFS[1]!)])
  await store.clearIdentity(SOURCE, REFS[1]!)
  await store.blockQuota('other', NOW + 5, 'x')

  const first = await store.acquireLease(PARTITION, `holder-${attempt}`, 500, monotonic)
  if (first === null) throw new Error('leased')
  const lease = await store.renewLease(first, 500, monotonic)
  const version = (await store.checkpoint(PARTITION))?.version ?? 0
  if (version === 0) await store.putCheckpoint(lease, checkpoint(1))
  for (let next = Math.max(version, 1) + 1; next <= SCENARIO_COMMITS + 1; next += 1) {
    const answer = await store.acquireQuota(RULES, lease.holder, 10, monotonic, NOW)
    if (!answer.granted) throw new Error('no quota')
    await store.commit(
      batch(lease, next, {
        ledger: REFS.map((ref) => entry(ref, { attempts: next })),
        records: REFS.map((ref) => record(ref, { payloadHash: `hash-${next}`, record: { next } })),
        events: REFS.map((ref) => event(ref, `${next}-${ref.key}`)),
        facts: { feed: next },
      }),
    )
    await store.releaseQuota(answer.grant, monotonic)
  }
  const refunded = await store.acquireQuota(RULES, lease.holder, 10, monotonic, NOW)
  if (refunded.granted) await store.refundQuota(refunded.grant, monotonic)
  await store.addPending([pendingChange(REFS[2]!)])
  const breaker = await store.getState('breaker')
  if (breaker === null) await store.putState('breaker', 0, 'closed')
  await store.releaseLease(lease)
  await store.resetCheckpoint(partitionKey(SOURCE, 'none'), monotonic)
  await store.finishRun('run-1', {
    runId: 'run-1',
    startedAt: NOW,
    finishedAt: NOW + 1,
    dryRun: false,
    partitions: [],
    sources: [],
    heldBack: [],
    interrupted: false,
  })
}

/** Everything that must not depend on how often the work was interrupted. */
export async function dump(store: Store): Promise<unknown> {
  return {
    runs: await store.runs(9),
    ingests: await store.ingests(9),
    entities: await list(store.entities('company')),
    seen: (await store.seenBy(REFS, 'ingest-1'))?.size ?? null,
    shared: (await store.entitiesByAlias('company', ['shared'])).get('shared')?.length,
    ledger: await list(store.ledger(SOURCE)),
    records: await list(store.currentRecords(SOURCE)),
    events: await list(store.events({ limit: 1000 })),
    identities: await store.identities({ limit: 9 }),
    pending: await store.pending(),
    quarantine: await store.quarantine({ limit: 9 }),
    checkpoints: await store.checkpoints(),
    leases: await store.leases({ ms: 0, boot: 'boot-1' }),
    facts: [await store.getState('feed'), await store.getState('breaker')],
  }
}

/** What every observer may rely on, also right after a kill: each commit is there whole or not at all. */
export async function consistency(store: Store): Promise<{ readonly version: number; readonly problems: readonly string[] }> {
  const version = (await store.checkpoint(PARTITION))?.version ?? 0
  const rows = await list(store.ledger(SOURCE))
  const records = await list(store.currentRecords(SOURCE))
  const events = await list(store.events({ limit: 100_000 }))
  const commits = Math.max(0, version - 1)
  const problems: string[] = []
  const check = (what: string, holds: boolean): void => {
    if (!holds) problems.push(`${what} at version ${version}`)
  }
  check(
    'ledger rows',
    rows.every((row) => row.attempts === (commits === 0 ? 0 : version)),
  )
  check(
    'records',
    records.length === (commits === 0 ? 0 : REFS.length) && records.every((item) => item.payloadHash === `hash-${version}`),
  )
  check('events', events.length === commits * REFS.length && new Set(events.map(({ eventId }) => eventId)).size === events.length)
  check('fact', ((await store.getState('feed'))?.value ?? 1) === Math.max(version, 1))
  return { version, problems }
}
