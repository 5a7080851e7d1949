import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import { type EpochMs, MINUTE_MS } from '../../model/time.ts'
import { type CageRow, cageWorld } from '../world/cage-world.ts'
import type { World } from '../world/world.ts'
import { zipFile } from '../zip-file.ts'
import { type Dialect, type DialectDeps, textResponse, unplanned } from './dialect.ts'

const COLUMNS = ['CAGE_CODE', 'CAGE_STATUS', 'TYPE', 'CAO', 'COMPANY_NAME', 'CITY', 'STATE', 'ZIP', 'COUNTRY']
const PAGE = '/Information-Operations/FLIS-Data-Electronic-Reading-Room/'
const ARCHIVE = '/Portals/104/Documents/InformationOperations/FLIS/CAGE.zip'

const quoted = (values: readonly string[]): string => `${values.map((value) => `"${value.replaceAll('"', '""')}"`).join(',')}\r\n`

function valuesOf(row: CageRow): readonly string[] {
  return [row.cage, row.status, row.type, row.cao, row.company, row.city, row.state, row.zip, row.country]
}

type Edition = {
  readonly at: EpochMs
  readonly version: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly lastModified: string
}

function makeEdition(world: World, at: EpochMs): Edition {
  const rows = [...world.part(cageWorld).rows(at).values()]
  const table = Buffer.from(quoted(COLUMNS) + rows.map((row) => quoted(valuesOf(row))).join(''))
  const statuses = Buffer.from(
    quoted(['CAGE_CODE', 'CAGE_STATUS', 'TYPE']) + rows.map(({ cage, status, type }) => quoted([cage, status, type])).join(''),
  )
  const bytes = new Uint8Array(
    zipFile(
      [
        { name: 'P_CAGE.CSV', content: table },
        { name: 'V_CAGE_STATUS_AND_TYPE.CSV', content: statuses },
      ],
      at,
    ),
  )
  const version = createHash('md5').update(bytes).digest('base64url').slice(0, 16)
  return { at, version, bytes, lastModified: new Date(at).toUTCString() }
}

/** Handlers of www.dla.mil: a page for people, and the archive that it links to. */
export function dlaCageHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  let edition: Edition | null = null
  function current(): Edition {
    const at = world.part(cageWorld).publishedAt(deps.now())
    if (edition?.at !== at) edition = makeEdition(world, at)
    return edition
  }

  function archive(request: Request): Response {
    const { version, bytes, lastModified } = current()
    // The address without its version is no address at all.
    if (new URL(request.url).searchParams.get('ver') !== version) return textResponse('<h1>404 Not Found</h1>', 404, 'text/html')
    const headers = { 'last-modified': lastModified, 'cache-control': 'public' }
    const since = Date.parse(request.headers.get('if-modified-since') ?? '')
    if (!Number.isNaN(since) && Date.parse(lastModified) <= since) return new Response(null, { status: 304, headers })
    return new Response(bytes, {
      headers: { ...headers, 'content-type': 'application/x-zip-compressed', 'content-length': String(bytes.length) },
    })
  }

  return [
    http.get(`${baseUrl}${PAGE}`, () =>
      textResponse(
        `<html><body>
<table>
<tr><td>CAGE</td><td><a href="${ARCHIVE}?ver=${current().version}&amp;timestamp=${current().at}">CAGE.zip</a></td></tr>
<tr><td>Management</td><td><a href="/files/MANAGEMENT.zip">MANAGEMENT.zip</a></td></tr>
</table>
</body></html>`,
        200,
        'text/html; charset=utf-8',
      ),
    ),
    http.get(`${baseUrl}${ARCHIVE}`, ({ request }) => archive(request)),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this page of www.dla.mil')),
  ]
}

const denied = () => textResponse('<html><body><h1>Access Denied</h1></body></html>', 403, 'text/html')

export const dlaCageDialect: Dialect = {
  prefix: 'dla_cage',
  source: 'dla_cage',
  // Nothing is published; clients are held to what we allow ourselves.
  quotas: [{ limit: 60, per: MINUTE_MS, enforce: false }],
  credential: () => 'anonymous',
  keysAsked: () => [],
  overQuota: denied,
  throttled: denied,
  handlers: dlaCageHandlers,
  /** By CAGE code: the row of the published edition. */
  truth(world, key, moment) {
    const cages = world.part(cageWorld)
    const row = cages.rows(cages.publishedAt(moment)).get(key.toUpperCase())
    return row === undefined ? null : { ...row }
  },
  keys(world, moment) {
    const cages = world.part(cageWorld)
    return cages.rows(cages.publishedAt(moment)).keys()
  },
}
