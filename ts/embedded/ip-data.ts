/**
 * `embedded:ip-data`: the address tables that ship with the program, and database files of the user (MMDB).
 *
 * `GET /asn/<address>` -> `{ asn, organization, network, data_date, sources }`; `GET /country/<address>` -> `{ country, … }`;
 * `GET /mmdb/<address>?file=<path>` -> the database's own record with `network`, `data_date`, `sources`. 404: nothing there. 503: the
 * data or the file cannot be read.
 */
import { readFile, stat } from 'node:fs/promises'
import { type Response as MmdbRecord, Reader } from 'mmdb-lib'
import { type IpAddress, ipOf, parseIp } from '../adapters/shared/ip.ts'
import { messageOf } from '../model/errors.ts'
import type { JsonObject, JsonValue } from '../model/json.ts'
import type { EmbeddedAnswer, EmbeddedHandler } from '../runtime/embedded.ts'
import { type IpRange, type IpTable, openIpTable } from './ip-table.ts'

export type IpDataFiles = { readonly asn: string | URL; readonly country: string | URL }

const PACKED: IpDataFiles = {
  asn: new URL('./data/asn.iptable.br', import.meta.url),
  country: new URL('./data/country.iptable.br', import.meta.url),
}
/** A city database has 60 to 130 MB. */
const MAX_MMDB_BYTES = 2_000_000_000

const failure = (status: number, code: string, error: string): EmbeddedAnswer => ({ status, json: { code, error } })

/** `8.8.8.0-8.8.8.255`. */
function networkText({ version }: IpAddress, { from, to }: IpRange): string {
  const [first, last] = version === 4 ? [from, to] : [from << 64n, (to << 64n) | 0xffffffffffffffffn]
  return `${ipOf(version, first).text}-${ipOf(version, last).text}`
}

function tableAnswer(table: IpTable, ip: IpAddress): EmbeddedAnswer {
  const { data_date, sources } = table
  const range = table.find(ip)
  if (range === null)
    return { status: 404, json: { code: 'not_found', error: `no entry in the data of ${data_date}`, data_date } }
  const common = { network: networkText(ip, range), data_date, sources: [...sources] }
  if (table.kind === 'country') return { status: 200, json: { country: range.label, ...common } }
  const space = range.label.indexOf(' ')
  const asn = Number(space < 0 ? range.label : range.label.slice(0, space))
  return { status: 200, json: { asn, organization: space < 0 ? null : range.label.slice(space + 1), ...common } }
}

/** Values of a database as JSON: dates as text, integers beyond 2^53 as text, bytes left out. */
function toJson(value: unknown, depth = 0): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return value.toString()
  if (depth > 20 || typeof value !== 'object' || Buffer.isBuffer(value)) return null
  if (Array.isArray(value)) return value.map((item) => toJson(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member, depth + 1)]))
}

type OpenDatabase = { readonly reader: Reader<MmdbRecord>; readonly stamp: string }

/** Opens each file once, and again when it was replaced. */
function databases(): (path: string) => Promise<Reader<MmdbRecord>> {
  const open = new Map<string, Promise<OpenDatabase>>()
  const load = async (path: string, stamp: string): Promise<OpenDatabase> => ({
    reader: new Reader<MmdbRecord>(await readFile(path)),
    stamp,
  })
  return async (path) => {
    const { size, mtimeMs } = await stat(path)
    if (size > MAX_MMDB_BYTES) throw new RangeError(`the file has ${size} bytes`)
    const stamp = `${size}/${mtimeMs}`
    const known = await open.get(path)?.catch(() => null)
    if (known?.stamp === stamp) return known.reader
    const loading = load(path, stamp)
    open.set(path, loading)
    return (await loading).reader
  }
}

function mmdbAnswer(reader: Reader<MmdbRecord>, ip: IpAddress): EmbeddedAnswer {
  const [found, bits] = reader.getWithPrefixLength(ip.text)
  const { metadata } = reader
  const data_date = metadata.buildEpoch instanceof Date ? metadata.buildEpoch.toISOString().slice(0, 10) : null
  const record = toJson(found)
  if (typeof record !== 'object' || record === null || Array.isArray(record))
    return failure(404, 'not_found', `no entry in ${metadata.databaseType}`)
  const host = BigInt(Math.max(0, (ip.version === 4 ? 32 : 128) - bits))
  const network = `${ipOf(ip.version, (ip.value >> host) << host).text}/${bits}`
  return { status: 200, json: { ...(record as JsonObject), network, data_date, sources: [metadata.databaseType] } }
}

/** Tables are read at the first question, and stay in memory: some 40 MB. */
export function ipDataProvider(files: IpDataFiles = PACKED): EmbeddedHandler {
  const tables = new Map<'asn' | 'country', Promise<IpTable>>()
  const database = databases()
  const table = (kind: 'asn' | 'country'): Promise<IpTable> => {
    const known = tables.get(kind) ?? readFile(files[kind]).then(openIpTable)
    tables.set(kind, known)
    return known
  }
  return async ({ method, path, query }) => {
    const [, kind = '', address = '', ...rest] = path.split('/')
    const ip = parseIp(decodeURIComponent(address))
    if (method !== 'GET' || rest.length > 0 || (kind !== 'asn' && kind !== 'country' && kind !== 'mmdb'))
      return failure(400, 'bad_request', 'only GET /asn/, /country/ and /mmdb/ are answered')
    if (ip === null) return failure(400, 'bad_address', 'this is no IP address')
    try {
      if (kind !== 'mmdb') return tableAnswer(await table(kind), ip)
      const file = query.get('file') ?? ''
      if (file === '') return failure(400, 'bad_request', 'no database file is named')
      return mmdbAnswer(await database(file), ip)
    } catch (error) {
      return failure(
        503,
        'data_unreadable',
        `the ${kind === 'mmdb' ? 'database file' : 'embedded data'} cannot be read: ${messageOf(error)}`,
      )
    }
  }
}
