import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { EpochMs } from '../model/time.ts'
import { type AwardCsvOptions, type CsvSink, writeAwardCsv, writeCompanyCsv } from './bulk-csv.ts'
import type { World } from './world/world.ts'

export type WrittenFile = { readonly path: string; readonly bytes: number }

/** Writes through a temporary file, so that a reader never sees half of it. */
async function writeFile(path: string, write: (sink: CsvSink) => Promise<number>): Promise<WrittenFile> {
  const temporary = `${path}.tmp`
  const stream = createWriteStream(temporary)
  const failed = once(stream, 'error').then(([error]) => Promise.reject(error))
  failed.catch(() => {})
  try {
    const bytes = await Promise.race([write(stream), failed])
    stream.end()
    await Promise.race([once(stream, 'close'), failed])
    await rename(temporary, path)
    return { path, bytes }
  } catch (error) {
    stream.destroy()
    await rm(temporary, { force: true })
    throw error
  }
}

/**
 * Writes what SBIR.gov has published at `moment` into a directory (made if need be): `award_data.csv`,
 * `award_data_no_abstract.csv`, `company_data.csv`. Rejects with the file system's error.
 */
export async function writeBulkFiles(
  world: World,
  moment: EpochMs,
  directory: string,
  options: Pick<AwardCsvOptions, 'bom' | 'duplicates'> = {},
): Promise<readonly WrittenFile[]> {
  await mkdir(directory, { recursive: true })
  return [
    await writeFile(join(directory, 'award_data.csv'), (sink) => writeAwardCsv(world, moment, sink, options)),
    await writeFile(join(directory, 'award_data_no_abstract.csv'), (sink) =>
      writeAwardCsv(world, moment, sink, { ...options, abstract: false }),
    ),
    await writeFile(join(directory, 'company_data.csv'), (sink) => writeCompanyCsv(world, moment, sink)),
  ]
}
