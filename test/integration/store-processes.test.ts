/** Several processes on one state file: all of them get through, and what they wrote adds up. */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { partitionKey } from '../../ts/model/keys.ts'
import { codeOf, JUDGE, list, NOW, SOURCE, seed, upsert } from '../contract/store-fixtures.ts'
import { mostInWindow } from '../property/store-quota-model.ts'
import { startWorker, temporaryFiles, told } from './store-support.ts'

const files = temporaryFiles()

describe('several processes', () => {
  it('that start together on a new file all succeed', async () => {
    const path = await files.path()
    const workers = Array.from({ length: 6 }, (_, index) => startWorker({ kind: 'arrive', path, key: `K${index}` }))
    for (const ended of await Promise.all(workers.map((worker) => worker.ended)))
      expect(ended, ended.errors).toMatchObject({ code: 0 })
    const store = await files.open({ path })
    expect(await store.countEntities()).toEqual({ company: 6 })
  })

  it('commit to partitions of their own without seeing each other', async () => {
    const path = await files.path()
    const cohorts = ['a', 'b', 'c', 'd']
    const setup = await files.open({ path })
    const keys = Array.from({ length: 80 }, (_, index) => `K${index}`)
    await setup.upsertEntities(
      keys.map((key) => upsert({ kind: 'company', key })),
      'i',
      NOW,
    )
    await setup.assign(
      SOURCE,
      ['company'],
      ({ key }) => ({ cohort: cohorts[Number(key.slice(1)) % 4]!, unresolvable: null }),
      NOW,
    )

    const until = 60
    const workers = cohorts.map((cohort) => startWorker({ kind: 'commits', path, cohort, until, busyTimeoutMs: 30_000 }))
    for (const ended of await Promise.all(workers.map((worker) => worker.ended))) {
      expect(ended, ended.errors).toMatchObject({ code: 0 })
      expect(told(ended, 'ack')).toHaveLength(until)
    }
    expect((await setup.getState('shared'))?.value).toBe(cohorts.length * until)
    expect(await list(setup.events({ limit: 100_000 }))).toHaveLength(keys.length * until)
    expect((await list(setup.ledger(SOURCE))).every((row) => row.attempts === until)).toBe(true)
    for (const cohort of cohorts) expect((await setup.checkpoint(partitionKey(SOURCE, cohort)))?.version).toBe(until)
  })

  it('share one quota: no window holds more than the limit', async () => {
    const path = await files.path()
    const store = await files.open({ path })
    const job = { kind: 'quota', path, limit: 5, perMs: 300, forMs: 2000 } as const
    const workers = Array.from({ length: 3 }, () => startWorker(job))
    await sleep(900)
    workers[0]!.child.kill('SIGKILL')
    const ended = await Promise.all(workers.map((worker) => worker.ended))
    const arrivals = ended.flatMap((end) => told(end, 'sent'))
    expect(mostInWindow(arrivals, job.perMs)).toBeLessThanOrEqual(job.limit)
    expect(arrivals.length).toBeGreaterThan(job.limit)
    await store.close()
  })

  it('a writer waits for another without blocking the event loop, then gives up with store_busy', async () => {
    const path = await files.path()
    const store = await files.open({ path, busyTimeoutMs: 10_000 })
    const impatient = await files.open({ path, busyTimeoutMs: 60 })
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    let ticks = 0
    const timer = setInterval(() => {
      ticks += 1
    }, 10)
    const write = seed(store, ['A'])
    expect(await codeOf(impatient.putState('x', 0, 1))).toBe('store_busy')
    // Readers are not disturbed.
    expect(await store.countEntities()).toEqual({})
    expect(await store.partitionStats(SOURCE, JUDGE)).toEqual([])
    await sleep(300)
    other.exec('COMMIT')
    other.close()
    await write
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(3)
    expect(await store.countEntities()).toEqual({ company: 1 })
  })

  it('a reader sees whole states while another process writes, and disturbs nothing', async () => {
    const path = await files.path()
    const setup = await files.open({ path })
    await setup.upsertEntities([upsert({ kind: 'company', key: 'K0' }), upsert({ kind: 'company', key: 'K1' })], 'i', NOW)
    await setup.assign(SOURCE, ['company'], () => ({ cohort: 'a', unresolvable: null }), NOW)
    const worker = startWorker({ kind: 'commits', path, cohort: 'a', until: 200, busyTimeoutMs: 10_000 })
    const reader = await files.open({ path, readOnly: true })
    let isDone = false
    void worker.ended.then(() => {
      isDone = true
    })
    let last = 0
    while (!isDone) {
      const rows = await list(reader.ledger(SOURCE, 'a'))
      expect(new Set(rows.map((row) => row.attempts)).size).toBe(1)
      expect(rows[0]!.attempts).toBeGreaterThanOrEqual(last)
      last = rows[0]!.attempts
      await sleep(1)
    }
    expect(await worker.ended).toMatchObject({ code: 0 })
    expect((await list(reader.ledger(SOURCE, 'a')))[0]!.attempts).toBe(200)
    expect(await codeOf(reader.putState('x', 0, 1))).toBe('store_read_only')
  })
})
