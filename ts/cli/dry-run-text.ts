/** What a dry run would do, for people. Pure. */
import type { Plan } from '../model/plan.ts'
import type { RunReport } from '../model/run-report.ts'
import { planText } from './commands/plan.ts'
import type { CliContext } from './context.ts'
import { instant, number, plural } from './format.ts'

/** Partitions listed; --json has all. */
const MOST_ROWS = 20

/** The plan, what is held back, and the sums. `limit`: at most so many entities are asked about, whatever is planned. */
export function dryRunText(
  report: RunReport,
  plan: Plan,
  limit: number | null,
  context: Pick<CliContext, 'tableWidth' | 'bold'>,
): string {
  const parts = [`dry run, ${instant(report.startedAt)}\n`, planText(plan, MOST_ROWS, context)]
  const { partitions } = plan
  const entities = partitions.reduce((sum, part) => sum + part.entities, 0)
  const calls = partitions.reduce((sum, part) => sum + part.calls, 0)
  const held = report.heldBack.length
  if (partitions.length > 0) {
    const cut = limit !== null && limit < entities ? `, of which --limit lets ${number(limit)} be asked about` : ''
    parts.push(
      `\n${plural(partitions.length, 'partition')} would be worked on: ${plural(entities, 'entity', 'entities')}${cut}, about ${plural(calls, 'call')}.\n`,
    )
  }
  if (held > 0) parts.push(`${plural(held, 'source')} would not be asked although there is work (held back, see above).\n`)
  parts.push('Nothing was asked, nothing was written.\n')
  return parts.join('')
}
