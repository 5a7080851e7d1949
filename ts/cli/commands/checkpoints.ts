import type { Checkpoint } from '../../model/checkpoint.ts'
import { formatWindow } from '../../model/window.ts'
import * as arg from '../arguments.ts'
import { defineCommand, flag, positional, positionals } from '../command.ts'
import { checkpointDocument } from '../documents.ts'
import { duration, instant, number, plural } from '../format.ts'
import { knownSources, sourceOption } from '../selection.ts'
import { type Column, formatTable } from '../table.ts'
import { unknownPartition } from './partitions.ts'

export const checkpointsList = defineCommand({
  name: 'checkpoints list',
  summary: "List where each partition's last pass stands",
  options: { source: sourceOption, open: flag('Only passes that were interrupted and will be resumed') },
  examples: [
    { command: 'checkpoints list', does: 'All partitions that were ever worked on.' },
    { command: 'checkpoints list --open --json', does: 'What the next refresh resumes, as data.' },
  ],
  async handler(context, args) {
    const sources = knownSources(args.source, await context.config())
    const { store } = await context.engine({ readOnly: true })
    const all = await store.checkpoints()
    const shown = all.filter(
      (row) =>
        (!args.open || row.status === 'open') &&
        (sources.length === 0 || sources.some((source) => row.partition.startsWith(`${source}:`))),
    )
    await context.show({ checkpoints: shown.map(checkpointDocument) }, () =>
      shown.length === 0 ? 'No checkpoint fits.\n' : formatTable(shown, COLUMNS, context.tableWidth, context.bold),
    )
  },
})

export const checkpointsShow = defineCommand({
  name: 'checkpoints show',
  summary: 'Show one checkpoint with its cursor, and who works on the partition now',
  positionals: { partition: positional('Partition, e.g. sam_gov:uei_batch_0001', 'PARTITION', arg.partition) },
  examples: [{ command: 'checkpoints show sam_gov:uei_batch_0001', does: 'Everything stored about the pass.' }],
  async handler(context, { partition }) {
    const { store, clock } = await context.engine({ readOnly: true })
    const checkpoint = await store.checkpoint(partition)
    if (checkpoint === null)
      throw unknownPartition(
        partition,
        (await store.checkpoints()).map((known) => known.partition),
      )
    const lease = (await store.leases(clock.monotonic())).find((held) => held.partition === partition) ?? null
    const document = {
      checkpoint: checkpointDocument(checkpoint),
      lease: lease === null ? null : { holder: lease.holder, token: lease.token },
    }
    await context.show(document, () => checkpointText(checkpoint, lease?.holder ?? null))
  },
})

export const checkpointsReset = defineCommand({
  name: 'checkpoints reset',
  summary: 'Forget where a pass stood; the next refresh begins a new one',
  description:
    'Nothing that was recorded is lost: ledger, records and events stay. Only the place inside an interrupted pass is forgotten. Refused (exit 75) while a process works on the partition.',
  positionals: { partition: positionals('Partitions, e.g. sam_gov:uei_batch_0001', 'PARTITION', arg.partition) },
  examples: [{ command: 'checkpoints reset sam_gov:uei_batch_0001', does: 'Begin that partition anew.' }],
  async handler(context, args) {
    const { store, clock } = await context.engine()
    const reset: string[] = []
    const absent: string[] = []
    for (const partition of new Set(args.partition)) {
      const existed = await store.resetCheckpoint(partition, clock.monotonic())
      ;(existed ? reset : absent).push(partition)
    }
    await context.show({ reset, absent }, () =>
      [
        ...reset.map((partition) => `${partition}: reset\n`),
        ...absent.map((partition) => `${partition}: had no checkpoint\n`),
      ].join(''),
    )
  },
})

const COLUMNS: readonly Column<Checkpoint>[] = [
  { title: 'partition', value: (row) => row.partition },
  { title: 'pass', value: (row) => row.status },
  { title: 'strategy', value: (row) => row.strategy },
  { title: 'began', value: (row) => instant(row.passStartedAt) },
  { title: 'updated', value: (row) => instant(row.updatedAt) },
  { title: 'asked', value: (row) => number(row.counts.items), align: 'right' },
  { title: 'calls', value: (row) => number(row.counts.calls), align: 'right' },
  { title: 'took', value: (row) => duration(row.durationMs), align: 'right' },
  { title: 'run', value: (row) => row.runId, flexible: true },
]

function checkpointText(checkpoint: Checkpoint, holder: string | null): string {
  const { counts } = checkpoint
  const lines: readonly (readonly [string, string])[] = [
    ['partition', checkpoint.partition],
    ['pass', checkpoint.status === 'open' ? 'open (the next refresh resumes it)' : 'complete'],
    ['worked on by', holder ?? 'nobody'],
    ['strategy', checkpoint.strategy],
    ['window', checkpoint.window === null ? '-' : formatWindow(checkpoint.window)],
    ['cursor', checkpoint.cursor ?? '-'],
    ['began', instant(checkpoint.passStartedAt)],
    ['updated', instant(checkpoint.updatedAt)],
    ['finished', instant(checkpoint.finishedAt)],
    ['took', duration(checkpoint.durationMs)],
    ['asked', `${plural(counts.items, 'entity', 'entities')} in ${plural(counts.calls, 'call')}`],
    [
      'came to',
      `${number(counts.changed)} changed, ${number(counts.unchanged)} unchanged, ${number(counts.notModified)} not modified, ${number(counts.absent)} absent, ${number(counts.failed)} failed, ${number(counts.skipped)} skipped`,
    ],
    ['events', number(counts.events)],
    ['run', checkpoint.runId],
    ['version', number(checkpoint.version)],
    ['ledger watermark', instant(checkpoint.ledgerWatermark)],
  ]
  return formatTable(
    lines,
    [
      { title: '', value: ([name]) => name },
      { title: '', value: ([, value]) => value },
    ],
    null,
  ).replace(/^\s*\n/, '')
}
