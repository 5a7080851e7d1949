/** Writes entities in batches of bounded size, each one transaction: a killed ingest is completed by running it again. */
import { EngineError } from '../model/errors.ts'
import type { EntityKind } from '../model/keys.ts'
import type { EpochMs } from '../model/time.ts'
import type { CrashPoints } from '../runtime/ports.ts'
import type { EntityUpsert, PopulationStore, UpsertSummary } from '../stores/store.ts'

export const BATCH_SIZE = 1000

export type WriterDeps = {
  readonly store: Pick<PopulationStore, 'upsertEntities'>
  readonly crashPoints: CrashPoints
  readonly ingestId: string
  readonly at: EpochMs
  readonly signal: AbortSignal | null
  readonly onWritten: (written: number) => void
}

export class EntityWriter {
  readonly #deps: WriterDeps
  readonly #tally: Partial<Record<EntityKind, UpsertSummary>> = {}
  #batch: EntityUpsert[] = []
  #written = 0

  constructor(deps: WriterDeps) {
    this.#deps = deps
  }

  get tally(): Readonly<Partial<Record<EntityKind, UpsertSummary>>> {
    return this.#tally
  }

  /** Writes full batches at once, the rest with the next call or `flush`. Batches are of one kind, so that counts can be told apart. */
  async write(entities: Iterable<EntityUpsert>): Promise<void> {
    for (const entity of entities) {
      if (this.#batch.length >= BATCH_SIZE || (this.#batch.length > 0 && this.#batch[0]!.kind !== entity.kind)) await this.flush()
      this.#batch.push(entity)
    }
  }

  async flush(): Promise<void> {
    const batch = this.#batch
    const [first] = batch
    if (first === undefined) return
    const { store, crashPoints, ingestId, at, signal, onWritten } = this.#deps
    if (signal?.aborted === true)
      throw new EngineError('interrupted', 'interrupted', 'the ingest was interrupted', {
        hint: 'Run the same command again; it goes on where it stopped',
      })
    this.#batch = []
    crashPoints.reach('ingest.before_batch')
    const summary = await store.upsertEntities(batch, ingestId, at)
    crashPoints.reach('ingest.after_batch')
    const before = this.#tally[first.kind] ?? { added: 0, changed: 0, unchanged: 0 }
    this.#tally[first.kind] = {
      added: before.added + summary.added,
      changed: before.changed + summary.changed,
      unchanged: before.unchanged + summary.unchanged,
    }
    this.#written += batch.length
    onWritten(this.#written)
  }
}
