/** Opening: whatever is wrong with the file is named, with what to do, and the file stays as it was. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { EngineError } from '../../ts/model/errors.ts'
import { MIGRATIONS, type Migration } from '../../ts/stores/sqlite/migrate.ts'
import { openSqliteStore, type SqliteStoreOptions } from '../../ts/stores/sqlite/open.ts'
import { SOURCE, seedAssigned } from '../contract/store-fixtures.ts'
import { temporaryFiles } from './store-support.ts'

const files = temporaryFiles()

async function refusalOf(path: string, options: Partial<SqliteStoreOptions> = {}): Promise<EngineError> {
  try {
    const store = await openSqliteStore({ path, busyTimeoutMs: 50, ...options })
    await store.close()
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
  throw new Error('was opened')
}

/** A closed state file with two entities. */
async function stateFile(): Promise<string> {
  const path = await files.path()
  const store = await openSqliteStore({ path, busyTimeoutMs: 5000 })
  await seedAssigned(store, ['A', 'B'])
  await store.close()
  return path
}

/** Expects a refusal with this code that leaves the file, and what lies beside it, as it was. */
async function expectRefused(path: string, code: string, options: Partial<SqliteStoreOptions> = {}): Promise<void> {
  const before = readFileSync(path)
  const beside = readdirSync(dirname(path)).filter((name) => !/-(wal|shm)$/.test(name))
  const error = await refusalOf(path, options)
  expect(error).toMatchObject({ code, recovery: 'configuration' })
  expect(error.hint, error.message).toBeTruthy()
  expect(readFileSync(path).equals(before)).toBe(true)
  expect(readdirSync(dirname(path)).filter((name) => !/-(wal|shm)$/.test(name))).toEqual(beside)
}

function setPragma(path: string, pragma: string): void {
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA ${pragma}`)
  database.close()
}

describe('a new file', () => {
  it('is made with its directories, for its owner only, and leaves nothing beside it', async () => {
    const path = join(dirname(await files.path()), 'deep', 'er', 'state.sqlite')
    const store = await files.open({ path })
    expect(await store.countEntities()).toEqual({})
    expect(statSync(path).mode & 0o777).toBe(0o600)
    await seedAssigned(store, ['A'])
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600)
    await store.close()
    expect(readdirSync(dirname(path))).toEqual(['state.sqlite'])
  })

  it('sweeps what dead processes left half made, and only that', async () => {
    const path = await files.path()
    const dead = `${path}.new-999999999-1`
    const alive = `${path}.new-${process.pid}-1`
    for (const name of [dead, `${dead}-journal`, alive, `${path}.new-notes`]) writeFileSync(name, 'x')
    await files.open({ path })
    expect(existsSync(dead)).toBe(false)
    expect(existsSync(`${dead}-journal`)).toBe(false)
    expect(existsSync(alive)).toBe(true)
    expect(existsSync(`${path}.new-notes`)).toBe(true)
  })

  it('is not made by a command that only reads', async () => {
    const path = await files.path()
    expect(await refusalOf(path, { readOnly: true })).toMatchObject({ code: 'store_missing', recovery: 'configuration' })
    expect(readdirSync(dirname(path))).toEqual([])
  })

  it('is not made over the log of a file that was lost', async () => {
    const path = await files.path()
    writeFileSync(`${path}-wal`, 'pages')
    expect(await refusalOf(path)).toMatchObject({ code: 'store_unreadable' })
    expect(existsSync(path)).toBe(false)
  })

  it('is not made where a directory cannot be', async () => {
    const path = await files.path()
    writeFileSync(path, 'x')
    expect(await refusalOf(join(path, 'state.sqlite'))).toMatchObject({ code: 'store_unreadable' })
  })
})

describe('a file that is not what it should be', () => {
  it('is refused when it is no database, empty, or a directory', async () => {
    const text = await files.path()
    writeFileSync(text, 'not a database, but long enough to have a header. '.repeat(100))
    await expectRefused(text, 'store_unreadable')
    const empty = await files.path()
    writeFileSync(empty, '')
    await expectRefused(empty, 'store_unreadable')
    const directory = await files.path()
    mkdirSync(directory)
    expect(await refusalOf(directory)).toMatchObject({ code: 'store_unreadable' })
  })

  it('is refused when a table, a column or an index of its schema is gone', async () => {
    for (const change of ['DROP TABLE ledger', 'ALTER TABLE checkpoint RENAME TO other', 'DROP INDEX']) {
      const path = await stateFile()
      const database = new DatabaseSync(path)
      const { name } = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").get() as {
        name: string
      }
      database.exec(change === 'DROP INDEX' ? `DROP INDEX ${name}` : change)
      database.close()
      await expectRefused(path, 'store_unreadable')
      await expectRefused(path, 'store_unreadable', { readOnly: true })
    }
  })

  it('is refused when somebody added a column that every row must fill; others do no harm', async () => {
    const path = await stateFile()
    const database = new DatabaseSync(path)
    database.exec('ALTER TABLE ledger ADD COLUMN note TEXT; ALTER TABLE ledger ADD COLUMN score INTEGER NOT NULL DEFAULT 0')
    database.exec('CREATE TABLE foreign_one (required TEXT NOT NULL)')
    database.close()
    await (await openSqliteStore({ path, busyTimeoutMs: 50 })).close()
    const again = new DatabaseSync(path)
    const { sql } = again.prepare("SELECT sql FROM sqlite_schema WHERE name = 'checkpoint'").get() as {
      sql: string
    }
    again.exec('ALTER TABLE checkpoint RENAME TO was')
    again.exec(sql.replace('(', '(required TEXT NOT NULL, '))
    again.exec('DROP TABLE was')
    again.close()
    await expectRefused(path, 'store_unreadable')
    expect((await refusalOf(path)).message).toContain('required')
  })

  it('is refused when it was cut off', async () => {
    const path = await stateFile()
    for (const size of [statSync(path).size - 4096, 10_000, 4096, 99]) {
      truncateSync(path, size)
      await expectRefused(path, 'store_unreadable')
    }
  })

  it('is refused when a page of its structure was damaged', async () => {
    const path = await stateFile()
    const bytes = readFileSync(path)
    // The first byte of a page says what kind it is.
    for (const page of [1, 2, 5]) {
      const damaged = Buffer.from(bytes)
      damaged[page * 4096] = damaged[page * 4096]! ^ 0x40
      writeFileSync(path, damaged)
      await expectRefused(path, 'store_unreadable')
    }
  })

  it('is refused when it is large and its end is missing', async () => {
    const path = await files.path()
    const store = await openSqliteStore({ path, busyTimeoutMs: 5000 })
    await store.addQuarantine(
      Array.from({ length: 700 }, (_, index) => ({
        id: `q${index}`,
        origin: 'ingest',
        where: 'x',
        reason: 'x',
        payload: 'p'.repeat(65_536),
        at: index,
      })),
    )
    await store.close()
    expect(statSync(path).size).toBeGreaterThan(40_000_000)
    await (await openSqliteStore({ path, busyTimeoutMs: 5000 })).close()
    truncateSync(path, statSync(path).size - 4096)
    await expectRefused(path, 'store_unreadable')
  })

  it('names damage that only shows when it is read', async () => {
    const path = await stateFile()
    const database = new DatabaseSync(path)
    database.exec("UPDATE entity SET attributes = '{\"cut'")
    database.close()
    const store = await files.open({ path })
    await expect(store.items(SOURCE, [{ kind: 'company', key: 'A' }])).rejects.toMatchObject({ code: 'store_unreadable' })
  })

  it('is refused when it belongs to another program', async () => {
    const path = await files.path()
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)')
    database.close()
    await expectRefused(path, 'store_foreign')
  })

  it('is refused when its schema is newer, or too old to be upgraded', async () => {
    const path = await stateFile()
    setPragma(path, 'user_version = 999')
    await expectRefused(path, 'store_newer')
    setPragma(path, 'user_version = 0')
    await expectRefused(path, 'no_upgrade_path')
  })

  it('is refused while another program keeps it to itself', async () => {
    const path = await stateFile()
    const other = new DatabaseSync(path)
    other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    const error = await refusalOf(path)
    expect(error).toMatchObject({ code: 'store_locked' })
    other.exec('ROLLBACK')
    other.close()
    await (await openSqliteStore({ path, busyTimeoutMs: 5000 })).close()
  })

  it.skipIf(process.platform !== 'linux')('is refused on a network file system', async () => {
    const path = await stateFile()
    await expectRefused(path, 'store_network_fs', { statType: () => 0x6969 })
    const fresh = await files.path()
    expect(await refusalOf(fresh, { statType: () => 0xfe534d42 })).toMatchObject({
      code: 'store_network_fs',
      message: expect.stringContaining('SMB'),
    })
    expect(existsSync(fresh)).toBe(false)
  })

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('is refused when this user may not write it', async () => {
    const path = await stateFile()
    chmodSync(path, 0o400)
    await expectRefused(path, 'store_unreadable')
    await (await openSqliteStore({ path, busyTimeoutMs: 50, readOnly: true })).close()
  })
})

describe('upgrades', () => {
  const second: Migration = {
    version: MIGRATIONS.at(-1)!.version + 1,
    name: 'second',
    sql: ['CREATE TABLE extra (x INTEGER) STRICT', 'INSERT INTO extra VALUES (1)'],
  }
  const version = (path: string): unknown => {
    const database = new DatabaseSync(path, { readOnly: true })
    const row = database.prepare('PRAGMA user_version').get()!['user_version']
    database.close()
    return row
  }

  it('run once, keep what is there, and make a new file at the same schema', async () => {
    const path = await stateFile()
    for (let opening = 0; opening < 2; opening += 1) {
      const store = await openSqliteStore({ path, busyTimeoutMs: 5000, migrations: [...MIGRATIONS, second] })
      expect(await store.countEntities()).toEqual({ company: 2 })
      await store.close()
    }
    expect(version(path)).toBe(second.version)
    const fresh = await files.path()
    await (await openSqliteStore({ path: fresh, busyTimeoutMs: 5000, migrations: [...MIGRATIONS, second] })).close()
    expect(version(fresh)).toBe(second.version)
    await expectRefused(path, 'store_newer')
  })

  it('that fail leave the file as it was', async () => {
    const path = await stateFile()
    const broken: Migration = { ...second, sql: ['CREATE TABLE extra (x)', 'INSERT INTO nowhere VALUES (1)'] }
    await expect(openSqliteStore({ path, busyTimeoutMs: 5000, migrations: [...MIGRATIONS, broken] })).rejects.toThrow('nowhere')
    expect(version(path)).toBe(MIGRATIONS.at(-1)!.version)
    const store = await files.open({ path })
    expect(await store.countEntities()).toEqual({ company: 2 })
  })

  it('are left to commands that write', async () => {
    const path = await stateFile()
    await expectRefused(path, 'no_upgrade_path', { readOnly: true, migrations: [...MIGRATIONS, second] })
  })

  it('of two openings at once happen once', async () => {
    const path = await stateFile()
    const options = { path, busyTimeoutMs: 5000, migrations: [...MIGRATIONS, second] }
    const stores = await Promise.all([openSqliteStore(options), openSqliteStore(options)])
    for (const store of stores) await store.close()
    const database = new DatabaseSync(path, { readOnly: true })
    expect(database.prepare('SELECT count(*) AS n FROM extra').get()).toMatchObject({ n: 1 })
    database.close()
  })
})

describe('copies', () => {
  it('a backup is a complete state file', async () => {
    const path = await stateFile()
    const store = await files.open({ path })
    const copy = `${path}.backup`
    await store.backup(copy)
    const restored = await openSqliteStore({ path: copy, busyTimeoutMs: 5000 })
    expect(await restored.countEntities()).toEqual({ company: 2 })
    await restored.close()
    expect(statSync(copy).mode & 0o777).toBe(0o600)
    const before = readFileSync(copy)
    for (const target of [copy, path, join(path, 'nowhere')])
      await expect(store.backup(target)).rejects.toMatchObject({ code: 'store_exists' })
    expect(readFileSync(copy).equals(before)).toBe(true)
  })

  it('a file copied with its log after a kill opens with everything in it', async () => {
    const path = await files.path()
    const store = await files.open({ path })
    await seedAssigned(store, ['A', 'B', 'C'])
    const copy = `${path}.copy`
    copyFileSync(path, copy)
    copyFileSync(`${path}-wal`, `${copy}-wal`)
    const restored = await files.open({ path: copy, readOnly: true })
    expect(await restored.countEntities()).toEqual({ company: 3 })
    await restored.close()
    unlinkSync(`${copy}-wal`)
  })
})
