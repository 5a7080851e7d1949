import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  cutBody,
  encoded,
  endlessBody,
  type FaultServer,
  json,
  reply,
  resetAfterHeaders,
  slowDrip,
  startFaultServer,
  untilClose,
} from '../support/fault-server.ts'
import { type Harness, type HarnessOptions, openHarness } from '../support/http-client.ts'

let server: FaultServer
let harness: Harness

beforeEach(async () => {
  server = await startFaultServer()
})
afterEach(async () => {
  await harness.close()
  await server.close()
})

const once = { retry: { max_attempts: 1, base_delay: '1ms', max_delay: '1ms' } }
async function open(options: HarnessOptions = {}): Promise<void> {
  harness = await openHarness(server.origin, { policy: { ...once, timeout: '5s' }, ...options })
}
const download = () => harness.call({ expect: 'file', label: 'bulk', path: '/bulk.csv' })
const files = () => readdir(harness.deps.downloadDir)
const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')

const CSV = Buffer.from(
  `a,b\n${Array.from({ length: 60_000 }, (_, i) => `${i},"line ${randomBytes(8).toString('hex')}"`).join('\n')}\n`,
)

describe('a complete file', () => {
  test('is there under a name of its content, whole, with size and hash', async () => {
    await open()
    server.plan(reply(200, CSV, { 'content-type': 'text/csv', etag: '"v1"' }))
    const result = await download()
    const hash = sha256(CSV)
    expect(result).toMatchObject({
      kind: 'answer',
      classified: { class: 'ok' },
      view: {
        status: 200,
        text: '',
        json: undefined,
        headers: { etag: '"v1"' },
        file: { bytes: CSV.length, sha256: hash, complete: true },
      },
    })
    expect(await files()).toEqual([`plain-bulk-${hash.slice(0, 16)}`])
    const path = join(harness.deps.downloadDir, `plain-bulk-${hash.slice(0, 16)}`)
    expect((await readFile(path)).equals(CSV)).toBe(true)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test.each(['gzip', 'br', 'zstd'] as const)('%s is decoded on the way', async (coding) => {
    await open()
    server.plan(encoded(coding, CSV))
    expect(await download()).toMatchObject({ view: { file: { bytes: CSV.length, sha256: sha256(CSV), complete: true } } })
  })

  test('chunked is complete when its end was seen', async () => {
    await open()
    server.plan((socket) => void socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\na,b\n\r\n0\r\n\r\n'))
    expect(await download()).toMatchObject({ view: { file: { bytes: 4, complete: true } } })
  })

  test('one that ends with the connection is not known to be complete', async () => {
    await open()
    server.plan(untilClose('a,b\n1,2\n'))
    expect(await download()).toMatchObject({ view: { file: { bytes: 8, complete: false } }, classified: { class: 'malformed' } })
  })

  test('twice the same is one file', async () => {
    await open()
    server.plan(reply(200, CSV))
    await download()
    await download()
    expect(await files()).toHaveLength(1)
  })

  test('an empty file is a file', async () => {
    await open()
    server.plan(reply(200, ''))
    expect(await download()).toMatchObject({ view: { file: { bytes: 0, sha256: sha256(''), complete: true } } })
  })

  test('it may be larger than an answer, and gzip inside stays as it is', async () => {
    await open({ http: { max_body_bytes: 1_000 } })
    const zip = gzipSync(CSV)
    server.plan(reply(200, zip, { 'content-type': 'application/gzip' }))
    expect(await download()).toMatchObject({ view: { file: { bytes: zip.length, sha256: sha256(zip) } } })
  })
})

test('what is not 2xx is an ordinary answer', async () => {
  await open()
  server.plan(reply(304, '', { etag: '"v1"' }), json({ message: 'gone' }, 404))
  const first = await download()
  expect(first).toMatchObject({ classified: { class: 'not_modified' }, view: { status: 304 } })
  expect(first.kind === 'answer' && first.view).not.toHaveProperty('file')
  expect(await download()).toMatchObject({ classified: { class: 'not_found' }, view: { json: { message: 'gone' } } })
  expect(await files()).toEqual([])
})

describe('a file that does not arrive whole leaves nothing behind', () => {
  test.each([
    ['cut before its length', cutBody, 'transient'],
    ['reset', resetAfterHeaders, 'transient'],
    ['too slow', slowDrip, 'transient'],
    ['endless', endlessBody, 'malformed'],
    ['announced too large', reply(200, 'x', { 'content-length': '99999999999' }), 'malformed'],
    ['a bomb', encoded('gzip', Buffer.alloc(50_000_000)), 'malformed'],
    ['damaged gzip', reply(200, 'a,b\n1,2\n', { 'content-encoding': 'gzip' }), 'malformed'],
    ['cut gzip', reply(200, gzipSync(CSV).subarray(0, 50_000), { 'content-encoding': 'gzip' }), 'malformed'],
  ])('%s', async (_name, behaviour, expected) => {
    await open({ policy: { ...once, timeout: '500ms' } })
    server.plan(behaviour)
    expect(await download()).toMatchObject({ kind: 'answer', view: null, classified: { class: expected }, stats: { calls: 1 } })
    await expect.poll(files).toEqual([])
    expect(harness.store.held()).toBe(0)
  })

  test('stopped', async () => {
    await open({ run: { stop_within: '10ms' } })
    server.plan(slowDrip)
    const controller = new AbortController()
    const calling = harness.call({ expect: 'file', label: 'bulk' }, controller.signal)
    setTimeout(() => controller.abort(), 100)
    expect(await calling).toMatchObject({ kind: 'refused', why: 'aborted' })
    await expect.poll(files).toEqual([])
  })
})

test('a second attempt begins anew and wins', async () => {
  await open({ policy: { timeout: '5s' } })
  server.plan(cutBody, reply(200, CSV))
  expect(await download()).toMatchObject({ view: { file: { sha256: sha256(CSV) } }, stats: { calls: 2 } })
  expect(await files()).toHaveLength(1)
})

test('the named places are passed in order, and the slot is given back after the last byte', async () => {
  const reached: string[] = []
  await open({ deps: { crashPoints: { reach: (name) => void reached.push(name) } } })
  server.plan(reply(200, CSV))
  await download()
  expect(reached).toEqual([
    'quota.after_acquire',
    'http.before_dispatch',
    'download.before_rename',
    'download.after_rename',
    'http.after_response',
    'quota.after_release',
  ])
})

test('our own full or forbidden disk says nothing about the provider', async () => {
  await open()
  const blocked = join(harness.deps.downloadDir, 'blocked')
  await writeFile(blocked, 'a file where the directory should be')
  const sibling = harness.sibling({ deps: { downloadDir: blocked } })
  server.plan(reply(200, CSV))
  const { signal } = new AbortController()
  for (let i = 0; i < 6; i++) {
    const result = await sibling.call({ method: 'GET', path: '/bulk.csv', label: 'bulk', expect: 'file' }, { signal })
    expect(result).toMatchObject({
      kind: 'answer',
      classified: { class: 'transient', reason: expect.stringContaining('written to disk') },
    })
  }
  expect(harness.store.states.has('breaker/plain')).toBe(false)
  await sibling.close()
})
