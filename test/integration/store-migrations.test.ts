/** State files of earlier releases, with a history in them, brought up to date: nothing lost, nothing told twice, also after a kill. */
import { copyFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { latestVersion, MIGRATIONS } from '../../ts/stores/sqlite/migrate.ts'
import { openSqliteStore } from '../../ts/stores/sqlite/open.ts'
import { batch, company, lease, list, placeAll, SOURCE, seed } from '../contract/store-fixtures.ts'
import { temporaryFiles } from './store-support.ts'

const files = temporaryFiles()
const EVENTS = 1_234

function text(event: number): string {
  return `event-${String(event * 7919).padStart(8, '0')}`
}

/** A file of schema 2 with two sources, 300 companies and events about them, as the release of that schema wrote it. */
async function fileOfSchema2(): Promise<string> {
  const path = await files.path()
  const store = await openSqliteStore({ path, busyTimeoutMs: 5000, migrations: MIGRATIONS.slice(0, 2) })
  await seed(
    store,
    Array.from({ length: 300 }, (_, index) => `C${index}`),
  )
  await store.close()
  const database = new DatabaseSync(path)
  database.exec("INSERT INTO source (id, name) VALUES (1, 'sam_gov'), (2, 'usaspending')")
  const insert = database.prepare(
    `INSERT INTO event (event_id, source_id, entity_id, kind, at, run_id, old_hash, new_hash, changes, confidence, confidence_method)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  database.exec('BEGIN')
  for (let event = 1; event <= EVENTS; event += 1)
    insert.run(
      text(event),
      1 + (event % 2),
      1 + (event % 300),
      'changed',
      event,
      `run-${event % 5}`,
      null,
      `h${event}`,
      '[]',
      0.5,
      'm',
    )
  database.exec('COMMIT')
  expect(database.prepare('PRAGMA user_version').get()).toEqual({ user_version: 2 })
  database.close()
  return path
}

async function expectWhole(path: string): Promise<void> {
  const store = await files.open({ path })
  const events = await list(store.events({ limit: EVENTS + 1 }))
  expect(events.map(({ position, eventId }) => [position, eventId])).toEqual(
    Array.from({ length: EVENTS }, (_, index) => [index + 1, text(index + 1)]),
  )
  expect(events[6]).toEqual({
    position: 7,
    eventId: text(7),
    source: 'usaspending',
    entity: company('C7'),
    kind: 'changed',
    at: 7,
    runId: 'run-2',
    oldHash: null,
    newHash: 'h7',
    changes: [],
    confidence: 0.5,
    confidenceMethod: 'm',
  })
  expect((await list(store.events({ entity: company('C7'), limit: 10 }))).map(({ position }) => position)).toEqual([
    7, 307, 607, 907, 1207,
  ])
  // What comes next follows without a gap, and what is there already is not told again.
  const known = { ...events[6]!, source: SOURCE }
  const fresh = { ...known, eventId: 'fresh' }
  await store.assign(SOURCE, ['company'], placeAll('uei_batch_0001'), 0)
  const summary = await store.commit(batch(await lease(store), 1, { events: [known, fresh, fresh] }))
  expect(summary.eventsInserted).toBe(1)
  expect((await list(store.events({ after: EVENTS, limit: 10 }))).map(({ position, eventId }) => [position, eventId])).toEqual([
    [EVENTS + 1, 'fresh'],
  ])
}

describe('a state file of schema 2', () => {
  it('keeps its events, their positions and their ids', async () => {
    const path = await fileOfSchema2()
    await expectWhole(path)
    const database = new DatabaseSync(path, { readOnly: true })
    expect(database.prepare('PRAGMA user_version').get()).toEqual({ user_version: latestVersion(MIGRATIONS) })
    expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
    expect(database.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name LIKE '%rebuilt%'").get()).toEqual({ n: 0 })
    database.close()
  })

  it('comes to the same when the upgrade is killed in the middle, and when it fails there', async () => {
    for (const point of ['store.migrate.begin', 'store.migrate.before_commit', 'store.migrate.after_commit']) {
      const path = await fileOfSchema2()
      const left = await files.path()
      // What a killed process leaves on disk at this moment: the file and its log, with whatever was written of the transaction.
      const reach = (reached: string): void => {
        if (reached !== point) return
        copyFileSync(path, left)
        copyFileSync(`${path}-wal`, `${left}-wal`)
        throw new Error('failed there')
      }
      await expect(openSqliteStore({ path, busyTimeoutMs: 5000, crashPoints: { reach } })).rejects.toThrow('failed there')
      await expectWhole(left)
      await expectWhole(path)
    }
  })
})
