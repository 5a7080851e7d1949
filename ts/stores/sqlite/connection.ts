/**
 * One connection, shared by the parts of the store: cached statements, reads in one snapshot, writes in one transaction.
 * SQLite answers at once, so a transaction never spans a turn of the event loop and two of one process never overlap.
 * Other processes do: SQLite itself waits at most `SYNC_WAIT_MS`, then the wait goes on in turns of the event loop.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CrashPoints, Random } from '../../runtime/ports.ts'
import { storeClosed } from '../errors.ts'
import type { LogSync } from './log-sync.ts'
import { isBusy, storeBusy, storeUnreadable, translate } from './sqlite-errors.ts'

/** Longest time that SQLite may block the event loop waiting for another process. */
export const SYNC_WAIT_MS = 20
const MAX_TURN_MS = 25

export type Value = SQLInputValue

/**
 * What survives. `power_loss`: `write` resolves when the commit reached the disk (fsync). `process_crash`: it survives kill -9, but a power cut
 * may take the last moments; leases and quotas live with that, because after a reboot every lease has ended and every
 * slot counts as busy for a window anyway.
 */
export type Durability = 'power_loss' | 'process_crash'

export class Connection {
  readonly path: string
  private readonly database: DatabaseSync
  private readonly busyTimeoutMs: number
  private readonly crashPoints: CrashPoints
  private readonly random: Random
  private readonly statements = new Map<string, StatementSync>()
  private readonly tupleStatements = new Map<string, StatementSync>()
  private readonly log: LogSync | null
  private othersSettledAt: number | null = null
  private isOpen = true

  constructor(
    database: DatabaseSync,
    /** `log`: syncs commits; null where SQLite does it itself (`synchronous = FULL`). */
    options: { path: string; busyTimeoutMs: number; crashPoints: CrashPoints; random: Random; log: LogSync | null },
  ) {
    this.database = database
    this.path = options.path
    this.busyTimeoutMs = options.busyTimeoutMs
    this.crashPoints = options.crashPoints
    this.random = options.random
    this.log = options.log
  }

  /** All rows. The row type is the caller's word: it stands beside the SQL that selects the columns. */
  all<Row>(sql: string, ...values: Value[]): Row[] {
    return this.statement(sql).all(...values) as Row[]
  }

  /** All rows as arrays in column order: half the price of objects where thousands are read. */
  tuples<Row extends readonly unknown[]>(sql: string, ...values: Value[]): Row[] {
    let statement = this.tupleStatements.get(sql)
    if (statement === undefined) {
      statement = this.database.prepare(sql)
      statement.setReturnArrays(true)
      this.tupleStatements.set(sql, statement)
    }
    return statement.all(...values) as unknown as Row[]
  }

  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    return this.statement(sql).get(...values) as Row | undefined
  }

  iterate<Row>(sql: string, ...values: Value[]): Iterable<Row> {
    return this.statement(sql).iterate(...values) as Iterable<Row>
  }

  getNamed<Row>(sql: string, values: Readonly<Record<string, Value>>): Row | undefined {
    return this.statement(sql).get(values) as Row | undefined
  }

  /** Number of rows changed. */
  run(sql: string, ...values: Value[]): number {
    return Number(this.statement(sql).run(...values).changes)
  }

  exec(sql: string): void {
    this.database.exec(sql)
  }

  reach(point: string): void {
    this.crashPoints.reach(point)
  }

  /** Parses JSON that this store wrote; anything else means that the file was damaged. */
  json<T>(text: string): T {
    try {
      return JSON.parse(text) as T
    } catch (error) {
      throw storeUnreadable(this.path, 'a JSON value in it is damaged', error)
    }
  }

  /** Several statements over one snapshot of the file. */
  async read<T>(work: () => T): Promise<T> {
    const since = performance.now()
    for (let turn = 0; ; turn += 1) {
      this.assertOpen()
      try {
        return this.transact('BEGIN', work)
      } catch (error) {
        await this.waitTurn(error, turn, since)
      }
    }
  }

  /**
   * One transaction. `name` makes the crash points `store.<name>.begin`, `.before_commit` and `.after_commit`. `work` runs
   * once: the wait for other processes is over before it begins. Readers may see the commit a moment before it is on disk (see
   * `settled`); whoever called is told when it is.
   */
  async write<T>(name: string, work: () => T, durability: Durability = 'power_loss'): Promise<T> {
    const since = performance.now()
    for (let turn = 0; ; turn += 1) {
      this.assertOpen()
      this.log?.assertWorks()
      try {
        this.database.exec('BEGIN IMMEDIATE')
        break
      } catch (error) {
        await this.waitTurn(error, turn, since)
      }
    }
    const result = this.finish(() => {
      this.reach(`store.${name}.begin`)
      const value = work()
      this.reach(`store.${name}.before_commit`)
      return value
    })
    if (durability === 'power_loss') await this.log?.sync()
    this.reach(`store.${name}.after_commit`)
    return result
  }

  /**
   * Resolves when what was read so far would survive a power cut, whoever committed it. For what leaves the file (exports,
   * event streams): what others keep must never be ahead of the state.
   */
  async settled(): Promise<void> {
    if (this.log === null || !this.isOpen) return
    // Changes when another connection commits.
    const { data_version: version } = this.get<{ data_version: number }>('PRAGMA data_version')!
    if (version === this.othersSettledAt && !this.log.isBusy) return
    await this.log.sync()
    this.othersSettledAt = version
  }

  /** Idempotent. The last connection to close folds the write-ahead log into the file. */
  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.statements.clear()
    this.tupleStatements.clear()
    this.database.close()
    this.log?.close()
  }

  /** For `backup` of node:sqlite. */
  get handle(): DatabaseSync {
    this.assertOpen()
    return this.database
  }

  private transact<T>(begin: string, work: () => T): T {
    this.database.exec(begin)
    return this.finish(work)
  }

  private finish<T>(work: () => T): T {
    try {
      const value = work()
      this.database.exec('COMMIT')
      return value
    } catch (error) {
      // Some errors (disk full, I/O) have rolled back already.
      if (this.database.isTransaction) this.database.exec('ROLLBACK')
      throw isBusy(error) ? error : translate(error, this.path)
    }
  }

  /** Sleeps a random while, longer each time, when the error is another process's lock; rethrows anything else. */
  private async waitTurn(error: unknown, turn: number, since: number): Promise<void> {
    if (!isBusy(error)) throw translate(error, this.path)
    const waited = performance.now() - since
    if (waited >= this.busyTimeoutMs) throw storeBusy(this.path, waited)
    await sleep(1 + this.random.next() * Math.min(MAX_TURN_MS, 2 ** turn))
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql)
    if (statement === undefined) {
      statement = this.database.prepare(sql)
      this.statements.set(sql, statement)
    }
    return statement
  }

  private assertOpen(): void {
    if (!this.isOpen) throw storeClosed()
  }
}
