import { describe, expect, test } from 'vitest'
import { PageCommits } from '../../../ts/refresh/page-commits.ts'

type Page = { readonly name: string; readonly items: readonly unknown[] }
const page = (name: string, items = 1): Page => ({ name, items: Array.from({ length: items }) })
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A store whose commits end when the test says so. */
function slowStore() {
  const written: string[][] = []
  const open: { resolve: () => void; reject: (error: unknown) => void }[] = []
  const write = (pages: readonly Page[]): Promise<void> => {
    written.push(pages.map(({ name }) => name))
    return new Promise((resolve, reject) => open.push({ resolve, reject }))
  }
  return { written, write, end: () => open.shift()!.resolve(), fail: (error: unknown) => open.shift()!.reject(error) }
}

const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  let settled = false
  promise.then(
    () => (settled = true),
    () => (settled = true),
  )
  await turn()
  return settled
}

describe('pages on their way into the store', () => {
  test('those that come during a commit share the next one, in order', async () => {
    const store = slowStore()
    const commits = new PageCommits<Page>(store.write, { maxPages: 9, maxItems: 500 })
    for (const name of ['a', 'b', 'c']) commits.add(page(name))
    expect(store.written).toEqual([['a']])
    const drained = commits.drained()
    expect(await isSettled(drained)).toBe(false)
    store.end()
    await turn()
    expect(store.written).toEqual([['a'], ['b', 'c']])
    expect(await isSettled(drained)).toBe(false)
    store.end()
    await drained
  })

  test('one commit carries no more items than it may, unless one page alone has more', async () => {
    const store = slowStore()
    const commits = new PageCommits<Page>(store.write, { maxPages: 9, maxItems: 10 })
    for (const [name, items] of [
      ['a', 1],
      ['b', 6],
      ['c', 4],
      ['d', 1],
      ['e', 99],
      ['f', 1],
    ] as const)
      commits.add(page(name, items))
    for (let count = 0; count < 5; count += 1) {
      store.end()
      await turn()
    }
    await commits.drained()
    expect(store.written).toEqual([['a'], ['b', 'c'], ['d'], ['e'], ['f']])
  })

  test('at most so many pages are without a commit, the one that is asked for included', async () => {
    const store = slowStore()
    const commits = new PageCommits<Page>(store.write, { maxPages: 2, maxItems: 500 })
    await commits.room()
    commits.add(page('a'))
    await commits.room()
    commits.add(page('b'))
    const room = commits.room()
    expect(await isSettled(room)).toBe(false)
    store.end()
    await room
    store.end()
    await commits.drained()
  })

  test('with one page at a time the next is asked for after the commit of the one before', async () => {
    const store = slowStore()
    const commits = new PageCommits<Page>(store.write, { maxPages: 1, maxItems: 500 })
    commits.add(page('a'))
    expect(await isSettled(commits.room())).toBe(false)
    store.end()
    await commits.room()
  })

  test('after a failed commit nothing more is written, and everyone who waits is told why', async () => {
    const store = slowStore()
    const commits = new PageCommits<Page>(store.write, { maxPages: 2, maxItems: 500 })
    commits.add(page('a'))
    commits.add(page('b'))
    const room = commits.room()
    store.fail(new Error('disk full'))
    await expect(room).rejects.toThrow('disk full')
    await expect(commits.drained()).rejects.toThrow('disk full')
    commits.add(page('c'))
    await expect(commits.drained()).rejects.toThrow('disk full')
    expect(store.written).toEqual([['a']])
  })
})
