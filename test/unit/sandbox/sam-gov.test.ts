import { describe, expect, it } from 'vitest'
import { DAY_MS } from '../../../ts/model/time.ts'
import { throttleTime } from '../../../ts/sandbox/dialects/sam-gov.ts'
import { dayText } from '../../../ts/sandbox/world/awards.ts'
import { bodyOf, ENTITIES, get, NO_QUOTAS, type Row, SAM_KEY, virtualSandbox } from './helpers.ts'

const { sandbox } = virtualSandbox({ quotas: NO_QUOTAS, companies: 400, awards: 500 })
const { sam } = sandbox.world
const now = sandbox.clock.now()
const entities = async (query: string) => bodyOf(await get(sandbox, `${ENTITIES}?${query}`, SAM_KEY))
const usDate = (day: number) => dayText(day).replace(/(\d+)-(\d+)-(\d+)/, '$2/$3/$1')
async function all(query: string): Promise<Row[]> {
  const rows = []
  for (let page = 0; ; page += 1) {
    const answer = await entities(`${query}&page=${page}`)
    rows.push(...answer.entityData)
    if (answer.links.nextLink === undefined) {
      expect(rows.length).toBe(answer.totalRecords)
      return rows
    }
  }
}

describe('entities', () => {
  it('answers for one and for ten, pages when a batch has more rows than a page, and leaves out what it does not have', async () => {
    const two = sam.companies.find(({ eftIndicator }) => eftIndicator !== null)!
    const ten = [two, ...sam.companies.filter((company) => company.eftIndicator === null).slice(0, 9)]
    const batch = `ueiSAM=[${ten.map(({ uei }) => uei).join('~')}]&includeSections=entityRegistration`
    const first = await entities(batch)
    expect([first.totalRecords, first.entityData.length, first.links.nextLink]).toEqual([
      11,
      10,
      expect.stringContaining('page=1'),
    ])
    const second = await entities(`${batch}&page=1`)
    expect([second.entityData.length, second.links.nextLink]).toEqual([1, undefined])
    const rows = [...first.entityData, ...second.entityData].map(
      ({ entityRegistration: row }) => `${row.ueiSAM}/${row.entityEFTIndicator ?? ''}`,
    )
    expect(new Set(rows).size).toBe(11)
    const hidden = sandbox.world.companies.find((company) => company.sam === 'hidden')!
    expect(await entities(`ueiSAM=${hidden.uei}`)).toMatchObject({ totalRecords: 0, entityData: [] })
  })

  it('gives a second account a CAGE code of its own', async () => {
    const { uei } = sam.companies.find((company) => company.eftIndicator !== null && company.cage !== null)!
    const [a, b] = (await entities(`ueiSAM=${uei}`)).entityData.map(
      ({ entityRegistration: row }: { entityRegistration: { cageCode: string } }) => row.cageCode,
    )
    expect(a).not.toBe(b)
    const found = await entities(`cageCode=${a}`)
    expect(
      found.entityData.map(({ entityRegistration: row }: { entityRegistration: { ueiSAM: string } }) => row.ueiSAM),
    ).toContain(uei)
  })

  it('lists what was updated in a range, both days included', async () => {
    const today = Math.floor(now / DAY_MS)
    const rows = await all(`includeSections=entityRegistration&updateDate=[${usDate(today - 30)},${usDate(today)}]`)
    const expected = sam.companies.filter((company) => sam.at(company, now).lastUpdate >= today - 30)
    expect(expected.length).toBeGreaterThan(5)
    expect(new Set(rows.map(({ entityRegistration: row }) => row.ueiSAM))).toEqual(new Set(expected.map(({ uei }) => uei)))
    const one = sam.at(expected[0]!, now).lastUpdate
    const single = await all(`includeSections=entityRegistration&updateDate=${usDate(one)}`)
    for (const { entityRegistration: row } of single) expect(row.lastUpdateDate).toBe(dayText(one))
    expect(single.length).toBeGreaterThan(0)
  })

  it('splits by status and state', async () => {
    const [active, expired] = [await all('registrationStatus=A'), await all('registrationStatus=E')]
    expect(new Set(active.map(({ entityRegistration: row }) => row.registrationStatus))).toEqual(new Set(['Active']))
    expect(new Set(expired.map(({ entityRegistration: row }) => row.registrationStatus))).toEqual(new Set(['Inactive']))
    expect(active.length + expired.length).toBe(
      sam.companies.reduce((sum, { eftIndicator }) => sum + (eftIndicator === null ? 1 : 2), 0),
    )
    const massachusetts = await all('physicalAddressProvinceOrStateCode=MA')
    expect(massachusetts.length).toBeGreaterThan(5)
    for (const { coreData } of massachusetts) expect(coreData.physicalAddress.stateOrProvinceCode).toBe('MA')
    expect((await all('physicalAddressProvinceOrStateCode=!MA')).length).toBe(
      active.length + expired.length - massachusetts.length,
    )
  })

  it('serves only the sections that were asked for, by default two', async () => {
    const keys = async (query: string) => Object.keys((await entities(`size=1&${query}`)).entityData[0])
    expect(await keys('')).toEqual(['entityRegistration', 'coreData'])
    expect(await keys('includeSections=coreData')).toEqual(['coreData'])
    expect((await get(sandbox, `${ENTITIES}?includeSections=repsAndCerts`, SAM_KEY)).status).toBe(501)
    expect((await get(sandbox, `${ENTITIES}?includeSections=nonsense`, SAM_KEY)).status).toBe(400)
  })

  it('refuses bad dates, forbidden characters, and parameters it does not know or model', async () => {
    const status = async (query: string) => (await get(sandbox, `${ENTITIES}?${query}`, SAM_KEY)).status
    expect(await status('updateDate=13/45/2026')).toBe(400)
    expect(await status('updateDate=02/30/2026')).toBe(400)
    expect(await status('updateDate=[11/01/2026,11/02/2026,11/03/2026]')).toBe(400)
    expect(await status(`legalBusinessName=${encodeURIComponent('A & B')}`)).toBe(400)
    expect(await status('size=0')).toBe(400)
    expect(await status('page=x')).toBe(400)
    expect(await status('naicsCode=541715')).toBe(501)
    expect(await status('size=10&page=999')).toBe(200)
  })

  it('takes the key in the header or the query, and only the right one', async () => {
    expect((await get(sandbox, `${ENTITIES}?size=1&api_key=SANDBOX-KEY`)).status).toBe(200)
    expect((await get(sandbox, `${ENTITIES}?size=1`, { 'x-api-key': 'other' })).status).toBe(401)
    const logged = JSON.stringify(sandbox.log.after(0, 10_000))
    expect(logged).toContain('api_key=***')
    expect(logged).not.toContain('SANDBOX-KEY')
  })
})

describe('quota', () => {
  it('answers in the gateway’s two forms, with the time at which the next request is let in', async () => {
    const { sandbox: limited, time } = virtualSandbox({ quotas: { sam_gov: [{ limit: 2, per: 60_000 }] } })
    const ask = () => get(limited, `${ENTITIES}?size=1`, SAM_KEY)
    expect([(await ask()).status, (await ask()).status]).toEqual([200, 200])
    const bodies = []
    for (let at = 0; at < 4; at += 1) {
      const response = await ask()
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, null])
      bodies.push(await bodyOf(response))
    }
    expect(bodies[0]).toEqual({
      code: '900804',
      message: 'Message throttled out',
      description: 'You have exceeded your quota .You can access API after 2026-Nov-21 06:01:00+0000 UTC',
      nextAccessTime: '2026-Nov-21 06:01:00+0000 UTC',
    })
    expect(bodies[3]).toEqual({
      fault: {
        code: 900804,
        message: 'Message throttled out',
        description: 'You have exceeded your quota',
        nextAccessTime: '2026-11-21T06:01:00Z',
      },
    })
    time.ms = 59_999
    expect((await ask()).status).toBe(429)
    time.ms = 60_000
    expect((await ask()).status).toBe(200)
  })

  it('opens the next day at 00:00 UTC of the world', async () => {
    const { sandbox: limited } = virtualSandbox({ quotas: { sam_gov: [{ limit: 1, per: DAY_MS, resets: 'utc_day' }] } })
    const ask = () => get(limited, `${ENTITIES}?size=1`, SAM_KEY)
    await ask()
    expect((await bodyOf(await ask())).nextAccessTime).toBe('2026-Nov-22 00:00:00+0000 UTC')
    limited.clock.advance(DAY_MS)
    expect((await ask()).status).toBe(200)
  })

  it('writes times the way nothing can parse', () => {
    expect(throttleTime(Date.UTC(2026, 8, 9))).toBe('2026-Sep-09 00:00:00+0000 UTC')
    expect(throttleTime(Date.UTC(2026, 8, 9) + 1)).toBe('2026-Sep-09 00:00:01+0000 UTC')
  })
})
