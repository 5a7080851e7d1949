import type { Plan, PlannedPartition, SourcePlan } from '../../model/plan.ts'
import * as arg from '../arguments.ts'
import { defineCommand, text } from '../command.ts'
import type { CliContext } from '../context.ts'
import { planDocument } from '../documents.ts'
import { duration, number, percent, plural } from '../format.ts'
import { goneRemarks, refreshRequest, SELECTION_OPTIONS } from '../selection.ts'
import { type Column, formatTable } from '../table.ts'

export const plan = defineCommand({
  name: 'plan',
  summary: 'Show what a refresh would do now, in which order and why',
  description:
    'Works out what is due, the cheapest strategy per source, the calls it takes, how long they take at the quota, and whether the SLA can be met at all. Makes no call to any provider.',
  options: { ...SELECTION_OPTIONS, rows: text('Partitions to list; default: 20', 'N', arg.wholeNumber) },
  examples: [
    { command: 'plan', does: 'What is due at all enabled sources.' },
    { command: 'plan --source sam_gov --force', does: 'What asking sam_gov about everything would cost.' },
    { command: 'plan --json', does: 'The same as data, with every partition.' },
  ],
  async handler(context, args) {
    const loaded = await context.config()
    const request = refreshRequest(args, loaded)
    for (const remark of goneRemarks(request, loaded)) context.note(remark)
    const engine = await context.engine()
    const result = await engine.plan(request)
    await context.show(planDocument(result), () => planText(result, args.rows ?? 20, context))
  },
})

const SOURCES: readonly Column<SourcePlan>[] = [
  { title: 'source', value: (row) => row.source },
  { title: 'entities', value: (row) => number(row.population), align: 'right' },
  { title: 'due', value: (row) => number(row.due), align: 'right' },
  { title: 'stale', value: (row) => number(row.stale), align: 'right' },
  { title: 'backing off', value: (row) => number(row.backingOff), align: 'right' },
  { title: 'unresolved', value: (row) => number(row.unresolved), align: 'right' },
  { title: 'strategy', value: (row) => row.strategy ?? '-' },
  { title: 'calls', value: (row) => number(row.calls), align: 'right' },
  { title: 'takes', value: (row) => (row.etaMs === 0 && row.calls > 0 ? 'no wait' : duration(row.etaMs)), align: 'right' },
  { title: 'of quota', value: (row) => percent(row.feasibility.utilisation), align: 'right' },
  { title: 'SLA', value: (row) => (row.feasibility.feasible ? 'can be met' : 'CANNOT be met') },
]

const PARTITIONS: readonly Column<PlannedPartition>[] = [
  { title: 'partition', value: (row) => row.partition },
  { title: 'strategy', value: (row) => row.strategy },
  { title: 'due', value: (row) => number(row.due), align: 'right' },
  { title: 'stale', value: (row) => number(row.stale), align: 'right' },
  { title: 'asked', value: (row) => number(row.entities), align: 'right' },
  { title: 'calls', value: (row) => number(row.calls), align: 'right' },
  { title: 'why', value: (row) => `${row.resume ? 'resumes; ' : ''}${row.reason}`, flexible: true },
]

/** `rows`: partitions to list. */
export function planText(result: Plan, rows: number, { tableWidth, bold }: Pick<CliContext, 'tableWidth' | 'bold'>): string {
  const parts = [formatTable(result.sources, SOURCES, tableWidth, bold)]
  for (const source of result.sources) {
    if (source.heldBack !== null) parts.push(`${source.source} is held back: ${source.heldBack}\n`)
    if (source.feasibility.repair !== null) parts.push(`${source.source}: to meet its SLA, it ${source.feasibility.repair}\n`)
    const others = Object.entries(source.callsByStrategy).filter(([strategy]) => strategy !== source.strategy)
    if (others.length > 0 && source.calls > 0) {
      const list = others.map(([strategy, calls]) => `${number(calls)} by ${strategy}`).join(', ')
      parts.push(`${source.source}: ${number(source.calls)} calls by ${source.strategy}; it would be ${list}\n`)
    }
  }
  if (result.partitions.length === 0) parts.push('\nNothing to do.\n')
  else if (rows > 0) {
    parts.push(`\n${formatTable(result.partitions.slice(0, rows), PARTITIONS, tableWidth, bold)}`)
    const hidden = result.partitions.length - rows
    if (hidden > 0) parts.push(`… and ${plural(hidden, 'partition')} more (--rows ${result.partitions.length})\n`)
  }
  return parts.join('')
}
