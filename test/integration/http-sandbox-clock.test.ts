import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import { FakeClock } from '../support/fake-clock.ts'

let server: Server
let url: string
let answer: { status: number; body: string; location?: string }
let asked: string[]

beforeEach(async () => {
  asked = []
  answer = { status: 200, body: JSON.stringify({ now: '2027-01-01T00:00:00.000Z', epoch_ms: Date.UTC(2027, 0, 1), speed: 1 }) }
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location })
    response.end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
})
afterEach(() => new Promise((resolve) => server.close(resolve)))

test("now is the world's, monotonic time and sleep are the system's", async () => {
  const system = new FakeClock()
  const clock = await openSandboxClock(`${url}/`, system)
  expect(asked).toEqual(['/_admin/clock'])
  expect(clock.now()).toBe(Date.UTC(2027, 0, 1))
  system.skip(5_000)
  expect(clock.now()).toBe(Date.UTC(2027, 0, 1) + 5_000)
  expect(clock.monotonic()).toEqual(system.monotonic())
  system.stepWall(-3_600_000)
  expect(clock.now()).toBe(Date.UTC(2027, 0, 1) + 5_000)
})

test('it runs at the speed of the world', async () => {
  const system = new FakeClock()
  answer.body = JSON.stringify({ epoch_ms: 1_000_000, speed: 60 })
  const clock = await openSandboxClock(url, system)
  system.skip(1_000)
  expect(clock.now()).toBe(1_060_000)
})

test('refresh follows a world that was moved', async () => {
  const clock = await openSandboxClock(url, new FakeClock())
  answer.body = JSON.stringify({ epoch_ms: Date.UTC(2027, 0, 2), speed: 1 })
  expect(clock.now()).toBe(Date.UTC(2027, 0, 1))
  await clock.refresh()
  expect(clock.now()).toBe(Date.UTC(2027, 0, 2))
})

test.each<[string, Partial<typeof answer>]>([
  ['an error', { status: 500 }],
  ['no JSON', { body: '<html>' }],
  ['no time', { body: '{}' }],
  ['a time that is none', { body: '{"epoch_ms":"soon"}' }],
  ['a speed that is none', { body: '{"epoch_ms":1,"speed":-1}' }],
  ['null', { body: 'null' }],
  ['a redirect', { status: 302, location: 'http://example.com/' }],
])('%s is a configuration error with a hint', async (_name, changes) => {
  Object.assign(answer, changes)
  await expect(openSandboxClock(url, new FakeClock())).rejects.toMatchObject({
    code: 'sandbox_clock',
    recovery: 'configuration',
    hint: expect.stringContaining('cli.js sandbox'),
  })
})

test.each(['http://sandbox.example.com', 'http://10.0.0.1:8585', 'http://127.0.0.1.nip.io'])(
  '%s is not asked',
  async (elsewhere) => {
    await expect(openSandboxClock(elsewhere, new FakeClock())).rejects.toThrow(/not on loopback/)
  },
)

test('nobody there', async () => {
  await expect(openSandboxClock('http://127.0.0.1:1', new FakeClock())).rejects.toMatchObject({ code: 'sandbox_clock' })
})
