/** Keys that must not be found again: not on a screen, not in a file, not in a database, whatever providers do with them. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { SourceAdapter } from '../../ts/adapters/adapter.ts'
import { MalformedAnswer } from '../../ts/adapters/shared/malformed.ts'
import { configSchema } from '../../ts/config/schema.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { createLogger } from '../../ts/runtime/logger.ts'
import { createScrubber } from '../../ts/runtime/scrub.ts'
import type { FaultSpec } from '../../ts/sandbox/faults.ts'
import { reapAll, start, WORKER } from '../chaos/support/child.ts'
import { startCli } from '../chaos/support/cli.ts'
import { admin, advance, arrived, type Home, openHome, openTestEngine, refreshAll } from '../chaos/support/home.ts'
import { formsOf, huntBelow, huntText } from '../chaos/support/secret-hunt.ts'
import type { WorkerScript } from '../chaos/worker.ts'

/** Characters that encodings change. Made so that no form of one is a form of the other. */
const KEY = 'CANARY/k9+Zq=&"7<w>%2f\\vX'
const WRONG_KEY = 'cAnArY-0ld+key/=revoked"!'

afterAll(reapAll)

describe('the hunt itself', () => {
  it('finds a key in every form in which it was hidden', () => {
    for (const [name, form] of formsOf(KEY)) expect(huntText('here', `before ${form} after`, [KEY]), name).not.toEqual([])
    expect(huntText('here', 'nothing', [KEY])).toEqual([])
  })

  it('finds a key in compressed Parquet and in SQLite rows', { timeout: 30_000 }, async () => {
    const home = await openHome()
    try {
      const engine = await openTestEngine(await home.config())
      await engine.ingest({ loader: 'sbir_companies', path: home.files.companies })
      const [company] = (await engine.store.entitiesByAlias('company', [])).values()
      expect(company).toBeUndefined()
      for await (const entity of engine.store.entities('company')) {
        await engine.store.addPending([
          { source: 'sbir_gov', entity, reason: `because ${KEY}`, at: engine.clock.now(), by: 'user' },
        ])
        await engine.store.upsertEntities(
          [{ ...entity, attributes: { ...entity.attributes, website: KEY }, links: [] }],
          'ingest',
          engine.clock.now(),
        )
        break
      }
      await engine.close()
      const { hits } = await huntBelow(home.dir, [KEY])
      expect(hits).toEqual(expect.arrayContaining([expect.stringContaining('state.sqlite, by row: secret 1, raw')]))
    } finally {
      await home.close()
    }
  })
})

describe('the command line, through a life with faults', { timeout: 120_000 }, () => {
  let home: Home
  let shown = ''
  let crashes = 0
  beforeAll(async () => {
    home = await openHome({ seed: 4, companies: 60, awards: 80, samKeys: [KEY] })
  })
  afterAll(() => home.close())

  async function cli(args: readonly string[], key = KEY): Promise<number | null> {
    const child = startCli(home, args, { SAM_GOV_API_KEY: key, ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__COHORT__SIZE: '10' })
    const ended = await child.ended
    shown += `$ ${args.join(' ')}\n${ended.stdout}${ended.stderr}`
    return ended.code
  }

  async function expectNothingFound(): Promise<readonly string[]> {
    const { hits, searched } = await huntBelow(home.dir, [KEY, WRONG_KEY])
    expect(hits).toEqual([])
    expect(huntText('stdout and stderr', shown, [KEY, WRONG_KEY])).toEqual([])
    return searched
  }

  it('a load, a refresh and an export leave no key behind', async () => {
    expect(await cli(['ingest', '--awards', home.files.awards, '--companies', home.files.companies])).toBe(0)
    expect(await cli(['refresh', '--verbose'])).toBe(0)
    expect((await admin<{ total: number }>(home, 'arrivals?source=sam_gov')).total).toBeGreaterThan(3)
    const searched = await expectNothingFound()
    for (const file of [/state\.sqlite$/, /state\.json$/, /\.parquet$/, /enrichment\.duckdb$/, /manifest\.json$/])
      expect(
        searched.some((name) => file.test(name)),
        String(file),
      ).toBe(true)
  })

  it.each([
    { kind: 'html-200' },
    { kind: '429-with-body', retry_after: 1, count: 2 },
    { kind: '500' },
    { kind: 'reset' },
    { kind: 'truncate' },
    { kind: 'gzip-bomb', megabytes: 64 },
  ] satisfies Omit<FaultSpec, 'source'>[])('nor does $kind', async (fault) => {
    // Each finds everything due again.
    await advance(home, '8d')
    await admin(home, 'faults', { source: 'sam_gov', ...fault } as unknown as JsonObject)
    const before = arrived(home)
    await cli(['refresh', '--source', 'sam_gov', '--verbose', '--set', 'log.format=json'])
    expect(arrived(home)).toBeGreaterThan(before)
    await admin(home, 'faults', undefined, 'DELETE')
    await expectNothingFound()
  })

  it('nor does a key that is refused', async () => {
    await advance(home, '8d')
    expect(await cli(['refresh', '--source', 'sam_gov', '--verbose'], WRONG_KEY)).not.toBe(0)
    expect(shown).toMatch(/credential/)
    expect(await cli(['sources', 'check', '--source', 'sam_gov', '--verbose'], WRONG_KEY)).not.toBe(0)
    await expectNothingFound()
  })

  it('nor does any command that shows things, nor a key in a wrong place on the command line', async () => {
    for (const args of [
      ['config', 'check', '--json'],
      ['sources', '--json'],
      ['report', '--json'],
      ['quarantine', 'list', '--json'],
      ['checkpoints', 'list', '--json'],
      ['events', '--json', '--limit', '50'],
      ['quota'],
      ['refresh', '--set', `enrichment.sam_gov.credentials.api_key.env=${KEY}`],
      ['refresh', '--set', `enrichment.sam_gov.api_key=${KEY}`],
    ])
      await cli(args)
    // What a person typed stands in `shown` by this test's own doing.
    shown = shown.replaceAll(/^\$ .*$/gm, '')
    await expectNothingFound()
  })

  it('nor does a stop in the middle', async () => {
    await advance(home, '8d')
    await admin(home, 'faults', { source: 'sam_gov', kind: 'latency', ms: 500 })
    const before = arrived(home)
    const child = startCli(home, ['refresh', '--source', 'sam_gov', '--verbose'], { SAM_GOV_API_KEY: KEY })
    for (let i = 0; i < 400 && arrived(home) === before; i += 1) await sleep(25)
    child.kill('SIGTERM')
    const ended = await child.ended
    expect(ended.code).toBe(130)
    shown += ended.stdout + ended.stderr
    await admin(home, 'faults', undefined, 'DELETE')
    await expectNothingFound()
  })

  it.each(['http.before_dispatch', 'http.after_response', 'store.commit.before_commit', 'session.after_commit'])(
    'nor does a crash at %s, log of the state included',
    async (point) => {
      await advance(home, '8d')
      const config = await home.config({ 'enrichment_refresh.sam_gov.cohort.size': 10 })
      const script: WorkerScript = {
        config,
        env: { SAM_GOV_API_KEY: KEY },
        steps: [{ do: 'refresh', request: { sources: ['sam_gov'] } }],
        crash: { point, pass: 2 },
        // Each later than any lease of the one that was killed before.
        monotonicAheadMs: 3_600_000 * (1 + crashes++),
      }
      const ended = await start([WORKER], { input: JSON.stringify(script) }).ended
      expect(ended.signal, ended.stderr).toBe('SIGKILL')
      shown += ended.stdout + ended.stderr
      const searched = await expectNothingFound()
      expect(searched).toContain('state.sqlite-wal')
    },
  )
})

describe('a provider that repeats what it was sent', { timeout: 60_000 }, () => {
  const TOKEN = 'tok/en+IN=header&"<1>%41'
  const QUERY = 'que/ry+KEY=in&"<url>%2B'
  let mode = 'ok'
  let arrivals = 0
  const provider: Server = createServer((request, response) => {
    arrivals += 1
    const token = request.headers.authorization!.slice('Bearer '.length)
    const query = new URL(request.url!, 'http://provider').searchParams.get('key')!
    const both = [token, query]
    const echoes = {
      link: `https://provider.example${request.url}`,
      raw: both,
      base64: both.map((secret) => Buffer.from(`user:${secret}`).toString('base64')),
      hex: both.map((secret) => Buffer.from(secret).toString('hex')),
    }
    // As PHP writes it: slashes escaped, so that the raw value only appears when it is parsed.
    const json = JSON.stringify({ id: 'x', status: 'active', ...echoes }).replaceAll('/', '\\/')
    const headers = { 'content-type': 'application/json', etag: `"${token}"`, 'x-request': request.url!, 'last-modified': query }
    if (mode === 'ok') response.writeHead(200, headers).end(json)
    else if (mode === 'gson')
      response
        .writeHead(200, headers)
        .end(
          JSON.stringify({ id: 'x', ...echoes, link: both }).replace(
            /[<>&=']/g,
            (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
          ),
        )
    else if (mode === 'malformed')
      response.writeHead(200, headers).end(JSON.stringify({ error: `cannot serve ${request.url} for ${token}`, echoes }))
    else if (mode === 'html')
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end(`<h1>Welcome ${query.replaceAll('"', '&quot;')}</h1>${JSON.stringify(echoes)}`)
    else if (mode === 'unauthorized')
      response.writeHead(401, headers).end(JSON.stringify({ message: `API_KEY_INVALID: ${token}` }))
    else if (mode === 'redirect')
      response.writeHead(302, { location: `https://elsewhere.example/?key=${encodeURIComponent(query)}`, 'x-token': token }).end()
    else if (mode === 'error') response.writeHead(500, headers).end(JSON.stringify({ message: `no ${token}, no ${request.url}` }))
    else request.socket.resetAndDestroy()
  })

  const echoing: SourceAdapter = {
    id: 'echoing',
    title: 'Echoing',
    docs: 'https://provider.example',
    entityKinds: ['company'],
    normalizerVersion: 1,
    credentials: [
      { name: 'token', placement: { in: 'header', name: 'Authorization', prefix: 'Bearer ' }, required: true },
      { name: 'key', placement: { in: 'query', name: 'key' }, required: true },
    ],
    options: z.strictObject({}),
    cohort: { numbered: true, name: () => 'all', date: () => null },
    unresolvable: () => null,
    lookup: {
      request: ({ entity }) => ({ method: 'GET', path: `/things/${encodeURIComponent(entity.key)}`, label: 'thing' }),
      parse({ json, headers, text }, { entity }) {
        const body = json as JsonObject | undefined
        if (body?.['id'] === undefined) throw new MalformedAnswer(`no thing: ${text}`)
        return {
          kind: 'record',
          entity,
          record: { ...body, headers: { ...headers } },
          identity: { providerKey: String(body['link']), method: 'echo', confidence: 1, evidence: { said: text } },
          validators: { etag: headers['etag'] ?? null, lastModified: headers['last-modified'] ?? null },
        }
      },
    },
    probe: () => ({ method: 'GET', path: '/probe', label: 'probe' }),
    classify({ status, text, json }) {
      if (status === 200)
        return json === undefined ? { class: 'malformed', reason: `not JSON: ${text}` } : { class: 'ok', reason: 'ok' }
      if (status === 401) return { class: 'auth', reason: text }
      return status === 302 ? { class: 'invalid_request', reason: `redirect ${text}` } : { class: 'transient', reason: text }
    },
    volatile: ['$.headers'],
    arrayKeys: {},
    unordered: [],
  }

  let home: Home
  let log = ''
  beforeAll(async () => {
    provider.listen(0, '127.0.0.1')
    await once(provider, 'listening')
    home = await openHome({ seed: 2, companies: 12, awards: 20 })
  })
  afterAll(async () => {
    provider.close()
    provider.closeAllConnections()
    await home.close()
  })

  it.each(['ok', 'gson', 'malformed', 'html', 'error', 'reset', 'redirect', 'unauthorized'])(
    '%s: no key in record, identity, validators, quarantine, error, log or export',
    async (how) => {
      mode = how
      const base = await home.config()
      const config = configSchema.parse({
        ...base,
        enrichment: {
          echoing: {
            adapter: 'echoing',
            base_url: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`,
            credentials: { token: { env: 'A_TOKEN' }, key: { env: 'A_KEY' } },
          },
        },
        enrichment_refresh: {
          echoing: {
            enabled: true,
            cadence: '1h',
            sla: '2h',
            max_parallel_requests: 2,
            quotas: [{ limit: 1_000_000, per: '1s' }],
            retry: { base_delay: '5ms', max_delay: '10ms' },
          },
        },
      })
      const scrubber = createScrubber()
      const env = (name: string): string | undefined => ({ A_TOKEN: TOKEN, A_KEY: QUERY })[name]
      await advance(home, '2d')
      const options = { env, scrubber, adapters: () => echoing }
      const engine = await openTestEngine(config, {
        ...options,
        logger: createLogger({
          level: 'debug',
          format: 'json',
          write: (line) => (log += line),
          scrubber,
          clock: { now: () => 0 },
        }),
      })
      try {
        await engine.ingest({ loader: 'sbir_companies', path: home.files.companies })
        const before = arrivals
        const report = await refreshAll(engine)
        const [check] = await engine.checkSources(['echoing'], new AbortController().signal)
        log += JSON.stringify([report, check])
        expect(arrivals).toBeGreaterThan(before)
        if (how === 'ok') expect(report.partitions[0]!.counts.changed).toBe(12)
        if (how === 'malformed') expect((await engine.store.quarantine({ limit: 100 })).length).toBeGreaterThan(0)
      } finally {
        await engine.close()
      }
      const { hits, searched } = await huntBelow(home.dir, [TOKEN, QUERY])
      expect(hits).toEqual([])
      expect(searched).toContain(join('warehouse', 'enrichment.duckdb'))
      expect(huntText('log and reports', log, [TOKEN, QUERY])).toEqual([])
    },
  )
})
