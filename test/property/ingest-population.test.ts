import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import type { Store } from '../../ts/stores/store.ts'
import { type Cells, csvText } from '../unit/ingest/csv-text.ts'
import { load } from '../unit/ingest/load.ts'
import { keysOf, type Population, populationOf } from '../unit/ingest/population.ts'

const maybe = (...values: readonly string[]): fc.Arbitrary<string> => fc.constantFrom('', ...values)

/** Rows of a small world, so that names, numbers and keys meet in every way. */
const row: fc.Arbitrary<Cells> = fc.record({
  Company: fc.constantFrom('Acme, Inc.', 'ACME LLC', 'Beta Corp', 'Gamma'),
  State: maybe('OH', 'Ohio', 'TX'),
  UEI: maybe('AAAAAAAAAAA1', 'BBBBBBBBBBB2', 'CCCCCCCCCCC3'),
  Duns: maybe('123456789', '223456789'),
  Contract: fc.constantFrom('C1', 'C2', 'C3'),
  'Award Year': maybe('2020', '2024'),
  'Proposal Award Date': maybe('2024-03-01'),
  'Award Amount': maybe('1', '2.50'),
  'PI Name': maybe('Jane Doe', 'Dr. Jane Doe', 'JANE DOE'),
  'Company Website': maybe('https://acme.com', 'beta.com', 'n/a'),
  City: maybe('Dayton', 'Austin'),
})
const rows = fc.array(row, { minLength: 1, maxLength: 10 })
const options = { minRowShare: 0, maxBadRows: 0 }

async function ingested(
  ...files: readonly (readonly Cells[])[]
): Promise<{ readonly store: Store; readonly population: Population }> {
  const store = openMemoryStore()
  for (const file of files) await load(store, csvText(file), options)
  return { store, population: await populationOf(store) }
}

// Files and stores are real, and other suites run beside this one.
describe('ingest', { timeout: 120_000 }, () => {
  it('says the same for every order of the rows', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.infiniteStream(fc.nat()), async (file, numbers) => {
        const shuffled = file
          .map((cells) => [numbers.next().value, cells] as const)
          .sort(([a], [b]) => a - b)
          .map(([, cells]) => cells)
        expect((await ingested(shuffled)).population).toEqual((await ingested(file)).population)
      }),
      { numRuns: 100 },
    )
  })

  it('changes nothing when a file comes again, also after others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(rows, { minLength: 1, maxLength: 3 }), async (files) => {
        const { store, population } = await ingested(...files)
        const again = await load(store, `${csvText(files.at(-1)!)}\n`, options)
        expect(again.outcome).toBe('ingested')
        for (const summary of Object.values(again.entities)) expect(summary).toMatchObject({ added: 0, changed: 0 })
        expect(await populationOf(store)).toEqual(population)
      }),
      { numRuns: 100 },
    )
  })

  it('never makes two UEIs one company, never changes a key, and links every award to one company that exists', async () => {
    await fc.assert(
      fc.asyncProperty(rows, rows, async (first, second) => {
        const { store, population: before } = await ingested(first)
        await load(store, csvText(second), options)
        const population = await populationOf(store)
        for (const key of Object.keys(before)) expect(population).toHaveProperty([key])
        const owners = new Map<string, string>()
        for (const key of keysOf(population, 'company')) {
          const { attributes, aliases } = population[`company/${key}`]!
          expect([key, ...aliases].filter((identifier) => identifier.startsWith('uei:')).length).toBeLessThanOrEqual(1)
          const uei = attributes['uei']
          if (typeof uei !== 'string') continue
          expect(owners.get(uei)).toBeUndefined()
          owners.set(uei, key)
        }
        for (const key of keysOf(population, 'award')) {
          const { attributes } = population[`award/${key}`]!
          expect(population).toHaveProperty([`company/${attributes['company_key']}`])
        }
      }),
      { numRuns: 100 },
    )
  })
})
