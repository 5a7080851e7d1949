import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { itemCursor, readItemCursor } from '../../ts/refresh/resume.ts'
import { type Unit, UnitQueue } from '../../ts/refresh/unit-queue.ts'
import type { WorkItem } from '../../ts/stores/store.ts'
import { workItem } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'

// Many runs each, and no statement about speed.
vi.setConfig({ testTimeout: 120_000 })

const GROUPS = ['contracts', 'grants', 'loans'] as const
type Plan = { readonly groups: readonly string[]; readonly listedIn: string | null }

/** Entities, the groups each is asked in, and the group (if any) that lists it. */
const plans: fc.Arbitrary<readonly Plan[]> = fc.array(
  fc.record({
    groups: fc.shuffledSubarray([...GROUPS], { minLength: 1 }),
    listedIn: fc.option(fc.constantFrom(...GROUPS), { nil: null }),
  }),
  { maxLength: 60 },
)

function itemsOf(list: readonly Plan[]): WorkItem[] {
  return list.map(({ groups }, i) => workItem(`uei:${i}`, {}, { attributes: { groups: [...groups] } }))
}

async function* counted(items: readonly WorkItem[], pulled: { count: number }): AsyncGenerator<WorkItem> {
  for (const item of items) {
    pulled.count += 1
    yield item
  }
}

const context = () => ({ now: 0, options: {} })
const keyOf = (item: WorkItem): string => item.entity.key

describe('UnitQueue', () => {
  test('every entity is asked once in each of its groups, in order, until one lists it; then it is listed or absent, never both', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.integer({ min: 1, max: 7 }), fc.infiniteStream(fc.nat(3)), async (list, batchSize, delays) => {
        const queue = new UnitQueue(counted(itemsOf(list), { count: 0 }), fakeAdapter(['batch']), batchSize, context)
        const asked = new Map<string, string[]>()
        const listed = new Set<string>()
        const absent = new Set<string>()
        const inFlight: Unit[] = []
        const finishOne = (): void => {
          const unit = inFlight.splice(Number(delays.next().value) % inFlight.length, 1)[0]!
          const unlisted = unit.targets.filter(({ item }) => {
            const index = Number(keyOf(item).slice(4))
            if (list[index]!.listedIn !== unit.group) return true
            listed.add(keyOf(item))
            return false
          })
          for (const { item } of queue.handBack(unlisted)) absent.add(keyOf(item))
        }
        while (true) {
          const unit = await queue.next()
          if (unit === null) {
            if (inFlight.length === 0) break
            finishOne()
            continue
          }
          expect(unit.targets.length).toBeGreaterThan(0)
          expect(unit.targets.length).toBeLessThanOrEqual(batchSize)
          for (const { item } of unit.targets) asked.set(keyOf(item), [...(asked.get(keyOf(item)) ?? []), unit.group])
          inFlight.push(unit)
          while (inFlight.length > Number(delays.next().value)) finishOne()
        }
        expect(queue.isEmpty).toBe(true)
        for (const [index, { groups, listedIn }] of list.entries()) {
          const key = `uei:${index}`
          const found = listedIn !== null && groups.includes(listedIn)
          expect(asked.get(key)).toEqual(found ? groups.slice(0, groups.indexOf(listedIn) + 1) : groups)
          expect([listed.has(key), absent.has(key)]).toEqual([found, !found])
        }
      }),
      { numRuns: 400 },
    )
  })

  test('killed anywhere and resumed from what was committed, no group is asked again but for what was in flight', async () => {
    await fc.assert(
      fc.asyncProperty(
        plans,
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.nat(40), { maxLength: 6 }),
        fc.infiniteStream(fc.nat(3)),
        async (list, batchSize, kills, delays) => {
          const asked = new Map<string, string[]>()
          const settled = new Set<string>()
          let cursor = itemCursor(false, 0)
          let lost = 0
          for (const unitsUntilKill of [...kills, Number.POSITIVE_INFINITY]) {
            const left = itemsOf(list).filter((item) => !settled.has(keyOf(item)))
            const waiting = readItemCursor(cursor)!.waiting
            const queue = new UnitQueue(counted(left, { count: 0 }), fakeAdapter(['batch']), batchSize, context, null, waiting)
            const inFlight: Unit[] = []
            const finishOne = (): void => {
              const unit = inFlight.splice(Number(delays.next().value) % inFlight.length, 1)[0]!
              const isListed = ({ item }: Unit['targets'][number]): boolean =>
                list[Number(keyOf(item).slice(4))]!.listedIn === unit.group
              const absent = queue.handBack(unit.targets.filter((one) => !isListed(one)))
              const done = [...unit.targets.filter(isListed), ...absent].map(({ item }) => item)
              for (const item of done) settled.add(keyOf(item))
              queue.settled(done.map((item) => item.entry.entity))
              cursor = itemCursor(false, settled.size, queue.waiting)
            }
            for (let sent = 0; sent < unitsUntilKill; sent += 1) {
              const unit = await queue.next()
              if (unit === null) {
                if (inFlight.length === 0) break
                finishOne()
                continue
              }
              for (const { item } of unit.targets) asked.set(keyOf(item), [...(asked.get(keyOf(item)) ?? []), unit.group])
              inFlight.push(unit)
              while (inFlight.length > Number(delays.next().value)) finishOne()
            }
            lost += inFlight.reduce((sum, unit) => sum + unit.targets.length, 0)
          }
          expect(readItemCursor(cursor)!.waiting).toEqual(new Map())
          let repeats = 0
          for (const [index, { groups, listedIn }] of list.entries()) {
            const found = listedIn !== null && groups.includes(listedIn)
            const wanted = found ? groups.slice(0, groups.indexOf(listedIn) + 1) : groups
            const got = asked.get(`uei:${index}`)!
            expect([...new Set(got)]).toEqual(wanted)
            repeats += got.length - wanted.length
          }
          expect(repeats).toBe(lost)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('pulls lazily: what it holds is bounded by groups and batch size, however long the list', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.integer({ min: 1, max: 7 }), async (list, batchSize) => {
        const pulled = { count: 0 }
        const queue = new UnitQueue(counted(itemsOf(list), pulled), fakeAdapter(['batch']), batchSize, context)
        let handedOut = 0
        while (true) {
          const unit = await queue.next()
          if (unit === null) break
          handedOut += unit.targets.length
          expect(pulled.count - handedOut).toBeLessThanOrEqual(GROUPS.length * (batchSize - 1))
        }
        expect([pulled.count, handedOut]).toEqual([list.length, list.length])
      }),
      { numRuns: 200 },
    )
  })

  test('halving a unit loses nobody, asks nobody twice, and isolates a single bad entity', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100 }), fc.nat(), async (count, which) => {
        const poison = `uei:${which % count}`
        const list = Array.from({ length: count }, (): Plan => ({ groups: ['contracts'], listedIn: 'contracts' }))
        const queue = new UnitQueue(counted(itemsOf(list), { count: 0 }), fakeAdapter(['batch']), 100, context)
        const answered: string[] = []
        const rejected: string[] = []
        let calls = 0
        for (let unit = await queue.next(); unit !== null; unit = await queue.next()) {
          calls += 1
          const keys = unit.targets.map(({ item }) => keyOf(item))
          if (!keys.includes(poison)) answered.push(...keys)
          else if (keys.length > 1) queue.split(unit)
          else rejected.push(...keys)
        }
        expect(rejected).toEqual([poison])
        expect(new Set(answered).size).toBe(count - 1)
        expect(answered).toHaveLength(count - 1)
        expect(calls).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(Math.max(2, count))))
      }),
    )
  })

  test('without a batch capability every entity is a look-up of its own', async () => {
    const queue = new UnitQueue(
      counted(
        itemsOf([
          { groups: ['contracts'], listedIn: null },
          { groups: ['loans'], listedIn: null },
        ]),
        { count: 0 },
      ),
      fakeAdapter(['lookup']),
      100,
      context,
    )
    const first = await queue.next()
    const second = await queue.next()
    expect([first, second]).toMatchObject([
      { kind: 'lookup', targets: [{ item: { entity: { key: 'uei:0' } } }] },
      { kind: 'lookup', targets: [{ item: { entity: { key: 'uei:1' } } }] },
    ])
    expect(await queue.next()).toBeNull()
  })

  test('closing ends the work list, so that a store’s cursor is not left open', async () => {
    let closed = false
    async function* source(): AsyncGenerator<WorkItem> {
      try {
        while (true) yield workItem('uei:A')
      } finally {
        closed = true
      }
    }
    const queue = new UnitQueue(source(), fakeAdapter(['batch']), 2, context)
    await queue.next()
    await queue.close()
    expect(closed).toBe(true)
  })
})
