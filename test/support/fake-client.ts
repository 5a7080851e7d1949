/** A `SourceClient` that is a function of the request. It records what was asked; answers are built by the helpers below. */
import type { CallResult, Refusal, SourceClient } from '../../ts/http/source-client.ts'
import type { JsonValue } from '../../ts/model/json.ts'
import type { RequestSpec, ResponseClass, ResponseView } from '../../ts/model/response.ts'
import type { EpochMs } from '../../ts/model/time.ts'

export type Respond = (request: RequestSpec, index: number, signal: AbortSignal) => CallResult | Promise<CallResult>

export type FakeClient = SourceClient & {
  readonly requests: readonly RequestSpec[]
  /** Most calls that were under way at once. */
  readonly maxInFlight: number
  /** Throws away what was recorded. */
  forget(): void
}

export function fakeClient(respond: Respond): FakeClient {
  const requests: RequestSpec[] = []
  let inFlight = 0
  let maxInFlight = 0
  return {
    requests,
    get maxInFlight() {
      return maxInFlight
    },
    forget() {
      requests.length = 0
      maxInFlight = 0
    },
    async call(request, { signal }) {
      const index = requests.length
      requests.push(request)
      inFlight += 1
      maxInFlight = Math.max(maxInFlight, inFlight)
      try {
        return await respond(request, index, signal)
      } finally {
        inFlight -= 1
      }
    },
  }
}

/** A client for code that must not call. */
export const noCalls: SourceClient = {
  call: (request) => Promise.reject(new Error(`unexpected call: ${request.label}`)),
}

const ONE_CALL = { calls: 1, quotaWaitMs: 0 }

export type ViewParts = {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly receivedAt?: EpochMs
  readonly file?: ResponseView['file']
}

export function view(json: JsonValue | undefined, parts: ViewParts = {}): ResponseView {
  const { file, ...rest } = parts
  return {
    status: 200,
    headers: {},
    receivedAt: 0,
    ...rest,
    text: json === undefined ? '' : JSON.stringify(json),
    json,
    ...(file === undefined ? {} : { file }),
  }
}

export function ok(json: JsonValue, parts: ViewParts = {}): CallResult {
  return { kind: 'answer', view: view(json, parts), classified: { class: 'ok', reason: 'answered' }, stats: ONE_CALL }
}

const USUAL_STATUS: Readonly<Record<ResponseClass, number>> = {
  ok: 200,
  not_modified: 304,
  empty: 200,
  not_found: 404,
  rate_limited: 429,
  quota_exhausted: 429,
  auth: 403,
  source_down: 503,
  invalid_request: 400,
  transient: 502,
  malformed: 200,
}

/** An answer of a class. `json` undefined and class `transient`: no answer arrived at all. */
export function answered(
  responseClass: ResponseClass,
  options: {
    readonly reason?: string
    readonly until?: EpochMs
    readonly json?: JsonValue
    readonly calls?: number
  } & ViewParts = {},
): CallResult {
  const { reason = responseClass, until, json, calls = 1, ...parts } = options
  const arrived = !(responseClass === 'transient' && json === undefined && parts.status === undefined)
  return {
    kind: 'answer',
    view: arrived ? view(json ?? {}, { status: USUAL_STATUS[responseClass], ...parts }) : null,
    classified: { class: responseClass, reason, ...(until === undefined ? {} : { until }) },
    stats: { calls, quotaWaitMs: 0 },
  }
}

export function refused(why: Refusal, message: string = why, until: EpochMs | null = null): CallResult {
  return { kind: 'refused', why, message, until, stats: { calls: 0, quotaWaitMs: 0 } }
}
