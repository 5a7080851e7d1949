/**
 * Looks for a secret in everything a run leaves behind: raw bytes of every file, and the contents of databases and Parquet
 * files row by row, because pages split and compress what they hold. The forms are made here, not by the scrubber under test.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DuckDBInstance } from '@duckdb/node-api'

/** The value as it may travel: raw, escaped, percent-encoded, hexadecimal, base64 at any alignment. */
export function formsOf(secret: string): ReadonlyMap<string, string> {
  const forms = new Map<string, string>([['raw', secret]])
  const percent = encodeURIComponent(secret)
  forms.set('percent', percent)
  forms.set(
    'percent, lower case',
    percent.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
  )
  forms.set(
    'percent, all marks',
    [...secret].map((char) => (/[A-Za-z0-9]/.test(char) ? char : `%${char.charCodeAt(0).toString(16).toUpperCase()}`)).join(''),
  )
  forms.set('json', JSON.stringify(secret).slice(1, -1))
  forms.set('json in json', JSON.stringify(JSON.stringify(secret)).slice(3, -3))
  forms.set('json with escaped slashes', JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'))
  forms.set(
    'json of Gson',
    JSON.stringify(secret)
      .slice(1, -1)
      .replace(/[<>&=']/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
  )
  forms.set(
    'json of Go',
    JSON.stringify(secret)
      .slice(1, -1)
      .replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
  )
  forms.set('html', secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'))
  forms.set('hex', Buffer.from(secret).toString('hex'))
  for (const before of ['', 'u', 'us', 'user:', 'key=']) {
    // What stands before decides the alignment; the ends mix with their neighbours and are left out.
    const text = Buffer.from(before + secret).toString('base64')
    const core = text.slice(Math.ceil((before.length * 8) / 6), Math.floor(((before.length + secret.length) * 8) / 6))
    forms.set(`base64 after ${before.length}`, core)
    forms.set(`base64url after ${before.length}`, core.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return forms
}

export function hitsIn(where: string, text: string, forms: ReadonlyMap<string, string>): string[] {
  return [...forms].filter(([, form]) => text.includes(form)).map(([name]) => `${where}: ${name}`)
}

function filesBelow(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dir, name))
    .filter((path) => statSync(path).isFile())
}

/** Every value of every table. */
function sqliteText(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as { name: string }[]
    return tables
      .map(({ name }) =>
        database
          .prepare(`SELECT * FROM "${name}"`)
          .all()
          .map((row) => Object.values(row).join('\n'))
          .join('\n'),
      )
      .join('\n')
  } finally {
    database.close()
  }
}

async function parquetText(path: string): Promise<string> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const reader = await connection.runAndReadAll(`FROM read_parquet('${path.replaceAll("'", "''")}')`)
    return reader
      .getRowsJson()
      .map((row) => row.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join('\n'))
      .join('\n')
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** Where a secret is found below a directory; what was searched, so that a test can say that it searched at all. */
export async function huntBelow(
  dir: string,
  secrets: readonly string[],
): Promise<{ hits: readonly string[]; searched: readonly string[] }> {
  const forms = new Map(
    secrets.flatMap((secret, index) =>
      [...formsOf(secret)].map(([name, form]) => [`secret ${index + 1}, ${name}`, form] as const),
    ),
  )
  const hits: string[] = []
  const searched: string[] = []
  for (const path of filesBelow(dir)) {
    const name = relative(dir, path)
    searched.push(name)
    hits.push(...hitsIn(name, readFileSync(path).toString('latin1'), forms))
    if (name.endsWith('.sqlite')) hits.push(...hitsIn(`${name}, by row`, sqliteText(path), forms))
    if (name.endsWith('.parquet')) hits.push(...hitsIn(`${name}, by row`, await parquetText(path), forms))
  }
  return { hits, searched }
}

export function huntText(where: string, text: string, secrets: readonly string[]): readonly string[] {
  return secrets.flatMap((secret, index) =>
    hitsIn(where, text, new Map([...formsOf(secret)].map(([name, form]) => [`secret ${index + 1}, ${name}`, form]))),
  )
}
