/** What an ingest did, as metadata of a bulk asset. Pure. */
import { ingestDocument } from '../cli/commands/ingest.ts'
import { number, plural } from '../cli/format.ts'
import type { IngestReport } from '../ingest/ingest.ts'
import { metadata, type PipesMetadata } from './metadata.ts'

const KINDS = [
  { name: 'entity', type: 'string' },
  { name: 'added', type: 'int' },
  { name: 'changed', type: 'int' },
  { name: 'unchanged', type: 'int' },
] as const

/** Several files of one step are added up. */
export function ingestMetadata(reports: readonly IngestReport[]): PipesMetadata {
  const kinds = new Map<string, { added: number; changed: number; unchanged: number }>()
  for (const report of reports) {
    for (const [kind, sums] of Object.entries(report.entities)) {
      const so = kinds.get(kind) ?? { added: 0, changed: 0, unchanged: 0 }
      kinds.set(kind, {
        added: so.added + sums.added,
        changed: so.changed + sums.changed,
        unchanged: so.unchanged + sums.unchanged,
      })
    }
  }
  const total = (pick: 'added' | 'changed' | 'unchanged'): number =>
    [...kinds.values()].reduce((sum, sums) => sum + sums[pick], 0)
  const rows = reports.reduce((sum, report) => sum + report.rows, 0)
  return {
    rows: metadata.int(rows),
    added: metadata.int(total('added')),
    changed: metadata.int(total('changed')),
    unchanged: metadata.int(total('unchanged')),
    quarantined: metadata.int(reports.reduce((sum, report) => sum + report.quarantined, 0)),
    same_file: metadata.bool(reports.every((report) => report.outcome === 'same_file')),
    entities: metadata.table(
      KINDS,
      [...kinds].map(([entity, sums]) => ({ entity, ...sums })),
    ),
    files: metadata.json(reports.map(ingestDocument)),
    'dagster/row_count': metadata.int(rows),
  }
}

export function ingestText(report: IngestReport): string {
  const sums = Object.entries(report.entities)
    .map(
      ([kind, { added, changed, unchanged }]) =>
        `${kind} ${number(added)} added, ${number(changed)} changed, ${number(unchanged)} unchanged`,
    )
    .join('; ')
  const head = `${report.file}: ${plural(report.rows, 'row')}`
  if (report.outcome === 'same_file') return `${head}, the same file as last time; nothing to do`
  return `${head}; ${sums}${report.quarantined > 0 ? `; ${plural(report.quarantined, 'row')} quarantined` : ''}`
}
