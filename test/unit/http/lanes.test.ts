import { afterEach, describe, expect, test, vi } from 'vitest'
import { ABORTED, bottleneckLanes, createLanes, gateLanes, type Lanes } from '../../../ts/http/lanes.ts'

const { signal: never } = new AbortController()
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 5))

afterEach(() => void vi.useRealTimers())

describe.each<[string, (width: number) => Lanes]>([
  ['the gate', gateLanes],
  ['Bottleneck', bottleneckLanes],
])('%s', (_name, make) => {
  test('never runs more than its width, and all of it', async () => {
    const lanes = make(3)
    let running = 0
    let most = 0
    const job = async () => {
      most = Math.max(most, ++running)
      await turn()
      running--
    }
    await Promise.all(Array.from({ length: 20 }, () => lanes.run(5, never, job)))
    expect(most).toBe(3)
  })

  test('lets the more urgent go first, and of equals the first', async () => {
    const lanes = make(1)
    const order: string[] = []
    let open = () => {}
    const first = lanes.run(5, never, () => new Promise<void>((resolve) => (open = resolve)))
    await turn()
    const rest = [
      [9, 'last'],
      [5, 'middle 1'],
      [0, 'first'],
      [5, 'middle 2'],
      [42, 'last 2'],
    ] as const
    const all = rest.map(([priority, name]) => lanes.run(priority, never, async () => void order.push(name)))
    // Bottleneck takes a millisecond or two to put each of them into its queue.
    for (let i = 0; i < 10; i++) await turn()
    open()
    await Promise.all([first, ...all])
    expect(order).toEqual(['first', 'middle 1', 'middle 2', 'last', 'last 2'])
  })

  test('a waiter leaves when its signal aborts, and its place is not lost', async () => {
    const lanes = make(1)
    let open = () => {}
    const first = lanes.run(5, never, () => new Promise<void>((resolve) => (open = resolve)))
    await turn()
    const controller = new AbortController()
    const job = vi.fn(async () => 'ran')
    const waiting = lanes.run(5, controller.signal, job)
    const next = lanes.run(5, never, async () => 'next')
    await turn()
    controller.abort()
    expect(await waiting).toBe(ABORTED)
    open()
    await first
    expect(await next).toBe('next')
    expect(job).not.toHaveBeenCalled()
    expect(await lanes.run(5, controller.signal, job)).toBe(ABORTED)
  })

  test('a job that throws frees its lane', async () => {
    const lanes = make(1)
    await expect(lanes.run(5, never, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom')
    expect(await lanes.run(5, never, async () => 1)).toBe(1)
  })

  test('a wall clock that was set back by an hour delays nothing', async () => {
    const lanes = make(1)
    await lanes.run(5, never, async () => 1)
    const real = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => real() - 3_600_000)
    try {
      expect(await lanes.run(5, never, async () => 2)).toBe(2)
      expect(await lanes.run(5, never, async () => 3)).toBe(3)
    } finally {
      vi.restoreAllMocks()
    }
  })
})

test('a gate of a hundred thousand waiters drains in linear time', async () => {
  const lanes = gateLanes(2)
  let done = 0
  await Promise.all(Array.from({ length: 100_000 }, () => lanes.run(5, never, async () => void done++)))
  expect(done).toBe(100_000)
})

test('a hundred thousand waiters leave together', async () => {
  const lanes = gateLanes(1)
  const controller = new AbortController()
  let open = () => {}
  const first = lanes.run(5, never, () => new Promise<void>((resolve) => (open = resolve)))
  const all = Array.from({ length: 100_000 }, () => lanes.run(5, controller.signal, async () => 'ran'))
  controller.abort()
  expect(new Set(await Promise.all(all))).toEqual(new Set([ABORTED]))
  open()
  await first
  expect(await lanes.run(5, never, async () => 'next')).toBe('next')
})

test('a source without a slow quota is not slowed down by Bottleneck', async () => {
  const fast = createLanes(4, [{ quotaPartition: 's', kind: 'slots', limit: 1_000, perMs: 1_000 }])
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: 2_000 }, () => fast.run(5, never, async () => {})))
  expect(performance.now() - startedAt).toBeLessThan(2_000)
})
