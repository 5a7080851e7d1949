import { createSandbox, type Sandbox, type SandboxSettings } from '../../../ts/sandbox/sandbox.ts'

/** A sandbox in this process whose real time is what the test says. */
export function virtualSandbox(settings: Partial<SandboxSettings> = {}): { sandbox: Sandbox; time: { ms: number } } {
  const time = { ms: 0 }
  const sandbox = createSandbox(
    { seed: 7, companies: 150, awards: 400, ...settings },
    { now: () => time.ms, monotonic: () => time.ms },
    'http://sandbox.test',
  )
  return { sandbox, time }
}

export const NO_QUOTAS = { usaspending: [], sam_gov: [], sbir_gov: [] }

export async function get(sandbox: Sandbox, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return (await sandbox.answer(new Request(`http://sandbox.test${path}`, { headers }))).response
}

export async function post(sandbox: Sandbox, path: string, body: unknown): Promise<Response> {
  const request = new Request(`http://sandbox.test${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })
  return (await sandbox.answer(request)).response
}

export const SEARCH = '/usaspending/api/v2/search/spending_by_award/'
export const ENTITIES = '/sam_gov/entity-information/v4/entities'
export const SAM_KEY = { 'x-api-key': 'SANDBOX-KEY' }
export const FILE = '/sbir_files/mod_awarddatapublic_no_abstract/award_data_no_abstract.csv'
export const CONTRACTS = ['A', 'B', 'C', 'D']
export const GRANTS = ['02', '03', '04', '05']

/** The decoded body, to be asserted on member by member. */
export async function bodyOf(response: Response) {
  return JSON.parse(await response.text())
}

export type Row = ReturnType<typeof JSON.parse>

/** A small RFC 4180 reader, so that the writer is not checked by itself. */
export function readCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let field = ''
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!
    if (quoted) {
      if (char === '"' && text[at + 1] === '"') {
        field += '"'
        at += 1
      } else if (char === '"') quoted = false
      else field += char
    } else if (char === '"') quoted = true
    else if (char === ',' || char === '\n') {
      row.push(field)
      field = ''
      if (char === '\n') {
        rows.push(row)
        row = []
      }
    } else field += char
  }
  if (field !== '' || row.length > 0 || quoted) throw new Error('the file does not end with a complete row')
  return rows
}
