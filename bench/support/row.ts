/** One measured number, and the table and file that all parts end in. */
export type ResultRow = {
  readonly what: string
  /** Median of the runs, or the one value there is. */
  readonly value: number
  /** Quickest and slowest run, where there were several. */
  readonly best?: number | undefined
  readonly worst?: number | undefined
  readonly unit: string
  /** DESIGN's bar and which side of it is good. */
  readonly bar?: { readonly limit: number; readonly good: 'above' | 'below' } | undefined
  /** CPU microseconds of this process per unit of work: what the number would rest on if the machine were idle. */
  readonly cpuUs?: number | undefined
  readonly note?: string | undefined
}

export const atLeast = (limit: number): NonNullable<ResultRow['bar']> => ({ limit, good: 'above' })
export const atMost = (limit: number): NonNullable<ResultRow['bar']> => ({ limit, good: 'below' })

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

/** True, false, or null when there is no bar. */
export function meets({ value, bar }: ResultRow): boolean | null {
  if (bar === undefined) return null
  return bar.good === 'above' ? value >= bar.limit : value <= bar.limit
}

function number(value: number | undefined): string {
  if (value === undefined) return ''
  if (value !== 0 && Math.abs(value) < 1000) return value.toFixed(Math.abs(value) < 1 ? 3 : 1)
  return Math.round(value).toLocaleString('en')
}

function verdict(row: ResultRow): string {
  const good = meets(row)
  if (good === null) return ''
  const { limit } = row.bar!
  const off = limit === 0 ? number(row.value) : `${(Math.abs(row.value / limit - 1) * 100).toFixed(0)} %`
  const sign = row.bar!.good === 'above' ? '>=' : '<='
  return good ? `reached (${sign} ${number(limit)})` : `MISSED by ${off} (${sign} ${number(limit)})`
}

export function printRows(title: string, rows: readonly ResultRow[]): void {
  console.log(`\n${title}`)
  console.log(`${''.padEnd(70)} ${'median'.padStart(10)} ${'best'.padStart(10)} ${'worst'.padStart(10)} unit        CPU us   bar`)
  for (const row of rows) {
    console.log(
      `${row.what.padEnd(70)} ${number(row.value).padStart(10)} ${number(row.best).padStart(10)} ${number(row.worst).padStart(10)} ${row.unit.padEnd(11)} ${number(row.cpuUs).padStart(6)}   ${verdict(row)}${row.note === undefined ? '' : `  ${row.note}`}`,
    )
  }
}
