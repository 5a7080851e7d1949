import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { readingsOf } from './adapter-readings.ts'
import { adapterSuite, type RecordedCase } from './adapter-suite.ts'
import { exampleRegistry } from './example-adapter.ts'
import { RECEIVED_AT, viewOf } from './recorded.ts'

const ACME: Entity = { kind: 'company', key: 'uei:AAAAAAAAAAA1', attributes: { uei: 'AAAAAAAAAAA1', name: 'Acme' }, aliases: [] }
const NAMELESS: Entity = { kind: 'company', key: 'name:ACME|CA', attributes: { uei: null, name: 'Acme' }, aliases: [] }
const BODY = { uei: 'AAAAAAAAAAA1', name: 'Acme, Inc.', status: 'active', registered: '04/01/2020', views: 7 }

const ASKED = { entity: ACME, providerKey: null, validators: { etag: null, lastModified: null } }

function recordOf(body: JsonObject): JsonObject {
  const answer = exampleRegistry.lookup!.parse(viewOf({ body }), ASKED, { now: RECEIVED_AT, options: {} })
  return answer.kind === 'record' ? answer.record : {}
}

const recordings: RecordedCase[] = [
  {
    name: 'a company',
    label: 'companies.lookup',
    view: viewOf({ body: BODY }),
    class: 'ok',
    reads: readingsOf(exampleRegistry, { now: RECEIVED_AT, options: {} }).record(ASKED),
    check: () => expect(recordOf(BODY)).toMatchObject({ registered_on: '2020-04-01' }),
  },
]

adapterSuite(exampleRegistry, {
  exampleEntities: [ACME, NAMELESS],
  recordings,
  instants: 'the registry writes days without a time',
  noise: ['views'],
  errors: [
    { name: 'unknown company', label: 'companies.lookup', answer: { status: 404, body: {} }, class: 'not_found' },
    { name: 'wrong token', label: 'companies.lookup', answer: { status: 401, body: {} }, class: 'auth' },
  ],
  unchangedPairs: [{ name: 'a view more', before: recordOf(BODY), after: recordOf({ ...BODY, views: 8 }) }],
  changedPairs: [
    { name: 'dissolved', before: recordOf(BODY), after: recordOf({ ...BODY, status: 'dissolved' }), path: '$.status' },
  ],
})

it('the page on writing adapters shows this very example', () => {
  const page = readFileSync(new URL('../../docs/adapters/CONTRACT.md', import.meta.url), 'utf8')
  const code = readFileSync(new URL('./example-adapter.ts', import.meta.url), 'utf8')
    .replaceAll("'../../ts/adapters/", "'./")
    .replaceAll("'../../ts/", "'../")
  expect(page).toContain(code.trim())
})

it('the page on writing adapters says what every member of an adapter is for', () => {
  const page = readFileSync(new URL('../../docs/adapters/CONTRACT.md', import.meta.url), 'utf8')
  const source = readFileSync(new URL('../../ts/adapters/adapter.ts', import.meta.url), 'utf8')
  const membersOf = (type: string): readonly string[] => {
    const [, body = ''] = new RegExp(`export type ${type} = \\{\\n([\\s\\S]*?)\\n\\}`).exec(source) ?? []
    return [...body.matchAll(/^ {2}(?:readonly )?([A-Za-z]+)\??[:(]/gm)].map(([, name]) => name!)
  }
  // `resolvesFor` is the engine's; these five need no word beside the example.
  const plain = ['resolvesFor', 'id', 'title', 'docs', 'options', 'version']
  const members = ['SourceAdapter', 'LookupCapability', 'ResolveCapability', 'BatchCapability', 'FeedCapability'].flatMap(
    membersOf,
  )
  expect(members.length).toBeGreaterThan(40)
  const unnamed = members.filter((name) => !plain.includes(name) && !new RegExp(`\`(?:[a-z]+\\.)?${name}\\b`).test(page))
  expect(unnamed).toEqual([])
})
