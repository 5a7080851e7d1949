import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type IngestReport, ingestFile, readMapping } from '../../ts/ingest/ingest.ts'
import { NO_CRASH_POINTS } from '../../ts/runtime/ports.ts'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import type { Store } from '../../ts/stores/store.ts'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
const DATA = path('../../../shared/data/sbir')

let counter = 0
async function load(store: Store, name: string, mapping: string | null): Promise<IngestReport> {
  counter += 1
  return ingestFile(
    { store, logger: { log() {} }, crashPoints: NO_CRASH_POINTS },
    {
      loader: 'sbir_awards',
      path: `${DATA}/${name}`,
      mapping: mapping === null ? null : await readMapping(path(`../../config/mappings/${mapping}.json`), 'sbir_awards'),
      now: counter,
      ingestId: `real_${counter}`,
      minRowShare: 0.5,
      maxBadRows: 0,
      allowShrink: true,
    },
  )
}

/** Files of real rows (public facts on US government awards); they are not part of this repository. */
describe.skipIf(!existsSync(DATA))('real files through their mappings', () => {
  it.each([
    ['sbir_awards_nsf_real_13320.csv', 'nsf', 13_320, { company: 7_396, award: 13_320 }],
    ['sbir_awards_nih_real_1000.csv', 'nih', 1_000, { company: 862, award: 1_000 }],
    ['sbir_awards_dod_real_with_uei.csv', 'dod_with_uei', 149, { company: 94, award: 149 }],
    ['mda_phase3_contracts_real_with_uei.csv', 'mda', 35, { company: 22, award: 35 }],
    ['sbir_awards_dod_real_with_abstracts.csv', 'dod_with_abstracts', 226, { award: 226 }],
    ['sbir_award_data_42col_synthetic.csv', null, 5, { domain: 1, company: 5, person: 5, award: 5 }],
    ['sbir_award_data_42col_shape_synthetic.csv', null, 4, { domain: 4, company: 4, person: 4, award: 4 }],
  ])('%s', async (name, mapping, rows, entities) => {
    const store = openMemoryStore()
    const report = await load(store, name, mapping)
    expect(report).toMatchObject({ rows, quarantined: 0, duplicates: { exact: 0, differing: 0 }, whole: true })
    expect(await store.countEntities()).toEqual(entities)
    expect((await load(store, name, mapping)).outcome).toBe('same_file')
  })

  it('has a case for every CSV that is there', () => {
    const source = readFileSync(fileURLToPath(import.meta.url), 'utf8')
    for (const name of readdirSync(DATA).filter((file) => file.endsWith('.csv'))) expect(source).toContain(name)
  })

  it('awards without companies have the numbers they are asked by', async () => {
    const store = openMemoryStore()
    await load(store, 'sbir_awards_dod_real_with_abstracts.csv', 'dod_with_abstracts')
    const [award] = (await store.entitiesByAlias('award', ['award_id:W31P4Q20C0046'])).get('award_id:W31P4Q20C0046')!
    expect(award?.attributes).toMatchObject({
      agency_tracking_number: 'D2S-0008',
      contract: 'W31P4Q-20-C-0046',
      branch: 'Defense Advanced Research Projects Agency',
      phase: 'Phase II',
      award_year: 2020,
      company_name: null,
      company_key: null,
    })
    await expect(load(store, 'sbir_awards_dod_real_with_abstracts.csv', null)).rejects.toMatchObject({
      code: 'ingest_header',
      hint: expect.stringContaining('config/mappings/dod_with_abstracts.json'),
    })
  })

  it('all into one population: companies are shared where their UEI, or name and state, say so', async () => {
    const store = openMemoryStore()
    await load(store, 'sbir_awards_nsf_real_13320.csv', 'nsf')
    const nih = await load(store, 'sbir_awards_nih_real_1000.csv', 'nih')
    // The shared ones have a newer award now, and nothing else of them changed.
    expect(nih.entities.company).toEqual({ added: 728, changed: 128, unchanged: 6 })
    await load(store, 'sbir_awards_dod_real_with_uei.csv', 'dod_with_uei')
    const mda = await load(store, 'mda_phase3_contracts_real_with_uei.csv', 'mda')
    expect(mda.entities.company).toEqual({ added: 21, changed: 0, unchanged: 1 })
    expect(await store.countEntities()).toEqual({ award: 14_504, company: 8_239 })
  })
})
