/** Mode `ingest`: the bulk files of SBIR.gov, companies first, so that awards find them. One materialization. */
import { type IngestReport, type LoaderId, readMapping } from '../ingest/ingest.ts'
import { ingestMetadata, ingestText } from './ingest-metadata.ts'
import { type ModeResult, type ModeWorld, succeeded } from './mode.ts'

/** Between two messages about how far it is. */
const TELL_EVERY_MS = 2_000

export async function ingestMode(world: ModeWorld): Promise<ModeResult> {
  const { request, reporter, signal, monotonicMs } = world
  const files: { readonly loader: LoaderId; readonly path: string }[] = []
  if (request.companies !== null) files.push({ loader: 'sbir_companies', path: request.companies })
  if (request.awards !== null) files.push({ loader: 'sbir_awards', path: request.awards })
  const mapping = request.map === null ? null : await readMapping(request.map, files[0]!.loader)
  reporter.assertReportable(request.assetKey)
  const engine = await world.engine({ readOnly: false })
  const reports: IngestReport[] = []
  for (const { loader, path } of files) {
    let toldAt = monotonicMs()
    const report = await engine.ingest({
      loader,
      path,
      signal,
      allowShrink: request.allowShrink,
      ...(mapping === null ? {} : { mapping }),
      onProgress(done, total) {
        if (monotonicMs() - toldAt < TELL_EVERY_MS) return
        toldAt = monotonicMs()
        reporter.tell({ kind: 'ingest_progress', loader, step: total === null ? 'checking' : 'writing', done, total })
      },
    })
    reporter.log(report.quarantined > 0 ? 'WARNING' : 'INFO', ingestText(report))
    reports.push(report)
  }
  reporter.materialize(ingestMetadata(reports), request.assetKey)
  return succeeded({ files: reports.length, rows: reports.reduce((sum, report) => sum + report.rows, 0) })
}
