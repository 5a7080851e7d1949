/**
 * A month of refreshes in virtual time: 70,000 companies, 200,000 awards, 75,000 people and their domains, every source that is on
 * in `config/base.yaml` with its policies and published quotas, the real planner and engine over the in-memory store. Only what
 * goes over the wire is replaced, by formula (`night/`). Seven days fill the ledger, the thirty after them are measured.
 *
 *     node scripts/with-node.mjs bench/run.ts night [--scale 0.1]
 *
 * Each case is a process of its own, of up to 12 GB at full size. A smaller scale has as much smaller daily quotas.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DAY_MS, formatDuration, HOUR_MS, MINUTE_MS } from '../ts/model/time.ts'
import { DAYS, FILL_DAYS, type Month, type MonthOptions } from './night/month.ts'
import { atMost, median, type ResultRow } from './support/row.ts'

type Case = { readonly name: string } & Omit<MonthOptions, 'scale'>

const SAM = ['sam_gov', 'sam_exclusions']
const LARGER_KEYS = [
  ...SAM.map((source) => {
    const quotas = [
      { limit: 60, per: '60s' },
      { limit: 10_000, per: '1d', resets: 'utc_day' },
    ]
    return `enrichment_refresh.${source}.quotas=${JSON.stringify(quotas)}`
  }),
  `enrichment_refresh.openalex.quotas=${JSON.stringify([
    { limit: 30, per: '1s' },
    { limit: 10_000, per: '1d', resets: 'utc_day', unit: 'credit' },
  ])}`,
]

const CASES: readonly Case[] = [
  { name: 'one start a night', everyMs: DAY_MS, settings: [], sources: [] },
  { name: 'a start every hour', everyMs: HOUR_MS, settings: [], sources: [] },
  // Two keys do not suffice for so many; what an operator can do: larger ones,
  { name: 'every hour, keys for 10,000 a day at SAM.gov and OpenAlex', everyMs: HOUR_MS, settings: LARGER_KEYS, sources: [] },
  // or more patience.
  {
    name: 'every hour, SAM.gov key of 1,000 a day, SLA 10d and 48h',
    everyMs: HOUR_MS,
    settings: [
      'enrichment_refresh.sam_gov.cadence=9d',
      'enrichment_refresh.sam_gov.sla=10d',
      'enrichment_refresh.sam_exclusions.cadence=44h',
      'enrichment_refresh.sam_exclusions.sla=48h',
    ],
    sources: SAM,
  },
]

/** The in-memory store of the whole population is larger than what V8 allows itself. */
async function monthApart(options: MonthOptions): Promise<Month> {
  const file = join(import.meta.dirname, 'night', 'month.ts')
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--max-old-space-size=12000', file, JSON.stringify(options)],
    { maxBuffer: 64_000_000 },
  )
  const line = stdout.trimEnd().split('\n').at(-1)
  if (line === undefined || line === '') throw new Error(`the simulation printed nothing: ${stderr}`)
  return JSON.parse(line) as Month
}

function rowsOf(name: string, month: Month): readonly ResultRow[] {
  const { callsPerDay, fillPerDay, bySource, lateness, infeasible, entities, ledgerRows, seconds, peakMb } = month
  const rows: ResultRow[] = [
    {
      what: `${name}: calls a day, all sources (best and worst of ${DAYS})`,
      value: median(callsPerDay),
      best: Math.min(...callsPerDay),
      worst: Math.max(...callsPerDay),
      unit: 'calls',
      bar: atMost(25_000),
      note: Object.entries(bySource)
        .sort(([, a], [, b]) => b - a)
        .map(([source, calls]) => `${source} ${calls}/d`)
        .join(', '),
    },
    {
      what: `${name}: most calls of a day of the first load (${FILL_DAYS} days)`,
      value: Math.max(...fillPerDay),
      unit: 'calls',
      bar: atMost(250_000),
      note: `${entities.toLocaleString('en')} entities, ${ledgerRows.toLocaleString('en')} ledger rows; simulated in ${seconds.toFixed(0)} s, ${peakMb.toFixed(0)} MB`,
    },
  ]
  for (const [source, { entities: of, late, worstMs, filledAfterMs }] of Object.entries(lateness)) {
    const repair = infeasible[source]
    const rounded = Math.ceil(worstMs / MINUTE_MS) * MINUTE_MS
    rows.push({
      what: `${name}: entities of ${source} that were ever past their SLA`,
      value: late,
      unit: 'entities',
      bar: atMost(0),
      note:
        `of ${of.toLocaleString('en')}${late === 0 ? '' : `, by up to ${formatDuration(rounded)}`}` +
        `; first asked about within ${formatDuration(Math.max(HOUR_MS, Math.ceil(filledAfterMs / HOUR_MS) * HOUR_MS))}` +
        (repair === undefined ? '' : `; the plan says: ${repair}`),
    })
  }
  return rows
}

export async function benchNight(scale = 1): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  for (const { name, ...options } of CASES) rows.push(...rowsOf(name, await monthApart({ ...options, scale })))
  return rows
}
