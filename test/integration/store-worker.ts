/** The other process of the store's integration tests: does one job on a state file and tells what it has done. */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { partitionKey } from '../../ts/model/keys.ts'
import type { CrashPoints } from '../../ts/runtime/ports.ts'
import { openSqliteStore, type SqliteStore } from '../../ts/stores/sqlite/open.ts'
import { batch, checkpoint, entry, event, list, NOW, record, SOURCE, upsert } from '../contract/store-fixtures.ts'
import { runScenario } from './store-scenario.ts'

export type Job =
  | { readonly kind: 'scenario'; readonly path: string; readonly crashAt: string; readonly occurrence: number }
  | {
      readonly kind: 'commits'
      readonly path: string
      readonly cohort: string
      readonly until: number
      readonly busyTimeoutMs: number
    }
  | { readonly kind: 'arrive'; readonly path: string; readonly key: string }
  | { readonly kind: 'quota'; readonly path: string; readonly limit: number; readonly perMs: number; readonly forMs: number }

/** Written with one system call before the next step, so that a kill cannot take it back. */
function tell(line: string): void {
  writeSync(1, `${line}\n`)
}

function monotonic(): { ms: number; boot: string } {
  return { ms: Number(process.hrtime.bigint()) / 1e6, boot: 'boot-1' }
}

function killAt(name: string, occurrence: number): CrashPoints {
  let seen = 0
  return {
    reach(point) {
      if (point === name) seen += 1
      if (point === name && seen === occurrence) process.kill(process.pid, 'SIGKILL')
    },
  }
}

/** Commits to one partition until its checkpoint has the version `until`; each commit touches every entity of it. */
async function commits(store: SqliteStore, cohort: string, until: number): Promise<void> {
  const partition = partitionKey(SOURCE, cohort)
  const lease = await store.acquireLease(partition, `worker-${process.pid}`, 1, monotonic())
  if (lease === null) throw new Error(`${partition} is leased`)
  const refs = (await list(store.ledger(SOURCE, cohort))).map((row) => row.entity)
  let version = (await store.checkpoint(partition))?.version ?? 0
  while (version < until) {
    version += 1
    await store.commit(
      batch(lease, version, {
        checkpoint: checkpoint(version, { partition }),
        ledger: refs.map((ref) => entry(ref, { cohort, attempts: version })),
        records: refs.map((ref) => record(ref, { payloadHash: `hash-${version}`, record: { version } })),
        events: refs.map((ref) => event(ref, `${cohort}-${version}-${ref.key}`)),
        facts: { [`version:${cohort}`]: version },
      }),
    )
    tell(`ack ${version}`)
    // A counter that all of them share: only compare-and-set keeps it right.
    for (;;) {
      const stored = await store.getState('shared')
      if (await store.putState('shared', stored?.version ?? 0, Number(stored?.value ?? 0) + 1)) break
    }
  }
  await store.releaseLease(lease)
}

async function quota(store: SqliteStore, job: Extract<Job, { kind: 'quota' }>): Promise<void> {
  const rule = { quotaPartition: 'key', kind: 'slots' as const, limit: job.limit, perMs: job.perMs }
  const end = monotonic().ms + job.forMs
  while (monotonic().ms < end) {
    const answer = await store.acquireQuota([rule], `worker-${process.pid}`, 2000, monotonic(), NOW)
    if (!answer.granted) {
      await sleep(Math.min(answer.waitMs, 20))
      continue
    }
    await sleep(((process.pid * 7) % 5) + 1)
    tell(`sent ${monotonic().ms}`)
    await sleep(2)
    await store.releaseQuota(answer.grant, monotonic())
  }
}

const job = JSON.parse(process.argv[2]!) as Job
switch (job.kind) {
  case 'scenario': {
    const store = await openSqliteStore({ path: job.path, busyTimeoutMs: 5000, crashPoints: killAt(job.crashAt, job.occurrence) })
    await runScenario(store, 1)
    await store.close()
    break
  }
  case 'commits': {
    const store = await openSqliteStore({ path: job.path, busyTimeoutMs: job.busyTimeoutMs })
    await commits(store, job.cohort, job.until)
    await store.close()
    break
  }
  case 'arrive': {
    const store = await openSqliteStore({ path: job.path, busyTimeoutMs: 20_000 })
    await store.upsertEntities([upsert({ kind: 'company', key: job.key })], 'i', NOW)
    await store.close()
    break
  }
  case 'quota': {
    const store = await openSqliteStore({ path: job.path, busyTimeoutMs: 20_000 })
    await quota(store, job)
    await store.close()
  }
}
tell('done')
