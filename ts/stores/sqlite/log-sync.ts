/**
 * fsync of the write-ahead log on a thread of its own. SQLite would call it inside COMMIT, on the thread that also speaks
 * HTTP, and wait there for the disk. Here SQLite only appends (`synchronous = NORMAL` still syncs around its checkpoints), and
 * whoever committed waits for the sync before anything is acknowledged: the same promise, and the event loop runs meanwhile.
 * The log is one sequence, so a sync covers all commits before it, and those that come while one is under way share the next.
 */
import { closeSync, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import { EngineError, messageOf } from '../../model/errors.ts'

/** Resolves when what was written to the descriptor is on disk. Injected by tests alone. */
export type SyncFile = (descriptor: number) => Promise<void>

export class LogSync {
  private readonly path: string
  private readonly readOnly: boolean
  private readonly syncFile: SyncFile
  private descriptor: number | null = null
  private running: Promise<void> | null = null
  private next: Promise<void> | null = null
  private failure: EngineError | null = null
  private isClosed = false

  /** `path`: of the database; the log lies beside it, from the first commit until the last connection closes. */
  constructor(path: string, readOnly: boolean, syncFile: SyncFile = promisify(fdatasync)) {
    this.path = path
    this.readOnly = readOnly
    this.syncFile = syncFile
  }

  /** True while commits wait for the disk. */
  get isBusy(): boolean {
    return this.running !== null
  }

  /** After a failed sync the system may have forgotten what it did not write, and the next sync would say that all is well. */
  assertWorks(): void {
    if (this.failure !== null) throw this.failure
  }

  /** Resolves when everything that was committed before the call is on disk. Throws `store_io`. */
  sync(): Promise<void> {
    if (this.running === null) return this.start()
    this.next ??= this.running.then(
      () => this.start(),
      () => this.start(),
    )
    return this.next
  }

  /** A sync that is under way ends first; closing the last connection syncs what is left. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    if (this.running === null) this.release()
  }

  private start(): Promise<void> {
    this.next = null
    this.running = this.syncOnce().finally(() => {
      // A waiting sync takes over in the same turn; nobody may see the log as idle in between.
      if (this.next === null) this.running = null
      if (this.isClosed && this.next === null) this.release()
    })
    return this.running
  }

  private async syncOnce(): Promise<void> {
    this.assertWorks()
    try {
      this.descriptor ??= openSync(`${this.path}-wal`, this.readOnly ? 'r' : 'r+')
      await this.syncFile(this.descriptor)
    } catch (error) {
      // Closed in between: the connection that closed it has folded the log into the file and synced that.
      // And who only reads has promised nothing: there may be no log, or (Windows) no way to sync what one may not write.
      if (this.isClosed || this.readOnly) return
      this.failure = new EngineError('failed', 'store_io', `${this.path}: the log could not be synced: ${messageOf(error)}`, {
        hint: 'Check free space and the health of the disk. Then run the same command again.',
        cause: error,
      })
      throw this.failure
    }
  }

  private release(): void {
    if (this.descriptor !== null) closeSync(this.descriptor)
    this.descriptor = null
  }
}
