/** When a write counts as done: after the log was synced, and never when that failed. */
import { describe, expect, it } from 'vitest'
import type { SyncFile } from '../../ts/stores/sqlite/log-sync.ts'
import {
  batch,
  company,
  entry,
  event,
  lease,
  list,
  NOW,
  record,
  SOURCE,
  seedAssigned,
  upsert,
} from '../contract/store-fixtures.ts'
import { temporaryFiles } from './store-support.ts'

const files = temporaryFiles()

/** A disk that writes when the test says so. */
function slowDisk() {
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  let isSlow = false
  let syncs = 0
  const syncFile: SyncFile = () => {
    syncs += 1
    return isSlow ? new Promise((resolve, reject) => waiting.push({ resolve, reject })) : Promise.resolve()
  }
  return {
    syncFile,
    waiting,
    get syncs() {
      return syncs
    },
    slow(value: boolean) {
      isSlow = value
    },
    /** Ends the sync that is under way. */
    async end(error?: Error) {
      const one = waiting.shift()!
      if (error === undefined) one.resolve()
      else one.reject(error)
      await pause()
    },
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  promise.then(
    () => (settled = true),
    () => (settled = true),
  )
  await pause()
  return settled
}

describe('a commit', () => {
  it('is acknowledged after the sync that began after it, not after one that was under way', async () => {
    const disk = slowDisk()
    const store = await files.open({ syncFile: disk.syncFile })
    disk.slow(true)
    const first = store.upsertEntities([upsert(company('A'))], null, NOW)
    expect(await isSettled(first)).toBe(false)
    const second = store.upsertEntities([upsert(company('B'))], null, NOW)
    const third = store.upsertEntities([upsert(company('C'))], null, NOW)
    await disk.end()
    await first
    expect(await isSettled(second)).toBe(false)
    expect(disk.waiting.length).toBe(1)
    await disk.end()
    await Promise.all([second, third])
    disk.slow(false)
  })

  it('of a lease or a quota does not wait for the disk: a reboot ends them anyway', async () => {
    const disk = slowDisk()
    const store = await files.open({ syncFile: disk.syncFile })
    const [a] = await seedAssigned(store, ['A'])
    const held = await lease(store)
    disk.slow(true)
    const renewed = await store.renewLease(held, 60_000, { ms: 2, boot: 'boot-1' })
    const recorded = store.commit(batch(renewed, 1, { ledger: [entry(a!)] }))
    expect(await isSettled(recorded)).toBe(false)
    // The heartbeat goes on meanwhile.
    await store.renewLease(renewed, 60_000, { ms: 3, boot: 'boot-1' })
    await disk.end()
    await recorded
    disk.slow(false)
  })

  it('is not told to those who carry it out of the file before it is on disk', async () => {
    const disk = slowDisk()
    const path = await files.path()
    const store = await files.open({ path, syncFile: disk.syncFile })
    const [a] = await seedAssigned(store, ['A'])
    const held = await lease(store)
    disk.slow(true)
    const recorded = store.commit(batch(held, 1, { ledger: [entry(a!)], records: [record(a!)], events: [event(a!, 'e1')] }))
    await pause()
    const told = [
      list(store.events({ limit: 9 })),
      list(store.ledger(SOURCE)),
      list(store.currentRecords(SOURCE)),
      store.changeCounters(),
    ]
    for (const one of told) expect(await isSettled(one)).toBe(false)
    while (disk.waiting.length > 0) await disk.end()
    expect(await told[0]).toMatchObject([{ eventId: 'e1' }])
    await Promise.all([recorded, ...told])
    // Another process that only reads may be told of a commit whose sync is the writer's to do: it syncs by itself.
    const reader = slowDisk()
    const other = await files.open({ path, readOnly: true, syncFile: reader.syncFile })
    expect(await list(other.events({ limit: 9 }))).toMatchObject([{ eventId: 'e1' }])
    expect(reader.syncs).toBe(1)
    expect((await list(other.events({ limit: 9 }))).length).toBe(1)
    expect(reader.syncs).toBe(1)
    disk.slow(false)
  })

  it('whose sync fails is an error, and nothing is written through this process after it', async () => {
    const disk = slowDisk()
    const path = await files.path()
    const store = await files.open({ path, syncFile: disk.syncFile })
    const [a] = await seedAssigned(store, ['A'])
    const held = await lease(store)
    disk.slow(true)
    const recorded = store.commit(batch(held, 1, { ledger: [entry(a!)] }))
    const next = store.upsertEntities([upsert(company('B'))], null, NOW)
    const failed = [
      expect(recorded).rejects.toMatchObject({ code: 'store_io', recovery: 'failed' }),
      expect(next).rejects.toMatchObject({ code: 'store_io' }),
    ]
    await pause()
    await disk.end(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
    await Promise.all(failed)
    disk.slow(false)
    await expect(store.commit(batch(held, 2, { ledger: [entry(a!)] }))).rejects.toMatchObject({ code: 'store_io' })
    await expect(list(store.events({ limit: 9 }))).rejects.toMatchObject({ code: 'store_io' })
    // The next process goes on from what the disk has.
    const again = await files.open({ path })
    expect(await again.upsertEntities([upsert(company('C'))], null, NOW)).toMatchObject({ added: 1 })
  })

  it('is synced before the store is closed, and the log is let go', async () => {
    const disk = slowDisk()
    const path = await files.path()
    const store = await files.open({ path, syncFile: disk.syncFile })
    disk.slow(true)
    const added = store.upsertEntities([upsert(company('A'))], null, NOW)
    await pause()
    await store.close()
    await disk.end()
    await added
    const again = await files.open({ path })
    expect(await again.entity(company('A'))).not.toBeNull()
  })
})
