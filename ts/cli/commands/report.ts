import { EngineError } from '../../model/errors.ts'
import type { StoredRun } from '../../stores/store.ts'
import * as arg from '../arguments.ts'
import { defineCommand, text } from '../command.ts'
import type { CliContext } from '../context.ts'
import { storedRunDocument } from '../documents.ts'
import { duration, instant, number } from '../format.ts'
import { PROGRAM } from '../help.ts'
import { runExitCode } from '../run-exit-code.ts'
import { runText } from '../run-text.ts'
import { type Column, formatTable } from '../table.ts'

/** How far back a run is looked for by its id. */
const MOST_RUNS = 10_000

export const report = defineCommand({
  name: 'report',
  summary: 'Show what a run did; without options the last one',
  options: {
    run: text('This run, by its id or the beginning of it', 'ID'),
    last: text('The last so many runs, one line each', 'N', arg.count),
  },
  examples: [
    { command: 'report', does: 'The last run in full.' },
    { command: 'report --last 10', does: 'The last ten runs.' },
    { command: 'report --run run_20261121T030000_4f2a9c --json', does: 'One run as data.' },
  ],
  async handler(context, args) {
    if (args.run !== undefined && args.last !== undefined) {
      throw new EngineError('usage', 'usage', '--run and --last exclude each other', { hint: 'give one of them' })
    }
    const { store } = await context.engine({ readOnly: true })
    const runs = args.run === undefined ? await store.runs(args.last ?? 1) : [findRun(await store.runs(MOST_RUNS), args.run)]
    const [only] = runs
    await context.show({ runs: runs.map((run) => storedRunDocument(run, runExitCode)) }, () => {
      if (only === undefined) return 'There was no run yet.\n'
      return args.last === undefined ? oneRun(only, context) : formatTable(runs, COLUMNS, context.tableWidth, context.bold)
    })
  },
})

function findRun(runs: readonly StoredRun[], id: string): StoredRun {
  const matches = runs.filter((run) => run.runId === id || run.runId.startsWith(id))
  const exact = matches.find((run) => run.runId === id)
  if (exact !== undefined) return exact
  if (matches.length === 1) return matches[0]!
  const message = matches.length === 0 ? `there is no run "${id}"` : `${matches.length} runs begin with "${id}"`
  throw new EngineError('usage', 'unknown_run', message, { hint: `see: ${PROGRAM} report --last 20` })
}

function oneRun(run: StoredRun, context: CliContext): string {
  if (run.report !== null) return `${run.command}\n${runText(run.report, context)}`
  return `${run.command}\nrun ${run.runId}, begun ${instant(run.startedAt)}, has no report: it is still running or was killed. Its commits are kept; the next refresh goes on.\n`
}

const sum = (run: StoredRun, key: 'items' | 'changed' | 'failed' | 'calls'): string =>
  run.report === null ? '-' : number(run.report.sources.reduce((total, source) => total + source.counts[key], 0))

const COLUMNS: readonly Column<StoredRun>[] = [
  { title: 'run', value: (run) => run.runId },
  { title: 'started', value: (run) => instant(run.startedAt) },
  { title: 'took', value: (run) => (run.finishedAt === null ? '-' : duration(run.finishedAt - run.startedAt)), align: 'right' },
  { title: 'asked', value: (run) => sum(run, 'items'), align: 'right' },
  { title: 'changed', value: (run) => sum(run, 'changed'), align: 'right' },
  { title: 'failed', value: (run) => sum(run, 'failed'), align: 'right' },
  { title: 'calls', value: (run) => sum(run, 'calls'), align: 'right' },
  { title: 'exit', value: (run) => (run.report === null ? 'unfinished' : String(runExitCode(run.report))) },
  { title: 'command', value: (run) => run.command, flexible: true },
]
