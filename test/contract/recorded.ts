/** Recorded answers of the providers, where they are at hand (they are not part of the repository), as views. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { JsonValue } from '../../ts/model/json.ts'
import type { ResponseView } from '../../ts/model/response.ts'

const ROOT = fileURLToPath(new URL('../../../shared/recordings/', import.meta.url))

export const RECEIVED_AT = Date.UTC(2026, 10, 21, 3, 0, 0)

/** Whether the collection of recorded answers lies beside this repository at all. */
export const HAS_RECORDINGS = existsSync(ROOT)

export function hasRecordings(provider: string): boolean {
  return existsSync(`${ROOT}${provider}`)
}

/** Names of the recordings of a provider without `.json`; none where they are not at hand. */
export function recordingNames(provider: string): readonly string[] {
  if (!hasRecordings(provider)) return []
  return readdirSync(`${ROOT}${provider}`)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort()
}

export function recording(provider: string, name: string): JsonValue {
  return JSON.parse(readFileSync(`${ROOT}${provider}/${name}.json`, 'utf8')) as JsonValue
}

export type ViewParts = {
  readonly status?: number
  readonly body?: JsonValue
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly file?: NonNullable<ResponseView['file']>
}

/** An answer as the pipeline hands it over. `body` is JSON; `text` something else. */
export function viewOf({ status = 200, body, text, headers = {}, file }: ViewParts): ResponseView {
  const content = body === undefined ? (text ?? '') : JSON.stringify(body)
  const type = body === undefined ? 'text/html' : 'application/json'
  return {
    status,
    headers: { 'content-type': type, ...headers },
    text: content,
    json: body,
    receivedAt: RECEIVED_AT,
    ...(file === undefined ? {} : { file }),
  }
}

type Wire = {
  readonly response?: { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: JsonValue }
}

/** A recording is either a bare body or an exchange with `request` and `response`. */
export function recordedView(provider: string, name: string): ResponseView {
  const content = recording(provider, name)
  const response = (content as Wire | null)?.response
  if (response === undefined || !('body' in response)) return viewOf({ body: content })
  return viewOf({
    status: response.status ?? 200,
    headers: response.headers ?? {},
    ...(response.body === null ? { text: '' } : { body: response.body! }),
  })
}
