import { resolve } from 'node:path'
import { type IngestReport, type LoaderId, readMapping } from '../../ingest/ingest.ts'
import { EngineError } from '../../model/errors.ts'
import { defineCommand, flag, text } from '../command.ts'
import type { CliContext } from '../context.ts'
import type { EngineHandle } from '../engine.ts'
import { number, plural } from '../format.ts'
import { formatTable } from '../table.ts'

export const ingest = defineCommand({
  name: 'ingest',
  summary: 'Load the bulk files of SBIR.gov: awards and companies, and with them persons and domains',
  description:
    'Idempotent: the same file twice changes nothing; a newer file adds and updates, and never deletes. A file with far fewer rows than the last one is refused as truncated. Rows that cannot be read are quarantined with their line. Telephone numbers and e-mail addresses are not stored.',
  options: {
    awards: text('Award file (award_data.csv, with or without abstracts)', 'FILE'),
    companies: text('Company file (company_data.csv)', 'FILE'),
    map: text('Which columns of another CSV are which: a JSON file, or Company=firm_name,Contract=award_id', 'MAP'),
    'allow-shrink': flag('Load a file although it has far fewer rows than the last one'),
  },
  examples: [
    {
      command: 'ingest --awards award_data.csv --companies company_data.csv',
      does: 'Load both; companies first, so that awards find them.',
    },
    { command: 'ingest --awards nsf.csv --map config/mappings/nsf.json', does: "Load another agency's export." },
  ],
  async handler(context, args) {
    const files: { readonly loader: LoaderId; readonly path: string }[] = []
    if (args.companies !== undefined) files.push({ loader: 'sbir_companies', path: resolve(context.world.cwd, args.companies) })
    if (args.awards !== undefined) files.push({ loader: 'sbir_awards', path: resolve(context.world.cwd, args.awards) })
    if (files.length === 0) throw usage('no file was named', 'give --awards FILE, --companies FILE or both')
    if (files.length > 1 && args.map !== undefined)
      throw usage('--map is about one file', 'ingest --awards and --companies one after the other')
    await context.config()
    const mapping = args.map === undefined ? undefined : await readMapping(args.map, files[0]!.loader)
    const engine = await context.engine()
    const reports: IngestReport[] = []
    for (const { loader, path } of files) {
      reports.push(
        await load(context, engine, {
          loader,
          path,
          ...(mapping === undefined ? {} : { mapping }),
          allowShrink: args['allow-shrink'],
        }),
      )
    }
    await context.show({ files: reports.map(ingestDocument) }, () =>
      reports.map((report) => reportText(report, context)).join('\n'),
    )
    if (reports.some((report) => report.quarantined > 0))
      context.note('Rows that could not be read: quarantine list --origin ingest')
  },
})

type Request = Pick<Parameters<EngineHandle['ingest']>[0], 'loader' | 'path' | 'mapping' | 'allowShrink'>

async function load(context: CliContext, engine: EngineHandle, request: Request): Promise<IngestReport> {
  const bar = context.progress(request.loader)
  const onProgress = (done: number, total: number | null): void =>
    bar.update(done, total ?? done, total === null ? 'rows checked' : 'entities written')
  return engine.ingest({ ...request, onProgress, signal: context.signal }).finally(() => bar.stop())
}

function usage(message: string, hint: string): EngineError {
  return new EngineError('usage', 'usage', message, { hint })
}

export function ingestDocument(report: IngestReport) {
  return {
    ingest_id: report.ingestId,
    loader: report.loader,
    file: report.file,
    sha256: report.sha256,
    bytes: report.bytes,
    outcome: report.outcome,
    seen_as: report.seenAs,
    rows: report.rows,
    previous_rows: report.previousRows,
    whole: report.whole,
    entities: { ...report.entities },
    duplicates: { ...report.duplicates },
    quarantined: report.quarantined,
    problems: report.problems.map(({ line, reason }) => ({ line, reason })),
    warnings: { ...report.warnings },
    companies: {
      joined_by_duns: report.companies.joinedByDuns,
      joined_by_name: report.companies.joinedByName,
      ambiguous: report.companies.ambiguous,
      shared_domains: report.companies.sharedDomains,
    },
  }
}

function reportText(report: IngestReport, { tableWidth, bold }: CliContext): string {
  const head = `${report.file}: ${plural(report.rows, 'row')}`
  if (report.outcome === 'same_file') return `${head}, the same file as last time; nothing to do.\n`
  const kinds = Object.entries(report.entities)
  const table = formatTable(
    kinds,
    [
      { title: 'entity', value: ([kind]) => kind },
      { title: 'added', value: ([, sums]) => number(sums.added), align: 'right' },
      { title: 'changed', value: ([, sums]) => number(sums.changed), align: 'right' },
      { title: 'unchanged', value: ([, sums]) => number(sums.unchanged), align: 'right' },
    ],
    tableWidth,
    bold,
  )
  const remarks: string[] = []
  const { duplicates, companies } = report
  if (duplicates.exact + duplicates.differing > 0)
    remarks.push(
      `${plural(duplicates.exact, 'row')} repeated word for word, ${plural(duplicates.differing, 'row')} repeated with differences`,
    )
  if (companies.ambiguous > 0)
    remarks.push(`${plural(companies.ambiguous, 'company', 'companies')} could be one of several and were kept apart`)
  for (const [kind, count] of Object.entries(report.warnings)) remarks.push(`${kind.replaceAll('_', ' ')}: ${number(count)}`)
  if (report.quarantined > 0) {
    remarks.push(`${plural(report.quarantined, 'row')} quarantined`)
    for (const { line, reason } of report.problems.slice(0, 5)) remarks.push(`  line ${line}: ${reason}`)
  }
  return `${head}${report.previousRows === null ? '' : ` (last time ${number(report.previousRows)})`}\n${table}${remarks.map((line) => `${line}\n`).join('')}`
}
