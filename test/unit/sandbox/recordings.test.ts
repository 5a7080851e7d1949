// The sandbox's answers have the shapes of real ones. Compared are key sets and types, never values.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../../ts/model/json.ts'
import { AWARD_COLUMNS } from '../../../ts/sandbox/bulk-csv.ts'
import {
  bodyOf,
  CONTRACTS,
  ENTITIES,
  FILE,
  GRANTS,
  get,
  NO_QUOTAS,
  post,
  readCsv,
  SAM_KEY,
  SEARCH,
  virtualSandbox,
} from './helpers.ts'

const ROOT = join(import.meta.dirname, '../../../../shared/recordings')
const recorded = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))

type Shape = Map<string, Set<string>>

/** Path -> types seen there; elements of an array share the path `[]`. */
function shapeOf(value: JsonValue, into: Shape = new Map(), path = '$'): Shape {
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  const types = into.get(path) ?? new Set()
  into.set(path, types.add(type))
  if (Array.isArray(value)) for (const element of value) shapeOf(element, into, `${path}[]`)
  else if (type === 'object') for (const [key, member] of Object.entries(value as object)) shapeOf(member, into, `${path}.${key}`)
  return into
}

/**
 * What ours has and theirs has not, and the other way round. A null on either side is compatible with any type, because
 * "unknown" is
 * data; below a null or an empty array there is nothing to compare.
 */
function differences(ours: JsonValue, theirs: JsonValue): string[] {
  const [a, b] = [shapeOf(ours), shapeOf(theirs)]
  const isOpen = (shape: Shape, path: string) => {
    for (let end = path.length; end > 0; end = Math.max(path.lastIndexOf('.', end - 1), path.lastIndexOf('[', end - 1))) {
      const types = shape.get(path.slice(0, end))
      if (end < path.length && types !== undefined)
        return types.has('null') || (types.has('array') && !shape.has(`${path.slice(0, end)}[]`))
    }
    return false
  }
  const found: string[] = []
  for (const [path, types] of a) {
    const other = b.get(path)
    if (other === undefined) {
      if (!isOpen(b, path)) found.push(`only ours: ${path}`)
    } else if (![...types].some((type) => type === 'null' || other.has(type) || other.has('null')))
      found.push(`types differ: ${path} ${[...types]} / ${[...other]}`)
  }
  for (const path of b.keys()) if (!a.has(path) && !isOpen(a, path)) found.push(`only theirs: ${path}`)
  return found.sort()
}

describe.skipIf(!existsSync(ROOT))('shapes against the recordings', () => {
  const { sandbox } = virtualSandbox({ quotas: NO_QUOTAS })
  const shown = sandbox.world.usaspending.visible(sandbox.world.usaspending.loadedAt(sandbox.clock.now()))
  const first = (group: string) =>
    shown.find(({ award }) => award.group === group && award.recipient.uei !== null && award.parentId === null)!.award

  it('award detail of a contract', async () => {
    const ours = await bodyOf(await get(sandbox, `/usaspending/api/v2/awards/${first('contracts').id}/`))
    expect(differences(ours, recorded('usaspending/award_detail_contract.json'))).toEqual([])
  })

  it('award detail of a delivery order has the documented parent block', async () => {
    const order = shown.find(({ award }) => award.parentId !== null)!.award
    const ours = await bodyOf(await get(sandbox, `/usaspending/api/v2/awards/${order.id}/`))
    const { body } = recorded('usaspending/contract_doc_award_contract.json').response
    expect(differences(ours.parent_award, body.parent_award)).toEqual([])
  })

  it('award detail of a grant', async () => {
    const ours = await bodyOf(await get(sandbox, `/usaspending/api/v2/awards/${first('grants').id}/`))
    expect(differences(ours, recorded('usaspending/award_detail_grant.json'))).toEqual([])
  })

  it.each([
    ['spending_by_award_contracts_limit2.json', CONTRACTS],
    ['spending_by_award_contracts_limit4.json', CONTRACTS],
    ['spending_by_award_grants.json', GRANTS],
  ])('rows and envelope of %s', async (file, codes) => {
    const theirs = recorded(`usaspending/${file}`)
    const added = ['internal_id', 'awarding_agency_id', 'agency_slug', 'generated_internal_id']
    // One recording holds rows of two requests with different fields: ask for all of them.
    const keys = new Set(theirs.results.flatMap((row: object) => Object.keys(row))) as Set<string>
    const fields = [...keys].filter((key) => !added.includes(key))
    const ours = await bodyOf(
      await post(sandbox, SEARCH, { filters: { award_type_codes: codes }, fields, sort: 'Award Amount', limit: theirs.limit }),
    )
    expect(differences(ours, theirs)).toEqual([])
    expect(Object.keys(ours.results[0]).sort()).toEqual([...keys].sort())
    expect(ours.page_metadata.last_record_sort_value).toMatch(/^\d+\.\d+$/)
  })

  it('first and last page of a walk, with the headers that cache and client rely on', async () => {
    const firstPage = recorded('usaspending/spending_by_award_grants_seq_page1of9.json')
    const lastPage = recorded('usaspending/spending_by_award_grants_seq_page9of9.json')
    const { fields } = firstPage.request.body
    const request = { filters: { award_type_codes: GRANTS }, fields, sort: 'Award Amount', limit: 50 }
    const response = await post(sandbox, SEARCH, request)
    const ours = await bodyOf(response)
    // Later than these recordings, the envelope gained spending_level.
    expect(differences(ours, firstPage.response.body)).toEqual(['only ours: $.spending_level'])
    for (const header of [
      'content-type',
      'vary',
      'allow',
      'cache-trace',
      'key',
      'x-frame-options',
      'x-content-type-options',
      'referrer-policy',
    ]) {
      expect(response.headers.has(header), header).toBe(true)
      expect(firstPage.response.headers[header], header).toBeDefined()
    }
    expect(response.headers.get('key')).toHaveLength(firstPage.response.headers.key.length)
    const again = await post(sandbox, SEARCH, request)
    expect([response.headers.get('cache-trace'), again.headers.get('cache-trace')]).toEqual(['set-cache', 'hit-cache'])

    const end = await bodyOf(
      await post(sandbox, SEARCH, { ...request, filters: { ...request.filters, award_ids: ['"none such"'] } }),
    )
    const { page: _ours, ...ourEnd } = end.page_metadata
    const { page: _theirs, ...theirEnd } = lastPage.response.body.page_metadata
    expect(ourEnd).toEqual(theirEnd)
  })

  it('the reconstructed errors, word for word', async () => {
    const { cases } = recorded('usaspending/errors_reconstructed.json')
    const template = (name: string) => cases.find((entry: { case: string }) => entry.case === name).response
    const filters = { award_type_codes: ['A'] }
    const fields = ['Award ID']
    const asked: [string, Response][] = [
      ['award not found', await get(sandbox, '/usaspending/api/v2/awards/CONT_AWD_NOPE_9700_-NONE-_-NONE-/')],
      ['limit above max', await post(sandbox, SEARCH, { filters, fields, limit: 101 })],
      ['page past result window, awards', await post(sandbox, SEARCH, { filters, fields, limit: 100, page: 501 })],
      ['filters missing', await post(sandbox, SEARCH, { fields })],
    ]
    for (const [name, response] of asked) {
      const { status, body } = template(name)
      expect([name, response.status, await bodyOf(response)]).toEqual([name, status, body])
    }
    const mixed = await post(sandbox, SEARCH, { filters: { award_type_codes: ['A', '02'] }, fields })
    const theirs = template('award types from two groups').body
    const ours = await bodyOf(mixed)
    expect([mixed.status, ours.message, Object.keys(ours.award_type_groups).sort()]).toEqual([
      422,
      theirs.message,
      Object.keys(theirs.award_type_groups).sort(),
    ])
    const ignored = await bodyOf(await post(sandbox, SEARCH, { filters: { award_type_codes: ['A'], made_up: ['x'] }, fields }))
    expect(ignored.messages).toEqual(template('filter key ignored').body_fragment.messages)
    const updated = await bodyOf(await get(sandbox, '/usaspending/api/v2/awards/last_updated/'))
    expect(differences(updated, recorded('usaspending/awards_last_updated_reconstructed.json').response.body)).toEqual([])
    expect(updated.last_updated).toMatch(/^\d\d\/\d\d\/\d{4}$/)
  })

  it.each([
    ['entity_single_entityRegistration_only.json', 'entityRegistration', 1],
    ['entity_single_registration_and_core.json', 'entityRegistration,coreData', 1],
    ['entity_one_uei_two_records_by_EFT.json', 'entityRegistration,coreData', 2],
    ['entity_single_includeSections_all_active.json', 'All', 1],
    ['entity_single_inactive_expired_with_integrity.json', 'All', 1],
  ])('SAM rows of %s', async (file, sections, rows) => {
    const theirs = recorded(`sam_entity/${file}`)
    const company = sandbox.world.sam.companies.find(({ eftIndicator }) => (eftIndicator === null) === (rows === 1))!
    const ours = await bodyOf(await get(sandbox, `${ENTITIES}?ueiSAM=${company.uei}&includeSections=${sections}`, SAM_KEY))
    expect(ours.totalRecords).toBe(rows)
    // Sections the sandbox does not model are missing as a whole; it answers 501 when they are asked for by name.
    const unmodelled = ['only theirs: $.entityData[].repsAndCerts', 'only theirs: $.entityData[].integrityInformation']
    const found = differences(ours, theirs).filter((text) => !unmodelled.some((prefix) => text.startsWith(prefix)))
    expect(found).toEqual([])
  })

  it('SAM pages, links and the empty answer', async () => {
    const theirs = recorded('sam_entity/entity_search_page0_46_hits.json')
    const ours = await bodyOf(await get(sandbox, `${ENTITIES}?includeSections=entityRegistration&page=0&size=10`, SAM_KEY))
    expect(differences(ours, theirs)).toEqual([])
    const query = (link: string) => link.slice(link.indexOf('/entities?'))
    expect(query(ours.links.nextLink)).toBe(
      '/entities?api_key=REPLACE_WITH_API_KEY&includeSections=entityRegistration&page=1&size=10',
    )
    expect(query(theirs.links.nextLink)).toContain('/entities?api_key=REPLACE_WITH_API_KEY&includeSections=entityRegistration&')
    const none = await bodyOf(await get(sandbox, `${ENTITIES}?ueiSAM=ZZZZZZZZZZZ9`, SAM_KEY))
    // The recording was cut: its note says that links were on the wire.
    expect(differences(none, recorded('sam_entity/entity_not_found.json'))).toEqual([
      'only ours: $.links',
      'only ours: $.links.selfLink',
    ])
  })

  it('the quoted SAM errors', async () => {
    const { cases } = recorded('sam_entity/errors_quoted.json')
    const quoted = (name: string) => cases.find((entry: { case: string }) => entry.case.startsWith(name))
    const ueis = Array.from({ length: 101 }, (_, at) => `AAAAAAAAA${100 + at}`).join('~')
    const asked: [string, string][] = [
      ['size above 10 (v3/v4 shape', 'size=25'],
      ['page*size above 10,000', 'page=1000&size=10'],
      ['more than 100 UEIs', `ueiSAM=[${ueis}]`],
      ['unknown parameter', 'limit=3'],
      ['bad date', 'updateDate=2026-11-21'],
    ]
    for (const [name, query] of asked) {
      const response = await get(sandbox, `${ENTITIES}?${query}`, SAM_KEY)
      const ours = await bodyOf(response)
      const { status, body } = quoted(name)
      const { timestamp: _t, transaction_id: _x, status: _s, ...words } = body
      expect([name, response.status, ours]).toEqual([name, status, expect.objectContaining(words)])
      expect(Object.keys(ours).sort()).toEqual(Object.keys(quoted('size above 10 (v3/v4').body).sort())
    }
    const refused = await get(sandbox, `${ENTITIES}?ueiSAM=A`)
    expect([refused.status, await refused.text()]).toEqual([401, quoted('invalid or expired key, HTML').body_text])
  })

  it('the SBIR.gov API says that it is off, and the file has the real header', async () => {
    const { response } = recorded('sbir/error_429_api_not_available.json')
    const off = await get(sandbox, '/sbir_gov/public/api/awards?agency=NSF&rows=100&start=0', { 'user-agent': 'probe/1' })
    expect([off.status, await bodyOf(off), off.headers.get('retry-after')]).toEqual([response.status, response.body, null])
    const forbidden = recorded('sbir/error_403_forbidden.json').response
    const anonymous = await get(sandbox, '/sbir_gov/public/api/awards?firm=luna')
    expect([anonymous.status, await bodyOf(anonymous), anonymous.headers.get('x-amzn-errortype')]).toEqual([
      forbidden.status,
      forbidden.body,
      forbidden.headers['x-amzn-errortype'],
    ])

    const { header } = recorded('sbir/bulk_award_data_csv_header_and_shape.json')
    expect(AWARD_COLUMNS).toEqual(header)
    const rows = readCsv(await (await get(sandbox, FILE)).text())
    expect(rows[0]).toEqual(header.filter((column: string) => column !== 'Abstract'))
  })
})
