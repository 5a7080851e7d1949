import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const HEAP = join(import.meta.dirname, '../../../ts/runtime/heap.js')
const PROGRAM = `
import v8 from 'node:v8'
const { keepHeapSmall, makeRoomFor } = await import(${JSON.stringify(HEAP)})
const what = keepHeapSmall()
makeRoomFor(Number(process.env.REQUESTS), Number(process.env.ENTITIES))
// What lives for a while makes the young generation grow, and what is let go makes the old one.
let kept = []
for (let n = 0; n < 3_000_000; n++) {
  kept.push({ n, text: 'x' + n })
  if (kept.length > 100_000) kept = []
}
const { space_size } = v8.getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')
console.log(JSON.stringify({ what, youngMb: space_size / 1e6 }))
`

function run(options: { flags?: readonly string[]; nodeOptions?: string; requests?: number; entities?: number }) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...(options.flags ?? []), '--input-type=module', '-e', PROGRAM],
    {
      encoding: 'utf8',
      env: {
        ...process.env,
        NODE_OPTIONS: options.nodeOptions ?? '',
        REQUESTS: String(options.requests ?? 8),
        ENTITIES: String(options.entities ?? 500),
      },
    },
  )
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  return JSON.parse(stdout) as { what: string; youngMb: number }
}

describe('the heap', () => {
  test('is kept small from within, and says nothing about it', () => {
    const { what, youngMb } = run({})
    expect(what).toBe('kept small')
    expect(youngMb).toBeLessThan(10)
  })

  test('grows when many requests, or requests about many entities, are under way at once', () => {
    expect(run({ requests: 256 }).youngMb).toBeGreaterThan(16)
    expect(run({ entities: 1000 }).youngMb).toBeGreaterThan(16)
  })

  test.each([
    { nodeOptions: '--max-semi-space-size=32' },
    { nodeOptions: '--max_old_space_size=512' },
    { flags: ['--max-old-space-size=512'] },
    { flags: ['--min-semi-space-size=16'] },
  ])('is left alone when the user has sized it: %j', (options) => {
    expect(run(options).what).toBe('left to the user')
  })

  test('other options of the user change nothing', () => {
    expect(run({ nodeOptions: '--enable-source-maps --no-warnings' }).what).toBe('kept small')
  })
})
