import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, it } from 'vitest'
import { ingestFile } from '../../ts/ingest/ingest.ts'
import { mappingFrom, readMapping } from '../../ts/ingest/mapping.ts'
import { EngineError } from '../../ts/model/errors.ts'
import { NO_CRASH_POINTS } from '../../ts/runtime/ports.ts'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import type { Store } from '../../ts/stores/store.ts'
import { award, type Cells, csvText, NAMES } from '../unit/ingest/csv-text.ts'
import { inDirectory, load } from '../unit/ingest/load.ts'
import { keysOf, populationOf } from '../unit/ingest/population.ts'

const fixture = (name: string): Promise<Buffer> => readFile(fileURLToPath(new URL(`../fixtures/sbir/${name}`, import.meta.url)))
const companies = (rows: readonly Cells[]): string => csvText(rows, NAMES.sbir_companies)
const UEI = 'ABCDEFGHIJK1'
const FULL = {
  'Award Title': 'A laser',
  UEI,
  Duns: '123456789',
  'Company Website': 'https://www.acme.com/x',
  City: 'Dayton',
  'PI Name': 'Dr. Jane Doe',
  'PI Email': 'jane@acme.com',
  'PI Phone': '(555) 010-0199',
  'Contact Name': 'Pat Contact',
  'Contact Email': 'pat@acme.com',
  'Contact Phone': '5550100188',
  Abstract: 'Long text,\nwith lines',
}

async function refusal(act: Promise<unknown>): Promise<EngineError> {
  try {
    await act
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
  throw new Error('it was accepted')
}

let store: Store
beforeEach(() => {
  store = openMemoryStore()
})

describe('an award file', () => {
  it('becomes an award, its company, its investigator and its domain, linked', async () => {
    const report = await load(store, csvText([award({ ...FULL, Contract: 'FA8650-24-C-0001' })]))
    const population = await populationOf(store)
    const [key] = keysOf(population, 'award')
    expect(population).toEqual({
      [`award/${key}`]: {
        attributes: {
          title: 'A laser',
          agency: 'Department of Defense',
          branch: 'Air Force',
          phase: 'Phase I',
          program: 'SBIR',
          agency_tracking_number: expect.stringMatching(/^F-/),
          contract: 'FA8650-24-C-0001',
          proposal_award_date: '2024-03-01',
          contract_end_date: null,
          solicitation_number: null,
          solicitation_year: null,
          solicitation_close_date: null,
          proposal_receipt_date: null,
          date_of_notification: null,
          topic_code: null,
          award_year: 2024,
          award_amount: '150000',
          company_name: 'Acme Photonics, Inc.',
          company_key: `uei:${UEI}`,
          uei: UEI,
          duns: '123456789',
          ri_name: null,
          pi_name: 'Dr. Jane Doe',
        },
        aliases: ['award_id:FA865024C0001'],
        links: [`awarded_to company/uei:${UEI}`, `led_by person/pi:JANE DOE|uei:${UEI}`],
      },
      [`company/uei:${UEI}`]: {
        attributes: {
          name: 'Acme Photonics, Inc.',
          uei: UEI,
          duns: '123456789',
          address1: null,
          address2: null,
          city: 'Dayton',
          state: 'OH',
          zip: null,
          country: null,
          website: 'https://www.acme.com/x',
          newest_award: '2024-03-01',
          domain: 'acme.com',
          number_employees: null,
          hubzone_owned: null,
          woman_owned: null,
          disadvantaged: null,
          number_awards: null,
        },
        aliases: ['duns:123456789', 'name:ACME PHOTONICS|OH'],
        links: ['has_domain domain/acme.com'],
      },
      'domain/acme.com': { attributes: { domain: 'acme.com', company_key: `uei:${UEI}` }, aliases: [], links: [] },
      [`person/pi:JANE DOE|uei:${UEI}`]: {
        attributes: {
          name: 'Dr. Jane Doe',
          company_key: `uei:${UEI}`,
          company_name: 'Acme Photonics, Inc.',
          role: 'principal_investigator',
        },
        aliases: [],
        links: [],
      },
    })
    expect(report).toMatchObject({
      outcome: 'ingested',
      rows: 1,
      whole: true,
      quarantined: 0,
      previousRows: null,
      duplicates: { exact: 0, differing: 0 },
      entities: {
        award: { added: 1, changed: 0, unchanged: 0 },
        company: { added: 1 },
        person: { added: 1 },
        domain: { added: 1 },
      },
    })
  })

  it('loads alike with and without abstracts, byte order mark, CRLF, and in another order of columns', async () => {
    const rows = [award(FULL), award({ Company: 'Other, LLC' })]
    const variants = [
      csvText(rows),
      csvText(
        rows,
        NAMES.sbir_awards.filter((name) => name !== 'Abstract'),
      ),
      `\uFEFF${csvText(rows, NAMES.sbir_awards, '\r\n')}`,
      csvText(rows, [...NAMES.sbir_awards].reverse()),
      csvText(rows).slice(0, -1),
    ]
    const populations = []
    for (const text of variants) {
      const own = openMemoryStore()
      await load(own, text)
      populations.push(await populationOf(own))
    }
    for (const population of populations) expect(population).toEqual(populations[0])
  })

  it('reads the fixture with all its oddities', async () => {
    const report = await load(store, await fixture('awards-odd.csv'))
    expect(report).toMatchObject({
      rows: 12,
      quarantined: 5,
      whole: false,
      duplicates: { exact: 1, differing: 1 },
      warnings: { invalid_uei: 1 },
      problems: [
        { line: 9, reason: 'has 41 columns, the header has 42' },
        { line: 10, reason: 'has text after a closing quote' },
        { line: 11, reason: 'no company' },
        { line: 12, reason: 'Proposal Award Date "2023-02-30" is no date (YYYY-MM-DD or MM/DD/YYYY)' },
        { line: 15, reason: 'Award Amount "lots" is no number' },
      ],
    })
    const population = await populationOf(store)
    expect(keysOf(population, 'award')).toHaveLength(5)
    expect(keysOf(population, 'company')).toEqual(['name:NO IDS|MA', 'uei:ABCDEFGHIJK1', 'uei:ABCDEFGHIJK2'])
    expect(population['company/uei:ABCDEFGHIJK1']).toMatchObject({
      attributes: { name: 'Ünïcode & Söhne, Inc.', city: 'New Town', duns: '123456789' },
    })
    const items = await store.quarantine({ limit: 100 })
    expect(items.map((item) => item.where).sort()).toEqual([
      'file.csv line 10',
      'file.csv line 11',
      'file.csv line 12',
      'file.csv line 15',
      'file.csv line 9',
    ])
  })

  it('stores no e-mail address, telephone number or contact anywhere', async () => {
    await load(store, await fixture('awards-odd.csv'))
    await load(
      store,
      csvText([
        award({
          ...FULL,
          Company: 'Mail us: sales@acme.com Inc',
          'Company Website': 'info@acme-mail.com',
          Address2: 'c/o pat@acme.com',
        }),
      ]),
      { allowShrink: true },
    )
    const everything = JSON.stringify([
      await populationOf(store),
      await store.quarantine({ limit: 100 }),
      await store.ingests(10),
    ])
    expect(everything).not.toMatch(/[\w.]+@[\w.]+\.\w/)
    expect(everything).not.toMatch(/555.?01|5550100/)
    expect(everything).not.toMatch(/Contact Person|Abstract text/)
    expect(everything).toContain('acme-mail.com')
  })
})

describe('the same file again', () => {
  it('is done at once when the bytes are the same, and names the ingest that saw its entities', async () => {
    const text = csvText([award(FULL), award()])
    const first = await load(store, text)
    const again = await load(store, text)
    expect(again).toMatchObject({ outcome: 'same_file', seenAs: first.ingestId, rows: 2, whole: true, entities: {} })
    expect(again.ingestId).not.toBe(first.ingestId)
    expect(await store.ingests(10)).toHaveLength(1)
  })

  it('changes nothing when other bytes say the same', async () => {
    const rows = [award(FULL), award(), award({ Company: 'Beta LLC', UEI: 'BBBBBBBBBBB2' })]
    await load(store, csvText(rows))
    const before = await populationOf(store)
    const again = await load(store, csvText([...rows].reverse(), [...NAMES.sbir_awards].reverse(), '\r\n'))
    expect(again.outcome).toBe('ingested')
    for (const summary of Object.values(again.entities)) expect(summary).toMatchObject({ added: 0, changed: 0 })
    expect(await populationOf(store)).toEqual(before)
    expect(again.seenAs).toBe(again.ingestId)
    const awards = keysOf(before, 'award').map((key) => ({ kind: 'award' as const, key }))
    expect((await store.seenBy(awards, again.ingestId))?.size).toBe(3)
  })

  it('is read again when the store no longer knows what it named', async () => {
    const text = csvText([award()])
    await load(store, text)
    const forgetful = { ...store, seenBy: async () => new Set<string>() }
    expect(await load(forgetful, text)).toMatchObject({ outcome: 'ingested', entities: { award: { unchanged: 1 } } })
  })

  it('is read again when it was read through another mapping', async () => {
    const text = 'firm,id\nAcme,C1\n'
    const by = (column: string): ReturnType<typeof mappingFrom> => mappingFrom({ Company: 'firm', [column]: 'id' }, 'sbir_awards')
    await load(store, text, { mapping: by('Contract') })
    expect((await load(store, text, { mapping: by('Contract') })).outcome).toBe('same_file')
    expect((await load(store, text, { mapping: by('Agency Tracking Number') })).outcome).toBe('ingested')
  })
})

describe('a newer file', () => {
  it('updates, adds, and deletes nothing by absence', async () => {
    const kept = award({ ...FULL })
    const gone = award({ Company: 'Gone LLC' })
    await load(store, csvText([kept, gone]))
    const report = await load(store, csvText([{ ...kept, 'Award Amount': '200000' }, award({ Company: 'New LLC' })]))
    expect(report).toMatchObject({
      previousRows: 2,
      entities: { award: { added: 1, changed: 1, unchanged: 0 }, company: { added: 1, changed: 0, unchanged: 1 } },
    })
    expect(keysOf(await populationOf(store), 'company')).toEqual(['name:GONE|OH', 'name:NEW|OH', `uei:${UEI}`])
  })

  it('keeps the key of a company that gains a UEI, and finds it by both afterwards', async () => {
    const old = award({ Duns: '123456789' })
    await load(store, csvText([old]))
    const rows = [old, award({ UEI, Duns: '123456789', 'Proposal Award Date': '2025-01-01' })]
    await load(store, csvText(rows))
    const population = await populationOf(store)
    expect(keysOf(population, 'company')).toEqual(['duns:123456789'])
    expect(population['company/duns:123456789']).toMatchObject({
      attributes: { uei: UEI },
      aliases: ['name:ACME PHOTONICS|OH', `uei:${UEI}`],
    })
    expect(keysOf(population, 'award').map((key) => population[`award/${key}`]!.attributes['uei'])).toEqual([UEI, UEI])
    const later = await load(store, csvText([award({ UEI, Company: 'Renamed Corp' }), award({ UEI, Company: 'Renamed Corp' })]))
    expect(later.entities).toMatchObject({ company: { added: 0, changed: 1 } })
  })

  it('clears what the award file no longer says', async () => {
    const row = award({ ...FULL })
    await load(store, csvText([row]))
    await load(store, csvText([{ ...row, City: '' }]))
    expect((await store.entity({ kind: 'company', key: `uei:${UEI}` }))?.attributes).toMatchObject({ city: null, uei: UEI })
  })

  it('with fewer than the expected share of rows is refused unless that is meant', async () => {
    const rows = Array.from({ length: 10 }, () => award())
    await load(store, csvText(rows))
    const before = await populationOf(store)
    const error = await refusal(load(store, csvText(rows.slice(0, 4).map((row) => ({ ...row, 'Award Amount': '1' })))))
    expect(error).toMatchObject({ code: 'ingest_truncated', recovery: 'failed' })
    expect(error.message).toMatch(/4 rows, the last one .* had 10/)
    expect(error.hint).toContain('--allow-shrink')
    expect(await populationOf(store)).toEqual(before)
    expect((await load(store, csvText(rows.slice(0, 5)))).rows).toBe(5)
    expect((await load(store, csvText(rows.slice(0, 1)), { allowShrink: true })).rows).toBe(1)
  })
})

describe('the company file', () => {
  const acme = {
    'Company Name': 'ACME PHOTONICS INC',
    UEI,
    DUNs: '123456789',
    'Number Awards': '12',
    City: 'Columbus',
    State: 'OH',
    Country: 'United States',
    'Company URL': '',
  }

  it('adds to what the award file knows and takes nothing away', async () => {
    await load(store, csvText([award({ ...FULL, 'Number Employees': '30' })]))
    const report = await load(
      store,
      companies([acme, { 'Company Name': 'Only Here', State: 'TX', 'Company URL': 'onlyhere.com' }]),
      { loader: 'sbir_companies' },
    )
    expect(report.entities).toMatchObject({ company: { added: 1, changed: 1 }, domain: { added: 1 } })
    expect((await store.entity({ kind: 'company', key: `uei:${UEI}` }))?.attributes).toMatchObject({
      name: 'ACME PHOTONICS INC',
      number_awards: 12,
      country: 'United States',
      city: 'Columbus',
      number_employees: 30,
      website: 'https://www.acme.com/x',
      domain: 'acme.com',
    })
  })

  it('leaves its own columns when the award file comes again', async () => {
    await load(store, companies([acme]), { loader: 'sbir_companies' })
    await load(store, csvText([award({ ...FULL })]))
    expect((await store.entity({ kind: 'company', key: `uei:${UEI}` }))?.attributes).toMatchObject({
      number_awards: 12,
      country: 'United States',
      city: 'Dayton',
    })
  })

  it('counts rows about one company', async () => {
    const report = await load(store, companies([acme, acme, { ...acme, City: 'Dayton' }, { 'Company Name': '' }]), {
      loader: 'sbir_companies',
    })
    expect(report).toMatchObject({
      rows: 4,
      quarantined: 1,
      duplicates: { exact: 1, differing: 1 },
      entities: { company: { added: 1 } },
    })
  })
})

describe('a mapped file', () => {
  it('finds its mapping in a JSON file or in line', async () => {
    const ready = (name: string): string => fileURLToPath(new URL(`../../config/mappings/${name}.json`, import.meta.url))
    for (const name of ['nsf', 'nih', 'dod_with_uei', 'mda'])
      expect(await readMapping(ready(name), 'sbir_awards')).toHaveProperty('Company')
    expect(await readMapping('Company=firm', 'sbir_awards')).toEqual({ Company: { column: 'firm' } })
    expect((await refusal(readMapping('none.json', 'sbir_awards'))).message).toContain('none.json cannot be read')
    await inDirectory(async (directory) => {
      const path = join(directory, 'broken.json')
      await writeFile(path, '{"Company": ')
      expect((await refusal(readMapping(path, 'sbir_awards'))).message).toContain('is not JSON')
    })
  })

  it('leaves columns it does not have as they are known', async () => {
    await load(store, csvText([award(FULL)]))
    await load(store, `firm,uei,contract\n"Acme Photonics, Inc.",${UEI},X-1\n`, {
      mapping: mappingFrom({ Company: 'firm', UEI: 'uei', Contract: 'contract', Agency: { value: 'NSF' } }, 'sbir_awards'),
    })
    const population = await populationOf(store)
    expect(population[`company/uei:${UEI}`]?.attributes).toMatchObject({
      city: 'Dayton',
      website: 'https://www.acme.com/x',
      domain: 'acme.com',
      state: 'OH',
    })
    expect(Object.values(population).find((seen) => seen.attributes['contract'] === 'X-1')?.attributes).toMatchObject({
      agency: 'NSF',
      title: null,
      award_amount: null,
    })
  })
})

describe('what is not loaded', () => {
  it.each([
    ['a gzip', gzipSync(csvText([award()])), /gzip/],
    ['UTF-16', Buffer.from(csvText([award()]), 'utf16le'), /UTF-16/],
    ['an HTML page', '<!DOCTYPE html><html><head><title>Error</title></head></html>', /HTML page/],
    ['an S3 error', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', /AccessDenied/],
    ['JSON', '{"Code":"TooManyRequestsError"}', /JSON/],
  ] as const)('%s', async (_, content, expected) => {
    const error = await refusal(load(store, Buffer.from(content)))
    expect(error.code).toBe('ingest_not_csv')
    expect(error.message).toMatch(expected)
    expect(error.hint).toBeDefined()
    expect(await populationOf(store)).toEqual({})
  })

  it.each([
    ['nothing', '', 'ingest_empty'],
    ['empty lines', '\n\n\r\n', 'ingest_empty'],
    ['a header alone', csvText([]), 'ingest_empty'],
    ['a wrong header', 'a,b,c\n1,2,3\n', 'ingest_header'],
    ['a header with a broken quote', 'a,"b"x,c\n1,2,3\n', 'ingest_header'],
  ])('%s', async (_, content, code) => {
    expect((await refusal(load(store, content))).code).toBe(code)
  })

  it('a file that breaks off within a quoted field, or within its last line', async () => {
    const text = csvText([award(), award({ 'Award Title': 'several\nlines' })])
    const inQuotes = await refusal(load(store, text.slice(0, text.indexOf('lines') + 2)))
    expect(inQuotes.code).toBe('ingest_truncated')
    expect(inQuotes.message).toContain('line 3')
    expect((await refusal(load(store, text.slice(0, text.indexOf('several') - 3)))).code).toBe('ingest_truncated')
    expect(await load(store, text.slice(0, text.indexOf('lines') + 2), { allowShrink: true })).toMatchObject({
      rows: 3,
      quarantined: 2,
      whole: false,
    })
  })

  it('a file with more broken rows than allowed, nothing of it', async () => {
    const error = await refusal(
      load(store, csvText([award(), award({ Company: '' }), award({ 'Award Amount': 'x' }), award({ Company: '' })]), {
        maxBadRows: 2,
      }),
    )
    expect(error.code).toBe('ingest_too_many_bad_rows')
    expect(error.message).toContain('line 3: no company; line 4: Award Amount "x" is no number; line 5: no company')
    expect(error.hint).toContain('ingest.max_bad_rows')
    expect(await populationOf(store)).toEqual({})
    expect(await store.quarantine({ limit: 10 })).toEqual([])
  })

  it('what is no file', async () => {
    await inDirectory(async (directory) => {
      const request = { loader: 'sbir_awards' as const, now: 0, ingestId: 'x', minRowShare: 0.5, maxBadRows: 0 }
      const deps = { store, logger: { log() {} }, crashPoints: NO_CRASH_POINTS }
      expect(await refusal(ingestFile(deps, { ...request, path: join(directory, 'none.csv') }))).toMatchObject({
        code: 'ingest_file',
        recovery: 'usage',
      })
      expect(await refusal(ingestFile(deps, { ...request, path: directory }))).toMatchObject({ code: 'ingest_file' })
    })
  })

  it('a file that changes while it is read', async () => {
    await inDirectory(async (directory) => {
      const path = join(directory, 'file.csv')
      await writeFile(path, csvText(Array.from({ length: 3000 }, () => award())))
      const meddling = {
        ...store,
        entitiesByAlias: async (...given: Parameters<Store['entitiesByAlias']>) => {
          await writeFile(path, csvText([award()]))
          return store.entitiesByAlias(...given)
        },
      }
      const error = await refusal(
        ingestFile(
          { store: meddling, logger: { log() {} }, crashPoints: NO_CRASH_POINTS },
          { loader: 'sbir_awards', path, now: 0, ingestId: 'x', minRowShare: 0.5, maxBadRows: 0 },
        ),
      )
      expect(error.code).toBe('ingest_file_changed')
      expect(await store.ingests(10)).toEqual([])
    })
  })

  it('an oversized cell', async () => {
    const report = await load(
      store,
      csvText([award(), award({ 'Award Title': 'x'.repeat(20_000) }), award({ Abstract: 'y'.repeat(20_000) })]),
    )
    expect(report.problems).toEqual([{ line: 3, reason: 'title is longer than 10000 characters' }])
    expect(report.entities.award?.added).toBe(2)
  })
})

describe('a long ingest', () => {
  const rows = Array.from({ length: 2500 }, (_, index) => award({ Company: `Company ${index}` }))

  it('writes in batches, tells how far it is, and stops when told to', async () => {
    const controller = new AbortController()
    const seen: (readonly [number, number | null])[] = []
    const sizes: number[] = []
    const counting = {
      ...store,
      upsertEntities: (...given: Parameters<Store['upsertEntities']>) => {
        sizes.push(given[0].length)
        if (sizes.length === 4) controller.abort()
        return store.upsertEntities(...given)
      },
    }
    const progress = (done: number, total: number | null): void => {
      seen.push([done, total])
    }
    const error = await refusal(load(counting, csvText(rows), {}, { signal: controller.signal, progress }))
    expect(error).toMatchObject({ recovery: 'interrupted', code: 'interrupted' })
    expect(sizes).toEqual([1000, 1000, 500, 1000])
    expect(seen.some(([, total]) => total === null)).toBe(true)
    expect(seen.at(-1)).toEqual([3500, 5000])
    const rest = await load(store, csvText(rows))
    expect(rest.entities).toEqual({
      company: { added: 0, changed: 0, unchanged: 2500 },
      award: { added: 1500, changed: 0, unchanged: 1000 },
    })
  })
})

describe('a file with older rows', () => {
  const OLD = {
    ...FULL,
    Company: 'Acme Inc',
    'Proposal Award Date': '2019-03-01',
    'Award Year': '2019',
    City: 'Akron',
    'Company Website': 'https://old-acme.com',
    'Agency Tracking Number': 'F-OLD',
    'PI Name': 'JANE DOE',
  }
  const NEW = { ...FULL, 'Proposal Award Date': '2024-03-01', 'Award Year': '2024', 'Agency Tracking Number': 'F-NEW' }

  it('does not roll a company, its people and its domain back; what it alone knows is added', async () => {
    await load(store, csvText([award(NEW)]))
    const before = await populationOf(store)
    await load(store, csvText([award(OLD)]))
    const after = await populationOf(store)
    for (const kind of ['company', 'person', 'domain'] as const)
      for (const key of keysOf(before, kind)) {
        expect(after[`${kind}/${key}`]!.attributes).toEqual(before[`${kind}/${key}`]!.attributes)
        expect(after[`${kind}/${key}`]!.links).toEqual(before[`${kind}/${key}`]!.links)
      }
    expect(keysOf(after, 'award')).toHaveLength(2)
    expect(after[`company/uei:${UEI}`]!.attributes).toMatchObject({ city: 'Dayton', newest_award: '2024-03-01' })
  })

  it('leaves what both files in one, in either order, would have made', async () => {
    await load(store, csvText([award(NEW), award(OLD)]))
    const once = await populationOf(store)
    for (const order of [
      [NEW, OLD],
      [OLD, NEW],
    ]) {
      const other = openMemoryStore()
      for (const row of order) await load(other, csvText([award(row)]))
      const twice = await populationOf(other)
      for (const id of [`company/uei:${UEI}`, `person/pi:JANE DOE|uei:${UEI}`])
        expect(twice[id]!.attributes, id).toEqual(once[id]!.attributes)
    }
  })

  it('does not take a domain away from a company with a newer award', async () => {
    const shared = { 'Company Website': 'acme.com' }
    await load(store, csvText([award({ ...NEW, ...shared })]))
    const other = { ...OLD, ...shared, UEI: 'ABCDEFGHIJK2', Duns: '', Company: 'Bolt' }
    await load(store, csvText([award(other)]))
    expect((await populationOf(store))['domain/acme.com']!.attributes).toMatchObject({ company_key: `uei:${UEI}` })
  })

  it('counts when it is what the provider serves now', async () => {
    await load(store, csvText([award(NEW)]))
    await load(store, csvText([award(OLD)]), { isCurrent: true })
    expect((await populationOf(store))[`company/uei:${UEI}`]!.attributes).toMatchObject({
      city: 'Akron',
      newest_award: '2019-03-01',
    })
  })

  it('changes nothing the second time', async () => {
    const [newer, older] = [csvText([award(NEW)]), csvText([award(OLD)])]
    await load(store, newer)
    await load(store, older)
    const before = await populationOf(store)
    for (const again of [newer, older, older]) await load(store, again)
    expect(await populationOf(store)).toEqual(before)
  })
})
