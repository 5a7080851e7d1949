/** The numeric CSV files of the ip-location-db project: `from,to,13335,"Name"` and `from,to,AU`. */
import type { IpRange, IpTableFacts } from './ip-table.ts'

const ROW = /^(\d{1,39}),(\d{1,39}),(?:(\d{1,10}),(?:"((?:[^"]|"")*)"|([^",]*))|([A-Z]{2}))$/
const LOW64 = 0xffffffffffffffffn

/**
 * Ranges of one file. IPv6 ranges are rounded to whole /64 networks; smaller ones are left out. A label is `13335 Name` or `AU`.
 * Throws a RangeError that names the line for anything else.
 */
export function* rangesOfCsv(text: string, kind: IpTableFacts['kind'], version: 4 | 6): Generator<IpRange> {
  let line = 0
  for (const row of text.split(/\r?\n/)) {
    line += 1
    if (row === '') continue
    const match = ROW.exec(row)
    const label =
      match === null
        ? undefined
        : (match[6] ?? `${match[3]} ${(match[4]?.replaceAll('""', '"') ?? match[5] ?? '').trim()}`.trim())
    if (match === null || label === undefined || (kind === 'country') !== (match[6] !== undefined))
      throw new RangeError(`line ${line} is no row of a ${kind} file: ${row.slice(0, 80)}`)
    const [from, to] = [BigInt(match[1]!), BigInt(match[2]!)]
    // Zero stands for space that nobody announces.
    if (match[3] === '0') continue
    if (version === 4) yield { from, to, label }
    else {
      if (to - from >= LOW64) yield { from: from >> 64n, to: to >> 64n, label }
    }
  }
}
