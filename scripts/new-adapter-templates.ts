/** The text of the files that `new-adapter` writes. Each is formatted as the formatter would, and complete enough to run. */
import type { EntityKind } from '../ts/model/keys.ts'

export type NewSource = {
  readonly id: string
  readonly entity: EntityKind
  /** Without trailing slash. */
  readonly baseUrl: string
  /** The header that carries the key; null for an open API. */
  readonly keyHeader: string | null
  readonly title: string
}

/** The attribute of our entities that the first version asks by, and an example of it. */
const ASKED_BY: Readonly<Record<EntityKind, { readonly attribute: string; readonly example: string; readonly words: string }>> = {
  award: { attribute: 'contract', example: 'FA865114C0132', words: 'contract number' },
  company: { attribute: 'uei', example: 'AAAAAAAAAAA1', words: 'UEI' },
  person: { attribute: 'name', example: 'Ada Lovelace', words: 'name' },
  domain: { attribute: 'domain', example: 'acme.example', words: 'domain' },
  patent: { attribute: 'application_number', example: '16123456', words: 'application number' },
  project: { attribute: 'number', example: 'P-1', words: 'project number' },
  ip: { attribute: 'address', example: '192.0.2.1', words: 'address' },
}

export function camelCase(id: string): string {
  return id.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()).replace(/_+$/, '')
}

const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

export function adapterFile({ id, entity, baseUrl, keyHeader, title }: NewSource): string {
  const { attribute, words } = ASKED_BY[entity]
  const credentials =
    keyHeader === null ? '[]' : `[{ name: 'api_key', placement: { in: 'header', name: ${literal(keyHeader)} }, required: true }]`
  return `/** ${title.replaceAll('*/', '')}. FILL IN: what the source knows, in a sentence. \`docs/adapters/${id}.md\`. */
import { z } from 'zod'
import type { ResponseView } from '../model/response.ts'
import type { Answer, SourceAdapter, Target } from './adapter.ts'
import { classifyByStatus } from './shared/classify.ts'
import { attributeText, refOf } from './shared/entity.ts'
import { requireObject, textAt } from './shared/json.ts'
import { MalformedAnswer } from './shared/malformed.ts'

/** FILL IN: what a request needs to know of the entity. */
function askedBy({ entity, providerKey }: Target): string {
  return providerKey ?? attributeText(entity, '${attribute}') ?? ''
}

/** FILL IN: the provider's answer -> what of it is worth keeping, normalized. Dates in UTC, amounts as decimal strings. */
function parse(view: ResponseView, target: Target): Answer {
  const entity = refOf(target.entity)
  if (view.status === 404) return { kind: 'absent', entity, reason: 'the provider has no such record' }
  const body = requireObject(view, 'the answer')
  const id = textAt(body, 'id')
  if (id === null) throw new MalformedAnswer('the answer has no id')
  const record = { id, name: textAt(body, 'name'), status: textAt(body, 'status') }
  return { kind: 'record', entity, record, identity: { providerKey: id, method: '${attribute}', confidence: 1, evidence: {} } }
}

export const ${camelCase(id)}: SourceAdapter = {
  id: '${id}',
  title: ${literal(title)},
  // FILL IN: the provider's documentation.
  docs: ${literal(baseUrl.replace(/^http:/, 'https:'))},
  entityKinds: ['${entity}'],
  normalizerVersion: 1,
  credentials: ${credentials},
  options: z.strictObject({}),

  cohort: { numbered: true, name: () => '${id}_batch', date: () => null },
  // FILL IN: the form of its keys, as narrow as it is: a key becomes part of requests.
  providerKeyProblem: (key) =>
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(key) ? null : 'a key is up to 64 letters and digits, with _ and - between them',
  unresolvable: (entity) => (attributeText(entity, '${attribute}') === null ? 'no ${words}' : null),

  lookup: {
    // FILL IN: the path. What comes from outside goes into it by encodeURIComponent only, or better into the query.
    request: (target) => ({
      method: 'GET',
      path: '/v1/records',
      query: [['id', askedBy(target)]],
      label: 'records.lookup',
    }),
    parse,
  },
  // FILL IN: a harmless call that shows that provider and key are all right.
  probe: () => ({ method: 'GET', path: '/v1/status', label: 'status' }),
  // FILL IN: where the provider lies by status (an error page under 200, a 404 that is an empty list), look at that first.
  classify: classifyByStatus,

  // FILL IN: what changes without meaning anything (view counts, times of the answer). Better still: leave it out of the record.
  volatile: [],
  arrayKeys: {},
  unordered: [],
}
`
}

export function testFile({ id, entity, keyHeader }: NewSource): string {
  const { attribute, example } = ASKED_BY[entity]
  const name = camelCase(id)
  const file = id.replaceAll('_', '-')
  const auth =
    keyHeader === null
      ? ''
      : `\n    { name: 'a wrong key', label: 'records.lookup', answer: { status: 401, body: {} }, class: 'auth' },`
  return `import { expect } from 'vitest'
import { ${name} } from '../../ts/adapters/${file}.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { readingsOf } from './adapter-readings.ts'
import { adapterSuite } from './adapter-suite.ts'
import { RECEIVED_AT, viewOf } from './recorded.ts'

const KNOWN: Entity = { kind: '${entity}', key: 'example', attributes: { ${attribute}: ${literal(example)} }, aliases: [] }
const UNASKABLE: Entity = { kind: '${entity}', key: 'unaskable', attributes: { ${attribute}: null }, aliases: [] }
/** FILL IN: an answer of the provider, as it came. */
const BODY = { id: 'R-1', name: 'Acme, Inc.', status: 'active' }

const CONTEXT = { now: RECEIVED_AT, options: {} }
const ASKED = { entity: KNOWN, providerKey: null, validators: { etag: null, lastModified: null } }

function recordOf(body: JsonObject): JsonObject {
  const answer = ${name}.lookup!.parse(viewOf({ body }), ASKED, CONTEXT)
  return answer.kind === 'record' ? answer.record : {}
}

adapterSuite(${name}, {
  exampleEntities: [KNOWN, UNASKABLE],
  recordings: [
    {
      name: 'a record',
      label: 'records.lookup',
      view: viewOf({ body: BODY }),
      class: 'ok',
      reads: readingsOf(${name}, CONTEXT).record(ASKED),
      check: () => expect(recordOf(BODY)).toEqual({ id: 'R-1', name: 'Acme, Inc.', status: 'active' }),
    },
  ],
  // FILL IN: every error that its documentation and its users know.
  errors: [
    { name: 'unknown', label: 'records.lookup', answer: { status: 404, body: {} }, class: 'not_found' },${auth}
  ],
  // FILL IN: a moment in each format with a zone that the provider writes, as { text, read, utc }.
  instants: 'FILL IN: why its answers have no times with a zone',
  // FILL IN: members of its answers that move without meaning anything, as noise: ['views'].
  // FILL IN: answers that say the same, and answers that do not, with the path that differs.
  unchangedPairs: [{ name: 'members in another order', before: recordOf(BODY), after: recordOf({ ...BODY }) }],
  changedPairs: [{ name: 'closed', before: recordOf(BODY), after: recordOf({ ...BODY, status: 'closed' }), path: '$.status' }],
})
`
}

export type ConfigBlocks = { readonly enrichment: string; readonly refresh: string; readonly sandbox: string }

export function configBlocks({ id, baseUrl, keyHeader }: NewSource): ConfigBlocks {
  const credentials = keyHeader === null ? '' : `    credentials:\n      api_key: { env: ${id.toUpperCase()}_API_KEY }\n`
  return {
    enrichment: `  ${id}:\n    adapter: ${id}\n    base_url: ${baseUrl}\n${credentials}`,
    refresh: `  ${id}:
    # FILL IN: switch it on when it has its real quotas. Keep cadence below sla: the difference is the time for refreshing.
    enabled: false
    cadence: 6d
    sla: 7d
    max_parallel_requests: 2
    quotas:
      - { limit: 60, per: 60s }
`,
    sandbox: `  ${id}:
    # The sandbox does not speak it. With a dialect there, give it a base_url on 127.0.0.1:8585 above and remove this.
    enabled: false
`,
  }
}

export function docsPage({ id, title, entity, baseUrl, keyHeader }: NewSource): string {
  const { words } = ASKED_BY[entity]
  const file = id.replaceAll('_', '-')
  return `# ${id}: ${title}

FILL IN: what the source knows. Code: [\`ts/adapters/${file}.ts\`](../../ts/adapters/${file}.ts).

| | |
|---|---|
| entities | ${entity}; cohort \`${id}_batch_NNNN\` |
| cannot be asked | no ${words} |
| ways | look-up |
| address | \`${baseUrl}\` |
| credential | ${keyHeader === null ? 'none' : `\`api_key\`, in the header \`${keyHeader}\`, required`} |

## Requests

FILL IN: path and parameters, pages, limits.

## Record

FILL IN: its members, what is left out, and what is no change.

## Answers

| answer | class |
|---|---|
| 404 | \`not_found\`: the entity is \`absent\` |

FILL IN: every answer that does not mean what its status says.
`
}
