import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DAY_MS } from '../../../ts/model/time.ts'
import { AWARD_COLUMNS, awardCsv, companyCsv, csvLine } from '../../../ts/sandbox/bulk-csv.ts'
import { createWorld, DEFAULT_START_AT as START } from '../../../ts/sandbox/world/world.ts'
import { writeBulkFiles } from '../../../ts/sandbox/write-files.ts'
import { bodyOf, FILE, get, readCsv, virtualSandbox } from './helpers.ts'

const WEEK = 7 * DAY_MS
const ABSTRACTS = '/sbir_files/mod_awarddatapublic/award_data.csv'
const world = createWorld({ seed: 5, companies: 700, awards: 2000, startAt: START, sbirPublishEvery: WEEK })
const text = (lines: Iterable<string>) => [...lines].join('')

describe('award file', () => {
  const rows = readCsv(text(awardCsv(world, START)))

  it('has 42 fields in every row, 41 without the abstract, and is otherwise the same', () => {
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([42]))
    const without = readCsv(text(awardCsv(world, START, { abstract: false })))
    const at = AWARD_COLUMNS.indexOf('Abstract')
    expect(without).toEqual(rows.map((row) => row.filter((_, column) => column !== at)))
    expect(rows[0]).toEqual([...AWARD_COLUMNS])
  })

  it('holds records over several lines, quotes, exact duplicates, and a byte order mark when asked', () => {
    const without = readCsv(text(awardCsv(world, START, { abstract: false })))
    expect(without.filter((row) => row.some((field) => field.includes('\n'))).length).toBeGreaterThan(2)
    expect(without.some((row) => row.some((field) => field.includes('"')))).toBe(true)
    const lines = without.map((row) => JSON.stringify(row))
    expect(lines.length - new Set(lines).size).toBe(Math.round(2000 / 333))
    expect(text(awardCsv(world, START, { duplicates: 0 })).startsWith('Company,')).toBe(true)
    expect(readCsv(text(awardCsv(world, START, { duplicates: 0 }))).length).toBe(2001)
    expect(text(awardCsv(world, START, { bom: true })).startsWith('\uFEFFCompany,')).toBe(true)
  })

  it('quotes every field that needs it', () => {
    const fields = ['plain', 'a b', 'a,b', 'say "x"', 'two\nlines', '']
    expect(csvLine(fields)).toBe('plain,"a b","a,b","say ""x""","two\nlines",\n')
    expect(readCsv(csvLine(fields))).toEqual([fields])
  })

  it('changes with the next publication only: new awards at the end, a company’s edit on all its rows', () => {
    const next = readCsv(text(awardCsv(world, START + 4 * WEEK, { duplicates: 0 })))
    const before = readCsv(text(awardCsv(world, START, { duplicates: 0 })))
    expect(next.length).toBeGreaterThan(before.length)
    const [company, website] = [AWARD_COLUMNS.indexOf('Company'), AWARD_COLUMNS.indexOf('Company Website')]
    expect(before.every((row, at) => row[company] === next[at]![company])).toBe(true)
    const edited = before.flatMap((row, at) => (row[website] !== next[at]![website] ? [at - 1] : []))
    expect(edited.length).toBeGreaterThan(0)
    const awards = world.sbir.awardsUntil(START)
    const owners = new Set(edited.map((at) => awards[at]!.company))
    const theirs = awards.flatMap((award, at) => (at < 2000 && owners.has(award.company) ? [at] : []))
    expect(edited).toEqual(theirs)
  })

  it('keeps the columns that identify an award as they are', () => {
    const kept = [
      'Company',
      'Agency',
      'Branch',
      'Phase',
      'Program',
      'Agency Tracking Number',
      'Contract',
      'Proposal Award Date',
      'Solicitation Number',
    ].map((name) => AWARD_COLUMNS.indexOf(name as never))
    const pick = (list: string[][]) => list.map((row) => kept.map((at) => row[at]))
    const next = readCsv(text(awardCsv(world, START + 20 * WEEK, { duplicates: 0 })))
    expect(pick(next).slice(0, 2001)).toEqual(pick(readCsv(text(awardCsv(world, START, { duplicates: 0 })))))
  })

  it('comes with a company file that counts its awards', () => {
    const companies = readCsv(text(companyCsv(world, START)))
    expect(new Set(companies.map((row) => row.length))).toEqual(new Set([14]))
    const counted = companies.slice(1).reduce((sum, row) => sum + Number(row[3]), 0)
    expect(counted).toBe(2000)
  })
})

describe('file host', () => {
  const { sandbox } = virtualSandbox({ sbirPublishEvery: WEEK })

  it('answers conditional requests, by tag first and then by date', async () => {
    const full = await get(sandbox, FILE)
    const body = Buffer.from(await full.arrayBuffer())
    const etag = full.headers.get('etag')!
    const modified = full.headers.get('last-modified')!
    expect(full.headers.get('content-length')).toBe(String(body.length))
    expect(etag).toBe(`"${createHash('md5').update(body).digest('hex')}"`)
    expect(modified).toBe('Sat, 21 Nov 2026 06:00:00 GMT')
    const status = async (headers: Record<string, string>) => (await get(sandbox, FILE, headers)).status
    expect(await status({ 'if-none-match': etag })).toBe(304)
    expect(await status({ 'if-none-match': `W/${etag}` })).toBe(304)
    expect(await status({ 'if-modified-since': modified })).toBe(304)
    expect(await status({ 'if-none-match': '"other"', 'if-modified-since': modified })).toBe(200)
    expect(await status({ 'if-modified-since': 'Fri, 20 Nov 2026 06:00:00 GMT' })).toBe(200)
    expect(await status({ 'if-modified-since': 'nonsense' })).toBe(200)
  })

  it('serves single ranges, and all of it when the copy is another', async () => {
    const whole = Buffer.from(await (await get(sandbox, FILE)).arrayBuffer())
    const etag = (await get(sandbox, FILE)).headers.get('etag')!
    const part = await get(sandbox, FILE, { range: 'bytes=70000-70099', 'if-range': etag })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 70000-70099/${whole.length}`])
    expect(Buffer.from(await part.arrayBuffer())).toEqual(whole.subarray(70_000, 70_100))
    const tail = await get(sandbox, FILE, { range: 'bytes=-50' })
    expect(Buffer.from(await tail.arrayBuffer())).toEqual(whole.subarray(-50))
    const rest = await get(sandbox, FILE, { range: `bytes=${whole.length - 9}-` })
    expect(Buffer.from(await rest.arrayBuffer())).toEqual(whole.subarray(-9))
    expect((await get(sandbox, FILE, { range: `bytes=${whole.length}-` })).status).toBe(416)
    expect((await get(sandbox, FILE, { range: 'bytes=0-9', 'if-range': '"old"' })).status).toBe(200)
  })

  it('answers HEAD without a body, the other file with its abstracts, and anything else as a bucket does', async () => {
    const { response } = await sandbox.answer(new Request(`http://sandbox.test${FILE}`, { method: 'HEAD' }))
    expect([response.status, response.body, Number(response.headers.get('content-length')) > 1000]).toEqual([200, null, true])
    expect(readCsv(await (await get(sandbox, ABSTRACTS)).text())[0]).toContain('Abstract')
    const dead = await get(sandbox, '/sbir_files/awarddatadownload/award_data.csv')
    expect([dead.status, dead.headers.get('content-type'), await dead.text()]).toEqual([
      403,
      'application/xml',
      expect.stringContaining('<Code>AccessDenied</Code>'),
    ])
  })

  it('publishes anew when the time has come, not before', async () => {
    const etag = (await get(sandbox, FILE)).headers.get('etag')!
    sandbox.clock.advance(WEEK - 1)
    expect((await get(sandbox, FILE, { 'if-none-match': etag })).status).toBe(304)
    sandbox.clock.advance(1)
    const fresh = await get(sandbox, FILE, { 'if-none-match': etag })
    expect([fresh.status, fresh.headers.get('last-modified')]).toEqual([200, 'Sat, 28 Nov 2026 06:00:00 GMT'])
  })
})

describe('SBIR.gov API', () => {
  it('is off in the way that was asked for', async () => {
    const agent = { 'user-agent': 'probe/1' }
    const ask = (off: '429' | '403' | '429-body-403') =>
      get(virtualSandbox({ sbirApi: off }).sandbox, '/sbir_gov/public/api/firm?uei=A', agent)
    expect((await ask('429')).status).toBe(429)
    expect([(await ask('403')).status, await bodyOf(await ask('403'))]).toEqual([403, { message: 'Forbidden' }])
    expect([(await ask('429-body-403')).status, (await bodyOf(await ask('429-body-403'))).Code]).toEqual([
      403,
      'TooManyRequestsError',
    ])
  })
})

describe('written files', () => {
  let directory = ''
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sandbox-csv-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it('are what the host serves, complete, with nothing left over', async () => {
    const target = join(directory, 'made', 'here')
    const written = await writeBulkFiles(world, START + 3 * DAY_MS, target)
    expect((await readdir(target)).sort()).toEqual(['award_data.csv', 'award_data_no_abstract.csv', 'company_data.csv'])
    for (const { path, bytes } of written) expect((await readFile(path)).length).toBe(bytes)
    expect(await readFile(join(target, 'award_data_no_abstract.csv'), 'utf8')).toBe(
      text(awardCsv(world, START, { abstract: false })),
    )
    await expect(writeBulkFiles(world, START, join(target, 'award_data.csv'))).rejects.toThrow()
  })
})
