/**
 * A private in-memory DuckDB in which the rows of one file at a time are staged and written as Parquet. It spills to the
 * export's temporary directory, so that a partition of any size takes the same memory. One query runs at a time: DuckDB
 * works on libuv's small thread pool, and several long queries would stop all file access of the process.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { DOUBLE, type DuckDBAppender, type DuckDBConnection, DuckDBInstance, VARCHAR } from '@duckdb/node-api'
import { sqlName, sqlText } from './sql.ts'
import type { Cell, FileVariables, TableSpec } from './tables.ts'

const MEMORY_LIMIT = '128MB'
/** What the appender holds before it hands over, in rows and in characters of text (records may be large). */
const FLUSH_ROWS = 20_480
const FLUSH_CHARACTERS = 8_000_000
/** A store that answers at once would keep the event loop to itself; timers and signals get their turn this often. */
const YIELD_ROWS = 4_096

export type Staged<Row> = { readonly rows: number; readonly first: Row | null; readonly last: Row | null }

export type Scratch = {
  /** Replaces the staged rows. `onRow` runs between rows, for heartbeats; it may wait. */
  stage<Row>(
    spec: TableSpec<Row>,
    rows: AsyncIterable<Row> | Iterable<Row>,
    onRow: () => Promise<void> | null,
  ): Promise<Staged<Row>>
  /**
   * Writes the rows of earlier files, then the staged ones, to a new Parquet file that is not yet durable. Resolves with
   * its rows and bytes.
   */
  write<Row>(
    spec: TableSpec<Row>,
    variables: FileVariables | null,
    target: string,
    earlier?: readonly string[],
  ): Promise<{ rows: number; bytes: number }>
  /** Rows and bytes of a Parquet file; null when it cannot be read. */
  describe(file: string): Promise<{ rows: number; bytes: number } | null>
  close(): void
}

function append(appender: DuckDBAppender, value: Cell): number {
  switch (typeof value) {
    case 'string':
      appender.appendVarchar(value)
      return value.length
    case 'number':
      appender.appendDouble(value)
      return 8
    case 'boolean':
      appender.appendBoolean(value)
      return 1
    default:
      appender.appendNull()
      return 1
  }
}

async function setVariables(connection: DuckDBConnection, variables: FileVariables): Promise<void> {
  for (const [name, value] of Object.entries(variables)) {
    const type = typeof value === 'string' ? VARCHAR : DOUBLE
    await connection.run(`SET VARIABLE ${name} = $1`, [value], [type])
  }
}

async function stageRows<Row>(
  connection: DuckDBConnection,
  spec: TableSpec<Row>,
  rows: AsyncIterable<Row> | Iterable<Row>,
  onRow: () => Promise<void> | null,
): Promise<Staged<Row>> {
  const columns = spec.staged.map((column) => `${sqlName(column.name)} ${column.type}`)
  await connection.run(`CREATE OR REPLACE TABLE staged (${columns.join(', ')})`)
  const appender = await connection.createAppender('staged')
  let total = 0
  let unflushed = 0
  let first: Row | null = null
  let last: Row | null = null
  try {
    for await (const row of rows) {
      for (const column of spec.staged) unflushed += append(appender, column.value(row))
      appender.endRow()
      first ??= row
      last = row
      total += 1
      if (total % FLUSH_ROWS === 0 || unflushed > FLUSH_CHARACTERS) {
        appender.flushSync()
        unflushed = 0
      }
      if (total % YIELD_ROWS === 0) await yieldToEventLoop()
      const wait = onRow()
      if (wait !== null) await wait
    }
    appender.flushSync()
  } finally {
    appender.closeSync()
  }
  return { rows: total, first, last }
}

/** `temporary`: a directory of this export's own, for spilling. */
export async function openScratch(temporary: string): Promise<Scratch> {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: MEMORY_LIMIT,
    threads: '1',
    temp_directory: join(temporary, 'spill'),
    // Nothing is ever fetched: json and parquet are built in.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  return {
    stage: (spec, rows, onRow) => stageRows(connection, spec, rows, onRow),
    async write(spec, variables, target, earlier = []) {
      if (variables !== null) await setVariables(connection, variables)
      const names = spec.output.map((column) => sqlName(column.name)).join(', ')
      const fresh = `SELECT ${spec.output.map((column) => `${column.from} AS ${sqlName(column.name)}`).join(', ')} FROM staged`
      const old = earlier.length === 0 ? '' : `SELECT ${names} FROM read_parquet([${earlier.map(sqlText).join(', ')}]) UNION ALL `
      const options = `FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${spec.rowGroupSize}, USE_TMP_FILE false`
      const result = await connection.runAndReadAll(`COPY (${old}${fresh}) TO ${sqlText(target)} (${options})`)
      const rows = Number(result.value(0, 0))
      await connection.run('DROP TABLE staged')
      return { rows, bytes: (await stat(target)).size }
    },
    async describe(file) {
      try {
        const result = await connection.runAndReadAll(`SELECT count(*) FROM read_parquet([${sqlText(file)}])`)
        return { rows: Number(result.value(0, 0)), bytes: (await stat(file)).size }
      } catch {
        return null
      }
    },
    close() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}
