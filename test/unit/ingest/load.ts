import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type IngestDeps,
  type IngestReport,
  type IngestRequest,
  type IngestStore,
  ingestFile,
} from '../../../ts/ingest/ingest.ts'
import { NO_CRASH_POINTS } from '../../../ts/runtime/ports.ts'

let counter = 0

/** Runs `work` with a directory of its own, removed afterwards. */
export async function inDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'enrichment-ingest-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Ingests a text as a file. */
export async function load(
  store: IngestStore,
  content: string | Buffer,
  request: Partial<IngestRequest> = {},
  deps: Partial<IngestDeps> = {},
): Promise<IngestReport> {
  return inDirectory(async (directory) => {
    const path = join(directory, 'file.csv')
    await writeFile(path, content)
    counter += 1
    return ingestFile(
      { store, logger: { log() {} }, crashPoints: NO_CRASH_POINTS, ...deps },
      {
        loader: 'sbir_awards',
        path,
        now: 1_790_000_000_000 + counter,
        ingestId: `ingest_${counter}`,
        minRowShare: 0.5,
        maxBadRows: 10,
        ...request,
      },
    )
  })
}
