import { describe, expect, test } from 'vitest'
import { type Judged, judge } from '../../../ts/refresh/commit-batch.ts'
import { GroupCommit, type Pending } from '../../../ts/refresh/group-commit.ts'
import { ref, workItem } from '../../support/builders.ts'
import { fakeAdapter } from '../../support/fake-adapter.ts'
import { settle } from '../../support/fake-clock.ts'

const adapter = fakeAdapter()

function answers(...names: string[]): Judged[] {
  return names.map((name) => judge(adapter, workItem(name), { kind: 'absent', entity: ref(name), reason: 'gone' }, 200))
}

const keys = (group: Pending): string[] => group.judged.map(({ item }) => item.entry.entity.key)

/** A writer that finishes when told to, and writes down what it was given. */
function slowWriter(): { write: (group: Pending) => Promise<void>; groups: Pending[]; finish: (error?: Error) => Promise<void> } {
  const groups: Pending[] = []
  const open: { resolve: () => void; reject: (error: Error) => void }[] = []
  return {
    groups,
    write(group) {
      groups.push(group)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      open.push({ resolve, reject })
      return promise
    },
    async finish(error) {
      const one = open.shift()!
      if (error === undefined) one.resolve()
      else one.reject(error)
      await settle()
    },
  }
}

describe('GroupCommit', () => {
  test('what arrives in the same tick shares a commit; calls add up; order is kept', async () => {
    const { write, groups, finish } = slowWriter()
    const commits = new GroupCommit(write, 100)
    const all = Promise.all([
      commits.enqueue({ judged: answers('a', 'b'), calls: 1 }),
      commits.enqueue({ judged: answers('c'), calls: 2 }),
    ])
    await settle()
    expect(groups.map((group) => [keys(group), group.calls])).toEqual([[['a', 'b', 'c'], 3]])
    await finish()
    await all
  })

  test('what arrives during a commit shares the next one, and is acknowledged only after it', async () => {
    const { write, groups, finish } = slowWriter()
    const commits = new GroupCommit(write, 100)
    const done: string[] = []
    void commits.enqueue({ judged: answers('a'), calls: 1 }).then(() => done.push('a'))
    await settle()
    for (const name of ['b', 'c']) void commits.enqueue({ judged: answers(name), calls: 1 }).then(() => done.push(name))
    await settle()
    expect([groups.map(keys), done]).toEqual([[['a']], []])
    await finish()
    expect([groups.map(keys), done]).toEqual([[['a'], ['b', 'c']], ['a']])
    await finish()
    expect(done).toEqual(['a', 'b', 'c'])
  })

  test('a commit never carries more rows than allowed, unless one answer alone does', async () => {
    const written: string[][] = []
    const commits = new GroupCommit((group) => {
      written.push(keys(group))
      return Promise.resolve()
    }, 3)
    await Promise.all(
      [answers('a', 'b'), answers('c', 'd'), answers('e'), answers('1', '2', '3', '4', '5')].map((judged) =>
        commits.enqueue({ judged, calls: 1 }),
      ),
    )
    expect(written).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
      ['1', '2', '3', '4', '5'],
    ])
  })

  test('an answer without rows is still committed: its calls count', async () => {
    const { write, groups, finish } = slowWriter()
    const commits = new GroupCommit(write, 10)
    const one = commits.enqueue({ judged: [], calls: 3 })
    await settle()
    expect(groups).toEqual([{ judged: [], calls: 3 }])
    await finish()
    await one
  })

  test('a commit that fails fails those in it, and the next one is tried', async () => {
    const { write, groups, finish } = slowWriter()
    const commits = new GroupCommit(write, 100)
    const first = [commits.enqueue({ judged: answers('a'), calls: 1 }), commits.enqueue({ judged: answers('b'), calls: 1 })].map(
      (one) => one.catch((error: Error) => error.message),
    )
    await settle()
    const second = commits.enqueue({ judged: answers('c'), calls: 1 })
    await finish(new Error('disk full'))
    expect(await Promise.all(first)).toEqual(['disk full', 'disk full'])
    await finish()
    await second
    expect(groups.map(keys)).toEqual([['a', 'b'], ['c']])
  })

  test('is usable again after it ran dry', async () => {
    const written: string[][] = []
    const commits = new GroupCommit((group) => {
      written.push(keys(group))
      return Promise.resolve()
    }, 3)
    await commits.enqueue({ judged: answers('a'), calls: 1 })
    await settle()
    await commits.enqueue({ judged: answers('b'), calls: 1 })
    expect(written).toEqual([['a'], ['b']])
  })
})
