import { expect, test, vi } from 'vitest'
import { onAbort } from '../../../ts/runtime/abort-hub.ts'

test('everyone is called once, except who took it back', () => {
  const controller = new AbortController()
  const [one, other, third] = [vi.fn(), vi.fn(), vi.fn()]
  onAbort(controller.signal, one)
  const leave = onAbort(controller.signal, other)
  onAbort(controller.signal, third)
  leave()
  leave()
  controller.abort()
  expect([one, other, third].map((fn) => fn.mock.calls.length)).toEqual([1, 0, 1])
})

test('signals are kept apart, and one listener serves them all', () => {
  const [a, b] = [new AbortController(), new AbortController()]
  const listen = vi.spyOn(a.signal, 'addEventListener')
  const fn = vi.fn()
  for (let i = 0; i < 100; i++) onAbort(a.signal, () => {})
  onAbort(b.signal, fn)
  a.abort()
  expect(fn).not.toHaveBeenCalled()
  b.abort()
  expect(fn).toHaveBeenCalledTimes(1)
  expect(listen).toHaveBeenCalledTimes(1)
})
