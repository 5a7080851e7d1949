import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createShutdown, type Shutdown } from '../../../ts/runtime/shutdown.ts'

let signals: EventEmitter
let said: string[]
let exits: number[]
let shutdown: Shutdown

beforeEach(() => {
  vi.useFakeTimers()
  signals = new EventEmitter()
  said = []
  exits = []
  shutdown = createShutdown({
    lastResortMs: 10_000,
    say: (message) => void said.push(message),
    signals,
    exit: (code) => void exits.push(code),
  })
})
afterEach(() => void vi.useRealTimers())

test.each(['SIGINT', 'SIGTERM'])('%s aborts the signal and lets the work end', (name) => {
  expect(shutdown.requested).toBe(false)
  signals.emit(name, name)
  expect(shutdown.signal.aborted).toBe(true)
  expect(shutdown.requested).toBe(true)
  expect(exits).toEqual([])
  expect(said[0]).toContain(name)
})

test('the second signal ends at once with 130', () => {
  signals.emit('SIGINT', 'SIGINT')
  signals.emit('SIGTERM', 'SIGTERM')
  expect(exits).toEqual([130])
})

test('what takes too long is ended with a message', async () => {
  shutdown.onRelease('store', () => new Promise(() => {}))
  signals.emit('SIGTERM', 'SIGTERM')
  void shutdown.release()
  await vi.advanceTimersByTimeAsync(9_999)
  expect(exits).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(exits).toEqual([130])
  expect(said.at(-1)).toContain('while releasing store')
})

test('releasers run last first, each once, whatever the others do', async () => {
  const order: string[] = []
  shutdown.onRelease('store', () => void order.push('store'))
  const early = shutdown.onRelease('early', () => void order.push('early'))
  shutdown.onRelease('client', async () => {
    order.push('client')
    throw new Error('first')
  })
  shutdown.onRelease('lease', () => {
    order.push('lease')
    throw new Error('second')
  })
  early()
  await expect(shutdown.release()).rejects.toThrow('second')
  expect(order).toEqual(['lease', 'client', 'store'])
  await shutdown.release()
  expect(order).toHaveLength(3)
})

test('a clean end stops the clock and takes its listeners back', async () => {
  signals.emit('SIGINT', 'SIGINT')
  await shutdown.release()
  expect(signals.listenerCount('SIGINT') + signals.listenerCount('SIGTERM')).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(exits).toEqual([])
})

test('a stop can be asked for without a signal, and only the first reason counts', () => {
  shutdown.request('time is up')
  shutdown.request('again')
  expect(shutdown.signal.reason).toEqual(new Error('time is up'))
  expect(said).toHaveLength(1)
})
