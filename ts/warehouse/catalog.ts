/** Builds `enrichment.duckdb` out of sight and puts it in place with one rename: nobody ever waits for it or sees half of it. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { publishFile } from './durable.ts'
import type { Manifest } from './manifest.ts'
import { catalogStatements } from './views.ts'

async function build(path: string, statements: readonly string[]): Promise<void> {
  const instance = await DuckDBInstance.create(path, {
    threads: '1',
    memory_limit: '128MB',
    autoinstall_known_extensions: 'false',
  })
  try {
    const connection = await instance.connect()
    try {
      for (const statement of statements) await connection.run(statement)
      await connection.run('CHECKPOINT')
    } finally {
      connection.closeSync()
    }
  } finally {
    // Only this lets go of the file; after it no write-ahead log is left beside it.
    instance.closeSync()
  }
}

export async function publishCatalog(
  manifest: Manifest,
  root: string,
  temporary: string,
  target: string,
  beforeRename: () => void,
): Promise<void> {
  const next = join(temporary, 'next.duckdb')
  await build(next, catalogStatements(manifest, root))
  await publishFile(next, target, async () => {
    beforeRename()
    // A person who opened the old catalog read-write and was killed may have left a log. DuckDB would replay it into the
    // new catalog (tried with 1.5.6), so it goes first. The file is ours to replace; what others wrote into it is not kept.
    await rm(`${target}.wal`, { force: true })
  })
}
