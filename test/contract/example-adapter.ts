/** A registry of companies with one look-up per UEI: the smallest adapter there can be. */
import { z } from 'zod'
import type { Answer, SourceAdapter, Target } from '../../ts/adapters/adapter.ts'
import { classifyByStatus } from '../../ts/adapters/shared/classify.ts'
import { calendarDate } from '../../ts/adapters/shared/dates.ts'
import { attributeText, refOf } from '../../ts/adapters/shared/entity.ts'
import { memberAt, requireObject, textAt } from '../../ts/adapters/shared/json.ts'
import { MalformedAnswer } from '../../ts/adapters/shared/malformed.ts'
import type { ResponseView } from '../../ts/model/response.ts'

function parse(view: ResponseView, target: Target): Answer {
  const entity = refOf(target.entity)
  if (view.status === 404) return { kind: 'absent', entity, reason: 'the registry has no such company' }
  const body = requireObject(view, 'the company')
  const uei = textAt(body, 'uei')
  if (uei === null) throw new MalformedAnswer('the company has no uei')
  const record = {
    uei,
    name: textAt(body, 'name'),
    status: textAt(body, 'status'),
    registered_on: calendarDate(memberAt(body, 'registered')),
    views: memberAt(body, 'views') ?? null,
  }
  return { kind: 'record', entity, record, identity: { providerKey: uei, method: 'uei', confidence: 1, evidence: {} } }
}

export const exampleRegistry: SourceAdapter = {
  id: 'example_registry',
  title: 'Example company registry',
  docs: 'https://registry.example/docs',
  entityKinds: ['company'],
  normalizerVersion: 1,
  credentials: [{ name: 'token', placement: { in: 'header', name: 'Authorization', prefix: 'Bearer ' }, required: true }],
  options: z.strictObject({}),
  cohort: { numbered: true, name: () => 'registry_batch', date: () => null },
  unresolvable: (entity) => (attributeText(entity, 'uei') === null ? 'no UEI' : null),
  lookup: {
    request: ({ entity }) => ({
      method: 'GET',
      path: `/v1/companies/${encodeURIComponent((attributeText(entity, 'uei') ?? '').toWellFormed().replaceAll('.', ''))}`,
      label: 'companies.lookup',
    }),
    parse,
  },
  probe: () => ({ method: 'GET', path: '/v1/status', label: 'status' }),
  classify: classifyByStatus,
  volatile: ['$.views'],
  arrayKeys: {},
  unordered: [],
}
