/**
 * `embedded:ip-data`: the address tables that ship with the program, and database files of the user (MMDB).
 *
 * `GET /asn/<address>` -> `{ asn, organization, network, data_date, sources }`; `GET /country/<address>` -> `{ country, … }`;
 * `GET /mmdb/<address>?file=<path>&use=place|network` -> the database's own record with `network`, `data_date`, `sources`. 404: nothing
 * there. 503: the data or the file cannot be used, with the reason and what to do; that says nothing about the address.
 */
import { readFile } from 'node:fs/promises'
import { type IpAddress, ipOf, parseIp } from '../adapters/shared/ip.ts'
import { messageOf } from '../model/errors.ts'
import type { EmbeddedAnswer, EmbeddedHandler } from '../runtime/embedded.ts'
import { type IpRange, type IpTable, openIpTable } from './ip-table.ts'
import { MMDB_USES, type Mmdb, MmdbProblem, mmdbFiles } from './mmdb.ts'

export type IpDataFiles = { readonly asn: string | URL; readonly country: string | URL }

const PACKED: IpDataFiles = {
  asn: new URL('./data/asn.iptable.br', import.meta.url),
  country: new URL('./data/country.iptable.br', import.meta.url),
}

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

function mmdbAnswer(database: Mmdb, ip: IpAddress): EmbeddedAnswer {
  const data_date = database.builtOn
  if (ip.version === 6 && database.ipVersion === 4)
    return { status: 404, json: { code: 'not_found', error: `${database.type} holds no IPv6 addresses`, data_date } }
  const found = database.find(ip)
  if (found === null) return { status: 404, json: { code: 'not_found', error: `no entry in ${database.type}`, data_date } }
  return { status: 200, json: { ...found.record, network: found.network, data_date, sources: [database.type] } }
}

/** Tables are read at the first question, and stay in memory: some 40 MB. */
export function ipDataProvider(files: IpDataFiles = PACKED): EmbeddedHandler {
  const tables = new Map<'asn' | 'country', Promise<IpTable>>()
  const database = mmdbFiles()
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
      const use = MMDB_USES.find((known) => known === query.get('use'))
      if (use === undefined) return failure(400, 'bad_request', `use is one of ${MMDB_USES.join(', ')}`)
      return mmdbAnswer(await database(file, use), ip)
    } catch (error) {
      if (error instanceof MmdbProblem) return failure(503, error.code, error.message)
      return failure(503, 'data_unreadable', `the embedded data cannot be read: ${messageOf(error)}`)
    }
  }
}
