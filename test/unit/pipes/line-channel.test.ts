import { expect, test } from 'vitest'
import { createLineChannel } from '../../../ts/pipes/line-channel.ts'

/** Writes what it is told to, and no more; an error in the list is thrown. */
function descriptor(plan: readonly (number | Error)[]) {
  let written = ''
  let calls = 0
  const write = (_fd: number, bytes: Uint8Array, offset: number, length: number): number => {
    const step = plan[calls++] ?? length
    if (step instanceof Error) throw step
    const count = Math.min(step, length)
    written += Buffer.from(bytes.subarray(offset, offset + count)).toString('utf8')
    return count
  }
  return { channel: createLineChannel(9, { write }), written: () => written, calls: () => calls }
}

const failure = (code: string): Error => Object.assign(new Error(code), { code })

test('a line is one write', () => {
  const { channel, written, calls } = descriptor([])
  channel.write('ünï')
  expect([written(), calls()]).toEqual(['ünï\n', 1])
})

test('what a write left over follows, and a full pipe is waited for', () => {
  const { channel, written } = descriptor([3, failure('EAGAIN'), failure('EAGAIN'), 2])
  channel.write('0123456789')
  expect(written()).toBe('0123456789\n')
})

test('after half a line the next one begins on a line of its own', () => {
  const { channel, written } = descriptor([4, failure('ENOSPC')])
  expect(() => channel.write('0123456789')).toThrow('could not be written: ENOSPC')
  channel.write('next')
  channel.write('last')
  expect(written()).toBe('0123\nnext\nlast\n')
})

test('a line of which nothing was written leaves no trace', () => {
  const { channel, written } = descriptor([failure('ENOSPC')])
  expect(() => channel.write('lost')).toThrow()
  channel.write('next')
  expect(written()).toBe('next\n')
})

test('closed is closed', () => {
  const { channel } = descriptor([])
  channel.close()
  channel.close()
  expect(() => channel.write('x')).toThrow('closed')
})
