import { describe, expect, it } from 'vitest'
import { recordOfRows } from '../../../ts/adapters/nih/record.ts'
import { nih } from '../../../ts/adapters/nih.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { nihDialect } from '../../../ts/sandbox/dialects/nih.ts'
import { createSandbox } from '../../../ts/sandbox/sandbox.ts'
import { nihWorld } from '../../../ts/sandbox/world/nih-world.ts'
import { hasRecordings, recordedView } from '../../contract/recorded.ts'
import { askerOf, shapeDifferences, targetOf } from './ask.ts'

let ms = 0
const sandbox = createSandbox(
  { seed: 7, companies: 200, awards: 1_500 },
  { now: () => 0, monotonic: () => (ms += 10_000) },
  'http://sandbox.test',
)
const { world } = sandbox
const asker = askerOf(sandbox, nih)
const { now } = asker.context
const DAY = 86_400_000
const cores = [...nihDialect.keys(world, now)]
const entity = (contract: string): Entity => ({ kind: 'award', key: contract, attributes: { contract }, aliases: [] })

async function send(body: unknown) {
  const { response } = await sandbox.answer(
    new Request('http://sandbox.test/nih/v2/projects/search', { method: 'POST', body: JSON.stringify(body) }),
  )
  return { status: response.status, body: (await response.json()) as JsonObject }
}

describe('the NIH projects of the sandbox', () => {
  it('are those of the HHS awards, nearly all', () => {
    const awards = world.sbir.awardsUntil(now).filter(({ awardId }) => /^R4[1-4]/.test(awardId))
    expect(cores.length).toBeGreaterThan(awards.length * 0.85)
    expect(cores.length).toBeLessThan(awards.length)
  })

  it('are read by the adapter, in batches, and are what the provider says', async () => {
    const asked = cores.slice(0, 250)
    const targets = [...asked, 'R43XX000000'].map((core) => targetOf(entity(core)))
    let cursor: string | null = null
    const answers = []
    for (let pages = 0; pages < 5; pages += 1) {
      const { view, classified } = await asker.ask(nih.batch!.request(targets, 'projects', cursor, asker.context))
      expect(classified.class).toBe('ok')
      const page = nih.batch!.parse(view, targets, 'projects', cursor, asker.context)
      answers.push(...page.answers)
      cursor = page.next
      if (cursor === null) break
    }
    expect(answers).toHaveLength(asked.length + 1)
    for (const answer of answers) {
      if (answer.entity.key === 'R43XX000000') expect(answer.kind).toBe('absent')
      else {
        const truth = nihDialect.truth(world, answer.entity.key, now, null) as unknown as { results: readonly JsonObject[] }
        expect(answer).toMatchObject({ kind: 'record', record: recordOfRows(answer.entity.key, truth.results) })
        const years = world.part(nihWorld).project(answer.entity.key, now)
        expect(answer.kind === 'record' && (answer.record['years'] as JsonObject[]).map((year) => year['award_amount'])).toEqual(
          [...years].reverse().map(({ amount }) => String(amount)),
        )
      }
    }
  })

  it.skipIf(!hasRecordings('nih_reporter'))('have only members that recorded rows have', async () => {
    const { body } = await send({ criteria: { project_nums: [cores[0]] } })
    const ours = (body['results'] as JsonObject[])[0]!
    const theirs = (
      (recordedView('nih_reporter', 'v2_project_record_probed_2026_07').json as JsonObject)['results'] as JsonObject[]
    )[0]!
    expect(shapeDifferences(ours, theirs).filter((line) => !line.startsWith('only theirs'))).toEqual([])
  })

  it('leave out a criterion that they do not understand, without a word', async () => {
    const all = await send({
      criteria: { award: { award_notice_date: { from_date: '2019-01-01', to_date: '2019-01-02' } } },
      limit: 1,
    })
    expect((all.body['meta'] as JsonObject)['total']).toBeGreaterThanOrEqual(cores.length)
  })

  it('give everything when fields are named in the wrong case', async () => {
    const fields = async (include_fields: readonly string[]) =>
      Object.keys(((await send({ criteria: { project_nums: [cores[0]] }, include_fields })).body['results'] as JsonObject[])[0]!)
    expect(await fields(['ApplId', 'AwardAmount'])).toEqual(['appl_id', 'award_amount'])
    expect((await fields(['appl_id'])).length).toBeGreaterThan(20)
  })

  it('refuse with a list of texts', async () => {
    expect(await send({ criteria: {}, limit: 501 })).toMatchObject({ status: 400, body: [expect.stringContaining('limit')] })
    expect(await send({ criteria: {}, offset: 15_000 })).toMatchObject({ status: 400, body: [expect.stringContaining('14,999')] })
    expect(await send('nonsense')).toMatchObject({ status: 400 })
  })

  it('are asked for 25 times a minute, and say when again', async () => {
    let at = 0
    const strict = createSandbox(
      { seed: 7, companies: 50, awards: 100 },
      { now: () => 0, monotonic: () => (at += 100) },
      'http://sandbox.test',
    )
    const patient = askerOf(strict, nih)
    const classes = []
    for (let call = 0; call < 26; call += 1) classes.push((await patient.ask(nih.probe(patient.context))).classified)
    expect(classes.slice(0, 25).map(({ class: answer }) => answer)).not.toContain('rate_limited')
    const refused = classes.at(-1)!
    expect(refused.class).toBe('rate_limited')
    expect(refused.until! - patient.context.now).toBeGreaterThan(30_000)
    expect(refused.until! - patient.context.now).toBeLessThanOrEqual(61_000)
  })

  it('change: amounts are amended, years are added', () => {
    const later = now + 400 * DAY
    const at = (moment: number) => new Map([...world.part(nihWorld).all(moment)].map((year) => [year.applId, year.amount]))
    const [before, after] = [at(now), at(later)]
    expect(after.size).toBeGreaterThan(before.size)
    expect([...before].filter(([id, amount]) => after.get(id) !== amount).length).toBeGreaterThan(3)
  })

  it('are listed by the day they were added', async () => {
    const [year] = world.part(nihWorld).all(now)
    const window = { from: year!.added * DAY, to: (year!.added + 1) * DAY }
    const [slice] = nih.feed!.slices(window, asker.context)
    const { view } = await asker.ask(nih.feed!.request(window, slice!, null, asker.context))
    const { items } = nih.feed!.parse(view, slice!, null, asker.context)
    expect(items.map(({ providerKey }) => providerKey)).toContain(year!.core)
  })
})
