import { describe, expect, test } from 'vitest'
import { quarantineItem } from '../../../ts/refresh/quarantine-item.ts'
import { targetOf } from '../../../ts/refresh/unit-queue.ts'
import { SOURCE, workItem } from '../../support/builders.ts'
import { fakeAdapter } from '../../support/fake-adapter.ts'
import { view } from '../../support/fake-client.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'

const adapter = fakeAdapter()

function unitOf(keys: readonly string[], attempts = 0, group = 'main') {
  const targets = keys.map((key) => {
    const item = workItem(key, { attempts })
    return { item, target: targetOf(item, adapter), laterGroups: [] }
  })
  return { group, targets }
}

const refused = { view: view({ error: 'no' }, { status: 400 }), reason: 'refused' }
const idOf = (unit: ReturnType<typeof unitOf>, source = SOURCE, now = TEST_EPOCH): string =>
  quarantineItem(source, unit, refused, now).id

describe('quarantineItem', () => {
  test('says who, why, and what came', () => {
    expect(quarantineItem(SOURCE, unitOf(['uei:A', 'uei:B']), refused, TEST_EPOCH)).toEqual({
      id: expect.stringMatching(/^quarantine_[0-9a-f]{16}$/),
      origin: SOURCE,
      where: '2 entities in group main, first company/uei:A',
      reason: 'refused',
      payload: JSON.stringify({ entities: ['company/uei:A', 'company/uei:B'], status: 400, body: '{"error":"no"}' }),
      at: TEST_EPOCH,
    })
    expect(quarantineItem(SOURCE, unitOf(['uei:A'], 0, ''), { view: null, reason: 'endless' }, TEST_EPOCH)).toMatchObject({
      where: '1 entity, first company/uei:A',
      payload: JSON.stringify({ entities: ['company/uei:A'], status: null, body: null }),
    })
  })

  test('the same attempt has the same id whenever it is made again; the next attempt, another unit or source has another', () => {
    const id = idOf(unitOf(['uei:A'], 3))
    expect(idOf(unitOf(['uei:A'], 3), SOURCE, TEST_EPOCH + 99)).toBe(id)
    const others = [
      idOf(unitOf(['uei:A'], 4)),
      idOf(unitOf(['uei:B'], 3)),
      idOf(unitOf(['uei:A', 'uei:B'], 3)),
      idOf(unitOf(['uei:A'], 3, 'other')),
      idOf(unitOf(['uei:A'], 3), 'other'),
    ]
    expect(new Set([id, ...others]).size).toBe(6)
  })

  test('keeps a bounded part of what came, whatever the size', () => {
    const huge = quarantineItem(
      SOURCE,
      unitOf(Array.from({ length: 5_000 }, (_, i) => `uei:${i}`)),
      { view: view('x'.repeat(1_000_000)), reason: 'r' },
      TEST_EPOCH,
    )
    expect(huge.payload.length).toBeLessThan(60_000)
    expect((JSON.parse(huge.payload) as { entities: string[] }).entities).toHaveLength(100)
  })
})
