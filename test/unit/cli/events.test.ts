import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCli } from '../../../ts/cli/app.ts'
import type { EngineHandle } from '../../../ts/cli/engine.ts'
import { SHAPES } from '../../../ts/cli/json-shapes.ts'
import { lastPosition, latestEvents, type PositionedEvent } from '../../../ts/cli/latest-events.ts'
import type { EventQuery } from '../../../ts/stores/store.ts'
import { GOOD } from '../config/fake-adapters.ts'
import { testWorld } from './world.ts'

function event(position: number, source = 'a'): PositionedEvent {
  return {
    position,
    eventId: `e${position}`,
    source,
    entity: { kind: 'company', key: `uei:${position}` },
    kind: 'changed',
    at: position * 1000,
    runId: 'run_1',
    oldHash: 'x',
    newHash: 'y',
    changes: [{ path: '$.name', old: 'A\u001b[2J', new: null }],
    confidence: 0.9,
    confidenceMethod: 'uei',
  }
}

/** The store's promise: events after a position, in order, filtered, limited. Counts how many it handed out. */
function fakeStore(list: readonly PositionedEvent[]) {
  const store = {
    read: 0,
    list: [...list],
    async *events(query: EventQuery) {
      let left = query.limit
      for (const item of [...store.list]) {
        if (left === 0) return
        if (item.position <= (query.after ?? 0)) continue
        if (query.source !== undefined && item.source !== query.source) continue
        if (query.since !== undefined && item.at < query.since) continue
        store.read += 1
        left -= 1
        yield item
      }
    },
  }
  return store
}

describe('the newest events', () => {
  it('are found whatever the gaps between positions', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        async (gaps, limit) => {
          let position = 0
          const list = gaps.map((gap, index) => {
            position += gap
            return event(position, index % 3 === 0 ? 'a' : 'b')
          })
          const store = fakeStore(list)
          expect(await lastPosition(store)).toBe(position)
          const wanted = list.filter((item) => item.source === 'a')
          const found = await latestEvents(store, { source: 'a' }, limit)
          expect(found.events.map((item) => item.position)).toEqual(wanted.slice(-limit).map((item) => item.position))
          expect(found.more).toBe(wanted.length > limit)
        },
      ),
    )
  })

  it('cost a few reads, not the whole history', async () => {
    const store = fakeStore(Array.from({ length: 200_000 }, (_, index) => event(index + 1)))
    const { events, more } = await latestEvents(store, {}, 50)
    expect(events.at(-1)?.position).toBe(200_000)
    expect(more).toBe(true)
    expect(store.read).toBeLessThan(5000)
  })
})

describe('events', () => {
  let flags: readonly string[]
  let home: string
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'cli-events-'))
    await mkdir(join(home, 'config'))
    await writeFile(join(home, 'config', 'base.yaml'), GOOD)
    await writeFile(join(home, 'config', 'dev.yaml'), '')
    flags = ['--config-dir', join(home, 'config')]
  })
  afterEach(() => rm(home, { recursive: true, force: true }))

  const worldOf = (store: ReturnType<typeof fakeStore>) =>
    testWorld({
      engine: {
        store: store as unknown as EngineHandle['store'],
        clock: { now: () => 100_000, monotonic: () => ({ ms: 0, boot: '' }), sleep: async () => {} },
      },
    })
  type Document = { events: { position: number }[]; last_position: number | null; more: boolean }
  const parse = (text: string) => SHAPES['events']!.parse(JSON.parse(text)) as Document
  const many = Array.from({ length: 30 }, (_, index) => event(index + 1, index % 2 === 0 ? 'a' : 'b'))

  it('show the newest, and go on from where an answer ended', async () => {
    const store = fakeStore(many)
    const newest = worldOf(store)
    expect(await runCli(['events', '--limit', '4', '--json', ...flags], newest)).toBe(0)
    expect(parse(newest.stdout.text)).toMatchObject({
      events: [{ position: 27 }, { position: 28 }, { position: 29 }, { position: 30 }],
      last_position: 30,
      more: true,
    })
    const forward = worldOf(store)
    await runCli(['events', '--after', '26', '--limit', '3', '--source', 'a', '--json', ...flags], forward)
    expect(parse(forward.stdout.text)).toMatchObject({
      events: [{ position: 27 }, { position: 29 }],
      last_position: 29,
      more: false,
    })
    const since = worldOf(store)
    await runCli(['events', '--since', '90s', '--limit', '3', '--json', ...flags], since)
    expect(parse(since.stdout.text)).toMatchObject({ events: [{ position: 10 }, { position: 11 }, { position: 12 }], more: true })
  })

  it('print fields for people without terminal sequences', async () => {
    const world = worldOf(fakeStore([event(1)]))
    await runCli(['events', ...flags], world)
    expect(world.stdout.text).toContain('a changed company:uei:1 (confidence 0.9, uei)')
    expect(world.stdout.text).toMatch(/\$\.name: ".*" -> null/)
    expect(world.stdout.text).not.toContain('\u001b')
  })

  it('say when there is none', async () => {
    const world = worldOf(fakeStore([]))
    expect(await runCli(['events', ...flags], world)).toBe(0)
    expect(world.stderr.text).toBe('No event fits.\n')
  })

  it('follow until stopped, and close the document', async () => {
    const store = fakeStore(many)
    const world = worldOf(store)
    const done = runCli(['events', '--follow', '--limit', '2', '--json', ...flags], world)
    while (!world.stdout.text.includes('"position":30')) await new Promise((resolve) => setTimeout(resolve, 5))
    store.list.push(event(31), event(32))
    while (!world.stdout.text.includes('"position":32')) await new Promise((resolve) => setTimeout(resolve, 5))
    world.stop.abort()
    expect(await done).toBe(130)
    expect(parse(world.stdout.text).events.map((item) => item.position)).toEqual([29, 30, 31, 32])
  })

  it('stay one document when reading fails midway', async () => {
    const store = fakeStore(many)
    const broken = {
      ...store,
      async *events(query: EventQuery) {
        yield* store.events({ ...query, limit: 2 })
        throw new Error('the disk is gone')
      },
    }
    const world = worldOf(broken as unknown as typeof store)
    expect(await runCli(['events', '--after', '0', '--json', ...flags], world)).toBe(1)
    const document = JSON.parse(world.stdout.text) as Document & { error: { code: string } }
    expect(document.events).toHaveLength(2)
    expect(document.error.code).toBe('bug')
    expect(world.stderr.text).toContain('the disk is gone')
  })
})
