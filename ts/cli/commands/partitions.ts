import { didYouMean } from '../../config/suggest.ts'
import type { Checkpoint } from '../../model/checkpoint.ts'
import { EngineError } from '../../model/errors.ts'
import { type PartitionKey, partitionKey, type SourceId } from '../../model/keys.ts'
import { toIso, toIsoOrNull } from '../../model/time.ts'
import { backoffText, type PassBackoff, passBackoffs } from '../../refresh/pass-backoff.ts'
import type { PartitionStats } from '../../stores/store.ts'
import { defineCommand, flag } from '../command.ts'
import type { CliContext } from '../context.ts'
import type { EngineHandle } from '../engine.ts'
import { instant, number, plainText, plural } from '../format.ts'
import { PROGRAM } from '../help.ts'
import { judgeOf } from '../judge.ts'
import { sourceOption, sourcesOrAll } from '../selection.ts'
import { type Column, formatTable } from '../table.ts'

type Row = PartitionStats & {
  readonly partition: string
  readonly checkpoint: Checkpoint['status'] | null
  readonly leased: boolean
}

export const partitions = defineCommand({
  name: 'partitions',
  summary: 'List the partitions (source:cohort) with what is fresh, due and stale in each',
  options: { source: sourceOption, due: flag('Only those with something due'), stale: flag('Only those with something stale') },
  examples: [
    { command: 'partitions --source usaspending', does: 'All cohorts of one source.' },
    { command: 'partitions --stale --json', does: 'What needs work, as data.' },
  ],
  async handler(context, args) {
    const loaded = await context.config()
    const sources = sourcesOrAll(args.source, loaded)
    const engine = await context.engine({ readOnly: true })
    const now = engine.clock.now()
    const rows: Row[] = []
    for (const source of sources) rows.push(...(await partitionRows(engine, source)))
    const shown = rows.filter((row) => (!args.due || row.due > 0) && (!args.stale || row.stale > 0))
    const waiting = await waitingPasses(engine, sources)
    const document = {
      at: toIso(now),
      partitions: shown.map(rowDocument),
      waiting_passes: waiting.map(({ partition, failures, failedAt, nextAttemptAt, reason }) => ({
        partition,
        failures,
        failed_at: toIso(failedAt),
        next_attempt_at: toIso(nextAttemptAt),
        reason,
      })),
    }
    await context.show(document, () => partitionsText(shown, context))
    noteWaiting(context, waiting)
    if (rows.length === 0) context.note('There are no partitions yet. After `ingest`, `plan` or `refresh` places the entities.')
  },
})

type WaitingPass = PassBackoff & { readonly partition: PartitionKey }

/** Passes over whole sources that failed and wait; entities that wait are counted with their cohorts. */
export async function waitingPasses(engine: EngineHandle, sources: readonly SourceId[]): Promise<readonly WaitingPass[]> {
  const waiting: WaitingPass[] = []
  for (const source of sources)
    for (const [cohort, backoff] of await passBackoffs(engine.store, source, engine.clock.now()))
      waiting.push({ ...backoff, partition: partitionKey(source, cohort) })
  return waiting
}

export function noteWaiting(context: CliContext, waiting: readonly WaitingPass[]): void {
  for (const { partition, ...backoff } of waiting) context.note(plainText(backoffText(partition, backoff)))
}

async function partitionRows(engine: EngineHandle, source: string): Promise<readonly Row[]> {
  const { store, clock } = engine
  const stats = await store.partitionStats(source, judgeOf(engine, source))
  const checkpoints = new Map((await store.checkpoints(source)).map((checkpoint) => [checkpoint.partition, checkpoint.status]))
  const leased = new Set((await store.leases(clock.monotonic())).map((lease) => lease.partition))
  return stats.map((row) => {
    const partition = partitionKey(source, row.cohort)
    return { ...row, partition, checkpoint: checkpoints.get(partition) ?? null, leased: leased.has(partition) }
  })
}

function rowDocument(row: Row) {
  return {
    partition: row.partition,
    source: row.source,
    cohort: row.cohort,
    population: row.population,
    fresh: row.fresh,
    due: row.due,
    stale: row.stale,
    never_attempted: row.neverAttempted,
    backing_off: row.backingOff,
    unresolved: row.unresolved,
    pending: row.pending,
    oldest_success_at: toIsoOrNull(row.oldestSuccessAt),
    newest_attempt_at: toIsoOrNull(row.newestAttemptAt),
    checkpoint: row.checkpoint,
    leased: row.leased,
  }
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'partition', value: (row) => row.partition },
  { title: 'entities', value: (row) => number(row.population), align: 'right' },
  { title: 'fresh', value: (row) => number(row.fresh), align: 'right' },
  { title: 'due', value: (row) => number(row.due), align: 'right' },
  { title: 'stale', value: (row) => number(row.stale), align: 'right' },
  { title: 'backing off', value: (row) => number(row.backingOff), align: 'right' },
  { title: 'unresolved', value: (row) => number(row.unresolved), align: 'right' },
  { title: 'oldest success', value: (row) => instant(row.oldestSuccessAt) },
  { title: 'last attempt', value: (row) => instant(row.newestAttemptAt) },
  { title: 'pass', value: (row) => (row.leased ? 'running' : row.checkpoint === 'open' ? 'to be resumed' : '') },
]

function partitionsText(rows: readonly Row[], { tableWidth, bold }: CliContext): string {
  if (rows.length === 0) return 'No partition fits.\n'
  return `${formatTable(rows, COLUMNS, tableWidth, bold)}${plural(rows.length, 'partition')}\n`
}

/** For commands that name a partition which must exist. */
export function unknownPartition(written: string, known: readonly string[]): EngineError {
  return new EngineError('usage', 'unknown_partition', `there is no checkpoint of "${written}"${didYouMean(written, known)}`, {
    hint: `see: ${PROGRAM} checkpoints list`,
  })
}
