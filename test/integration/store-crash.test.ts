/** kill -9 at every named point and at random moments: nothing acknowledged is lost, nothing is there in part. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { partitionKey } from '../../ts/model/keys.ts'
import { openSqliteStore } from '../../ts/stores/sqlite/open.ts'
import { list, NOW, SOURCE, upsert } from '../contract/store-fixtures.ts'
import { consistency, dump, runScenario } from './store-scenario.ts'
import { startWorker, temporaryFiles, told } from './store-support.ts'

const files = temporaryFiles()

/** Names of all points that the scenario reaches, with how often it does. */
async function pointsOfScenario(): Promise<ReadonlyMap<string, number>> {
  const points = new Map<string, number>()
  const store = await files.open({ crashPoints: { reach: (name) => void points.set(name, (points.get(name) ?? 0) + 1) } })
  await runScenario(store, 1)
  return points
}

describe('kill -9 of the store', () => {
  it('at each named point leaves a state from which the work ends as if undisturbed', { timeout: 300_000 }, async () => {
    const undisturbed = await files.open()
    await runScenario(undisturbed, 1)
    const expected = await dump(undisturbed)
    const points = await pointsOfScenario()
    expect([...points.keys()]).toEqual(
      expect.arrayContaining([
        'store.create.before_link',
        'store.migrate.before_commit',
        'store.commit.after_ledger',
        'store.assign.after_commit',
      ]),
    )
    expect(points.size).toBeGreaterThanOrEqual(60)

    // First and last time each point is passed, two processes at a time.
    const kills = [...points].flatMap(([name, times]) => [...new Set([1, times])].map((occurrence) => ({ name, occurrence })))
    const failures: string[] = []
    const next = async (): Promise<void> => {
      for (let kill = kills.pop(); kill !== undefined; kill = kills.pop()) {
        const path = await files.path()
        const ended = await startWorker({ kind: 'scenario', path, crashAt: kill.name, occurrence: kill.occurrence }).ended
        if (ended.signal !== 'SIGKILL') failures.push(`${kill.name}: ended with ${ended.code} ${ended.errors}`)
        const store = await openSqliteStore({ path, busyTimeoutMs: 5000 })
        const { problems } = await consistency(store)
        failures.push(...problems.map((problem) => `${kill.name}: ${problem}`))
        await runScenario(store, 2)
        try {
          expect(await dump(store)).toEqual(expected)
        } catch (error) {
          failures.push(`${kill.name} (${kill.occurrence}): ${String(error)}`)
        }
        await store.close()
      }
    }
    await Promise.all([next(), next()])
    expect(failures).toEqual([])
  })

  it('at random moments loses nothing acknowledged and leaves no commit in part', { timeout: 120_000 }, async () => {
    const path = await files.path()
    const cohorts = ['a', 'b']
    const setup = await files.open({ path })
    const keys = Array.from({ length: 60 }, (_, index) => `K${index}`)
    await setup.upsertEntities(
      keys.map((key) => upsert({ kind: 'company', key })),
      'i',
      NOW,
    )
    await setup.assign(
      SOURCE,
      ['company'],
      ({ key }) => ({ cohort: Number(key.slice(1)) % 2 === 0 ? 'a' : 'b', unresolvable: null }),
      NOW,
    )
    await setup.close()

    let moved = 0
    for (let round = 0; round < 12; round += 1) {
      const before = await versions(path, cohorts)
      const workers = cohorts.map((cohort) =>
        startWorker({ kind: 'commits', path, cohort, until: 1_000_000, busyTimeoutMs: 10_000 }),
      )
      await Promise.all(workers.map((worker) => worker.spoke))
      await sleep((round * 37) % 150)
      for (const { child } of workers) child.kill('SIGKILL')
      const ended = await Promise.all(workers.map((worker) => worker.ended))
      for (const end of ended) expect(end.signal, end.errors).toBe('SIGKILL')

      const store = await openSqliteStore({ path, busyTimeoutMs: 5000 })
      for (const [index, cohort] of cohorts.entries()) {
        const { version } = (await store.checkpoint(partitionKey(SOURCE, cohort))) ?? { version: 0 }
        const acknowledged = Math.max(before[index]!, ...told(ended[index]!, 'ack'))
        // The last commit may have been made and not yet told.
        expect([acknowledged, acknowledged + 1]).toContain(version)
        const rows = await list(store.ledger(SOURCE, cohort))
        expect(new Set(rows.map((row) => row.attempts))).toEqual(new Set([version]))
        const records = await list(store.currentRecords(SOURCE, cohort))
        expect(records.every((item) => item.payloadHash === `hash-${version}`)).toBe(true)
        const events = (await list(store.events({ limit: 10_000_000 }))).filter(({ eventId }) => eventId.startsWith(`${cohort}-`))
        expect(events.length).toBe(version * rows.length)
        expect((await store.getState(`version:${cohort}`))?.value ?? 0).toBe(version)
        moved += version - before[index]!
      }
      await store.close()
    }
    expect(moved).toBeGreaterThan(12)
  })

  it('while the file is being made leaves nothing that a later start would trip over', async () => {
    const path = await files.path()
    for (const point of ['store.migrate.before_commit', 'store.create.before_link', 'store.create.after_link']) {
      const ended = await startWorker({ kind: 'scenario', path, crashAt: point, occurrence: 1 }).ended
      // After the second kill the file is there, so its points are not reached again.
      if (ended.signal === null) expect(ended.lines).toContain('done')
    }
    const store = await files.open({ path })
    expect((await consistency(store)).problems).toEqual([])
  })
})

async function versions(path: string, cohorts: readonly string[]): Promise<number[]> {
  const store = await openSqliteStore({ path, busyTimeoutMs: 5000, readOnly: true })
  const found = await Promise.all(
    cohorts.map(async (cohort) => (await store.checkpoint(partitionKey(SOURCE, cohort)))?.version ?? 0),
  )
  await store.close()
  return found
}
