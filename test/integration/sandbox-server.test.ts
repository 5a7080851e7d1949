import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DAY_MS } from '../../ts/model/time.ts'
import { type RunningSandbox, startSandbox } from '../../ts/sandbox/server.ts'

const WEEK = 7 * DAY_MS
const FILE = '/sbir_files/mod_awarddatapublic_no_abstract/award_data_no_abstract.csv'
let server: RunningSandbox
const agent = new Agent({ connections: 32 })

beforeAll(async () => {
  // Time stands still but for what the tests skip; quotas are timed by the real clock all the same.
  server = await startSandbox({
    seed: 7,
    companies: 200,
    awards: 600,
    port: 0,
    now: () => 0,
    sbirPublishEvery: WEEK,
    quotas: { sam_gov: [{ limit: 20, per: 1000 }], usaspending: [] },
  })
})
afterAll(async () => {
  await server.close()
  await agent.close()
})

async function json(path: string, init?: RequestInit) {
  const response = await fetch(server.url + path, init)
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
}
const admin = async (path: string) => (await json(`/_admin/${path}`)).body
const advance = (duration: string) => json('/_admin/clock', { method: 'POST', body: JSON.stringify({ advance: duration }) })

describe('server', () => {
  it('listens on loopback alone and says what it is', async () => {
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
    expect(server.banner).toContain(`${server.url} (seed 7, 200 companies, 600 awards, world time 2026-11-21T06:00:00.000Z)`)
    expect(server.banner).toContain('in real time')
    const fast = await startSandbox({ seed: 7, companies: 20, awards: 20, port: 0, speed: 10 })
    expect(fast.banner).toContain('10 times as fast as real time, and so do the quotas: a window of one minute lasts 6 s')
    await fast.close()
  })

  it('refuses a taken port and settings that make no sense', async () => {
    await expect(startSandbox({ seed: 1, companies: 1, awards: 1, port: server.port })).rejects.toThrow('EADDRINUSE')
    await expect(startSandbox({ seed: 1, companies: 1, awards: 1, port: 0, speed: -1 })).rejects.toThrow('speed')
    await expect(startSandbox({ seed: 1, companies: 1, awards: 1, port: 0, quotas: { nobody: [] } })).rejects.toThrow(
      'unknown source nobody',
    )
  })

  it('stamps answers with the time of the world', async () => {
    const { headers } = await json('/usaspending/api/v2/awards/last_updated/')
    expect(headers.get('date')).toBe('Sat, 21 Nov 2026 06:00:00 GMT')
  })

  it('streams the bulk file, honours its tag, and cuts ranges', async () => {
    const full = await fetch(server.url + FILE)
    const bytes = Buffer.from(await full.arrayBuffer())
    expect(String(bytes.length)).toBe(full.headers.get('content-length'))
    const same = await fetch(server.url + FILE, { headers: { 'if-none-match': full.headers.get('etag')! } })
    expect([same.status, await same.text(), same.headers.get('etag')]).toEqual([304, '', full.headers.get('etag')])
    const head = await fetch(server.url + FILE, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.length)])
    const part = await fetch(server.url + FILE, { headers: { range: 'bytes=100-199' } })
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, bytes.subarray(100, 200)])
  })

  it('answers what nobody planned for with 501 and the path', async () => {
    for (const path of [
      '/',
      '/nowhere',
      '/usaspending/api/v2/agency/012/',
      '/sam_gov/opportunities/v2/search',
      '/sbir_gov/other',
    ]) {
      const { status, body } = await json(path)
      expect([status, body.sandbox, body.path]).toEqual([501, 'not_implemented', path])
    }
  })

  it('answers many at once without mixing them up', async () => {
    const ids: string[] = (await admin('truth/usaspending')).keys
    const answers = await Promise.all(
      Array.from({ length: 2000 }, async (_, at) => {
        const id = ids[at % ids.length]!
        const { body } = await request(`${server.url}/usaspending/api/v2/awards/${id}/`, { dispatcher: agent })
        return [id, ((await body.json()) as { generated_unique_award_id: string }).generated_unique_award_id]
      }),
    )
    for (const [asked, answered] of answers) expect(answered).toBe(asked)
  })
})

describe('quotas over the wire', () => {
  it('lets through exactly the limit per window, and its log agrees', async () => {
    const first = server.sandbox.log.total
    let sent = 0
    const enough = () => results.filter((status) => status === 200).length > 60 || performance.now() > deadline
    const deadline = performance.now() + 30_000
    const results: number[] = []
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (!enough()) {
          sent += 1
          const { statusCode, body } = await request(`${server.url}/sam_gov/entity-information/v4/entities?size=1`, {
            dispatcher: agent,
            headers: { 'x-api-key': 'SANDBOX-KEY' },
          })
          await body.dump()
          results.push(statusCode)
        }
      }),
    )
    const { entries } = await admin(`log?after=${first}&limit=50000`)
    expect(entries.length).toBe(sent)
    const admitted: number[] = entries
      .filter((entry: { status: number }) => entry.status === 200)
      .map((entry: { real_ms: number }) => entry.real_ms)
    expect(admitted.length).toBe(results.filter((status) => status === 200).length)
    expect(admitted.length).toBeGreaterThan(60)
    const fullest = Math.max(...admitted.map((end) => admitted.filter((time) => time > end - 1000 && time <= end).length))
    expect(fullest).toBe(20)
    const refused = entries.filter((entry: { refused: boolean }) => entry.refused).length
    expect(refused).toBe(sent - admitted.length)
    const { total, violations } = await admin('violations')
    const sam = violations.filter(
      (violation: { source: string; n: number }) => violation.source === 'sam_gov' && violation.n > first,
    )
    expect(total).toBeGreaterThanOrEqual(refused)
    expect(sam.length).toBe(Math.min(refused, 10_000))
    const [report] = (await admin('arrivals?source=sam_gov')).sources
    const asked = report.windows.filter((window: { credential: string }) => window.credential.startsWith('key-'))
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatchObject({
      limit: 20,
      per_ms: 1000,
      real_window_ms: 1000,
      enforced: true,
      max_admitted: 20,
      arrivals: sent,
    })
    expect(asked[0].max_arrivals).toBeGreaterThan(20)
  })
})

describe('admin', () => {
  it('lists itself, and says what is wrong with a request', async () => {
    expect((await admin('')).endpoints).toContain('GET /_admin/world')
    const bad: [string, RequestInit | undefined, number][] = [
      ['nothing', undefined, 404],
      ['arrivals?source=nobody', undefined, 404],
      ['truth/nobody/x', undefined, 404],
      ['truth/usaspending/x?at=never', undefined, 400],
      ['changes?source=nobody', undefined, 400],
      ['changes?source=sam_gov&since=2026-12-01T00:00:00Z&until=2026-11-01T00:00:00Z', undefined, 400],
      ['log?after=-1', undefined, 400],
      ['world', { method: 'POST' }, 405],
      ['clock', { method: 'DELETE' }, 405],
      ['clock', { method: 'POST', body: '{"advance":"-1d"}' }, 400],
      ['clock', { method: 'POST', body: 'x' }, 400],
      ['faults', { method: 'POST', body: '{"source":"usaspending","kind":"flood"}' }, 400],
      ['faults', { method: 'POST', body: '{"source":"usaspending","kind":"reset","chance":1}' }, 400],
      ['faults', { method: 'POST', body: '{"source":"usaspending","kind":"reset","match":"re:("}' }, 400],
      ['faults/99', { method: 'DELETE' }, 404],
    ]
    for (const [path, init, status] of bad) {
      const answer = await json(`/_admin/${path}`, init)
      expect([path, answer.status, typeof answer.body.error]).toEqual([path, status, 'string'])
    }
  })

  it('logs who asked for what, without secrets', async () => {
    const after = server.sandbox.log.total
    const key = 'a-very-secret-key'
    await fetch(`${server.url}/sam_gov/entity-information/v4/entities?ueiSAM=[AAAAAAAAAAA1~AAAAAAAAAAA2]&api_key=${key}`)
    await fetch(`${server.url}/usaspending/api/v2/search/spending_by_award/`, {
      method: 'POST',
      body: JSON.stringify({ filters: { award_type_codes: ['A'], award_ids: ['"X1"', '"X2"'] }, fields: ['Award ID'] }),
    })
    await fetch(`${server.url}/usaspending/api/v2/awards/CONT_AWD_X_9700_-NONE-_-NONE-/`)
    const log = await admin(`log?after=${after}`)
    expect(
      log.entries.map((entry: { n: number; source: string; method: string; keys: string[]; status: number }) => [
        entry.n - after,
        entry.source,
        entry.method,
        entry.keys,
        entry.status,
      ]),
    ).toEqual([
      [1, 'sam_gov', 'GET', ['AAAAAAAAAAA1', 'AAAAAAAAAAA2'], 401],
      [2, 'usaspending', 'POST', ['X1', 'X2'], 200],
      [3, 'usaspending', 'GET', ['CONT_AWD_X_9700_-NONE-_-NONE-'], 404],
    ])
    expect(log.next).toBe(after + 3)
    const everything = JSON.stringify([log, await admin('arrivals'), await admin('violations')])
    expect(everything).not.toContain(key)
    expect(log.entries[0].path).toContain('api_key=***')
  })

  it('moves time only forward', async () => {
    const before = await admin('clock')
    expect(before).toMatchObject({ now: '2026-11-21T06:00:00.000Z', epoch_ms: Date.UTC(2026, 10, 21, 6), speed: 1 })
    const { body } = await advance('36h')
    expect([body.now, body.skipped_ms]).toEqual(['2026-11-22T18:00:00.000Z', 36 * 3_600_000])
  })

  it('tells the truth that the providers serve, at any moment', async () => {
    await advance('3d')
    const { now } = await admin('clock')
    const ids: string[] = (await admin('truth/usaspending')).keys
    for (const id of ids.slice(0, 100))
      expect((await json(`/usaspending/api/v2/awards/${id}/`)).body).toEqual(await admin(`truth/usaspending/${id}`))
    const [row] = (
      await json('/usaspending/api/v2/search/spending_by_award/', {
        method: 'POST',
        body: JSON.stringify({
          filters: { award_type_codes: ['A', 'B', 'C', 'D'] },
          fields: ['Award Amount', 'Total Outlays', 'End Date', 'Last Modified Date', 'Description'],
        }),
      })
    ).body.results
    expect(await admin(`truth/usaspending/${row.generated_internal_id}?view=search`)).toMatchObject(row)

    const { changes } = await admin('changes?source=sam_gov')
    expect(changes.length).toBeGreaterThan(0)
    for (const { key, fields } of changes) {
      const [then, today] = await Promise.all([
        admin(`truth/sam_gov/${key}?at=2026-11-21T06:00:00Z`),
        admin(`truth/sam_gov/${key}?at=${now}`),
      ])
      for (const { field, old, new: value } of fields) {
        const find = (entity: { entityRegistration: object; coreData: { physicalAddress: object; entityInformation: object } }) =>
          ({ ...entity.entityRegistration, ...entity.coreData.physicalAddress, ...entity.coreData.entityInformation })[
            field as never
          ]
        expect([field, find(then.entityData.at(-1)), find(today.entityData.at(-1))]).toEqual([field, old, value])
      }
    }
    const missing = await json('/_admin/truth/sam_gov/NOBODY')
    expect([missing.status, missing.headers.get('x-world-time')]).toEqual([404, now])
  })

  it('counts the world, and the file’s truth follows its publications', async () => {
    const before = await admin('world')
    expect(before).toMatchObject({ seed: 7, companies: 200, awards: 600, sbir_publish_every_ms: WEEK })
    expect(before.sam_rows).toBeGreaterThanOrEqual(before.sam_entities)
    await advance('30d')
    const after = await admin('world')
    expect(after.awards).toBeGreaterThan(600)
    const { changes } = await admin('changes?source=sbir_gov')
    const appeared = changes.find((change: { kind: string }) => change.kind === 'appeared')
    const rows = await admin(`truth/sbir_files/${encodeURIComponent(appeared.key)}`)
    expect(rows[0]['Agency Tracking Number'] || rows[0]['Contract']).toBe(appeared.key)
    expect((await json(`/_admin/truth/sbir_files/${encodeURIComponent(appeared.key)}?at=2026-11-21T06:00:00Z`)).status).toBe(404)
  })
})
