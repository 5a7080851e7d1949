import { spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { IngestReport } from '../../ts/ingest/ingest.ts'
import { openSqliteStore } from '../../ts/stores/sqlite/open.ts'
import type { QuarantineItem } from '../../ts/stores/store.ts'
import { award, csvText } from '../unit/ingest/csv-text.ts'
import { inDirectory } from '../unit/ingest/load.ts'
import { type Population, populationOf } from '../unit/ingest/population.ts'

const CHILD = fileURLToPath(new URL('./ingest-crash-child.ts', import.meta.url))

type Ended = { readonly signal: NodeJS.Signals | null; readonly report: IngestReport | null; readonly errors: string }

function run(statePath: string, csvPath: string, point = 'none', visit = 0): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, statePath, csvPath, point, String(visit)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [output, errors] = ['', '']
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.on('error', reject)
    child.on('close', (_, signal) =>
      resolve({ signal, report: output === '' ? null : (JSON.parse(output) as IngestReport), errors }),
    )
  })
}

type State = { readonly population: Population; readonly quarantine: readonly QuarantineItem[]; readonly ingests: number }

async function stateOf(statePath: string): Promise<State> {
  const store = await openSqliteStore({ path: statePath, busyTimeoutMs: 30_000, readOnly: true })
  try {
    const quarantine = await store.quarantine({ limit: 100 })
    return {
      population: await populationOf(store),
      quarantine: [...quarantine].sort((a, b) => (a.id < b.id ? -1 : 1)),
      ingests: (await store.ingests(100)).length,
    }
  } finally {
    await store.close()
  }
}

const rows = [
  ...Array.from({ length: 1500 }, (_, index) =>
    award({
      Company: `Company ${index % 1200}`,
      'PI Name': `Person ${'abcdefghij'[index % 10]}`,
      'Company Website': `https://company-${index % 1200}.com`,
    }),
  ),
  award({
    Company: '',
    'Contact Email': 'pat@secret-mail.com',
    'Contact Phone': '(555) 010-0177',
    'PI Email': 'pi@secret-mail.com',
  }),
  award({ 'Award Amount': 'pat@secret-mail.com', 'Contact Name': 'Secret Contact' }),
]

describe('an ingest that is killed', () => {
  it('is completed by running it again, wherever it was killed', async () => {
    await inDirectory(async (directory) => {
      const csv = join(directory, 'awards.csv')
      await writeFile(csv, csvText(rows))
      const undisturbedPath = join(directory, 'undisturbed.sqlite')
      const undisturbed = await run(undisturbedPath, csv)
      expect(undisturbed.errors).toBe('')
      expect(undisturbed.report).toMatchObject({
        outcome: 'ingested',
        quarantined: 2,
        entities: { award: { added: 1500 }, company: { added: 1200 } },
      })
      const expected = await stateOf(undisturbedPath)

      const deaths = [
        ...['ingest.before_batch', 'ingest.after_batch'].flatMap((point) => [1, 2, 4, 8].map((visit) => [point, visit] as const)),
        ['ingest.before_finish', 1] as const,
        ['ingest.after_finish', 1] as const,
      ]
      for (const [index, [point, visit]] of deaths.entries()) {
        const path = join(directory, `killed-${index}.sqlite`)
        const killed = await run(path, csv, point, visit)
        expect(killed.signal, `${point} ${visit}: ${killed.errors}`).toBe('SIGKILL')
        const again = await run(path, csv)
        expect(again.errors).toBe('')
        expect(again.report?.outcome).toBe(point === 'ingest.after_finish' ? 'same_file' : 'ingested')
        expect(await stateOf(path), `${point} ${visit}`).toEqual(expected)
      }
    })
  }, 300_000)

  it('leaves no contact data in any file, write-ahead log included', async () => {
    await inDirectory(async (directory) => {
      const csv = join(directory, 'awards.csv')
      await writeFile(csv, csvText(rows))
      await run(join(directory, 'state.sqlite'), csv, 'ingest.after_finish', 1)
      const names = (await readdir(directory)).filter((name) => name.startsWith('state.sqlite'))
      expect(names.length).toBeGreaterThan(0)
      for (const name of names) {
        const bytes = await readFile(join(directory, name), 'latin1')
        for (const secret of ['secret-mail', '010-0177', 'Secret Contact'])
          expect(bytes.includes(secret), `${secret} in ${name}`).toBe(false)
      }
    })
  })
})
