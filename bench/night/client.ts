/** The double of a provider's end: takes quota from the store as the pipeline does, answers after a while, counts calls. */
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CallResult, SourceClient } from '../../ts/http/source-client.ts'
import type { RequestSpec, ResponseView } from '../../ts/model/response.ts'
import { SECOND_MS, toUtcDate } from '../../ts/model/time.ts'
import { zipFile } from '../../ts/sandbox/zip-file.ts'
import type { QuotaRule, Store } from '../../ts/stores/store.ts'
import type { VirtualClock } from './clock.ts'
import { callMsOf } from './doubles.ts'
import { createGate } from './gate.ts'
import { cageTable, type World } from './world.ts'

/** As `run.max_quota_wait`: who would wait longer is parked, the next start resumes it. */
const MAX_QUOTA_WAIT_MS = 15 * 60 * SECOND_MS

export type ProviderOptions = {
  readonly source: string
  readonly rules: readonly QuotaRule[]
  readonly parallel: number
  readonly store: Store
  readonly clock: VirtualClock
  readonly world: World
  readonly directory: string
  readonly onCall: (source: string) => void
}

type Answer = Pick<ResponseView, 'status' | 'text'> & { readonly file?: NonNullable<ResponseView['file']> }

/** Both bulk files: sbir.gov's is the one of the day before; the DLA's has an edition each month. */
async function fileOf({ source, clock, world, directory }: ProviderOptions, request: RequestSpec): Promise<Answer> {
  const edition = source === 'dla_cage' ? toUtcDate(clock.now()).slice(0, 7) : '1'
  if (request.validators?.etag === `"${edition}"`) return { status: 304, text: '' }
  if (source !== 'dla_cage') throw new Error(`${source} asked for its file without the tag of the one that it has`)
  const bytes = zipFile([{ name: 'P_CAGE.CSV', content: Buffer.from(cageTable(world.companies)) }], clock.now())
  const path = join(directory, `${source}-${edition}.zip`)
  await writeFile(path, bytes)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { status: 200, text: '', file: { path, bytes: bytes.length, sha256, complete: true } }
}

const READING_ROOM = '<a href="https://www.dla.mil/Portals/104/CAGE.zip">CAGE.zip</a>'

export function virtualClient(options: ProviderOptions): SourceClient {
  const { source, rules, store, clock } = options
  const gate = createGate(options.parallel)

  async function call(request: RequestSpec, signal: AbortSignal): Promise<CallResult> {
    let waited = 0
    for (;;) {
      if (signal.aborted)
        return { kind: 'refused', why: 'aborted', message: 'stopping', until: null, stats: { calls: 0, quotaWaitMs: waited } }
      const answer = await store.acquireQuota(rules, 'night', 60_000, clock.monotonic(), clock.now(), request.credits)
      if (answer.granted) {
        await clock.pass(callMsOf(source))
        await store.releaseQuota(answer.grant, clock.monotonic())
        break
      }
      if (waited + answer.waitMs > MAX_QUOTA_WAIT_MS) {
        const until = clock.now() + answer.waitMs
        return { kind: 'refused', why: 'quota', message: 'spent', until, stats: { calls: 0, quotaWaitMs: waited } }
      }
      const wait = Math.max(1, Math.ceil(answer.waitMs))
      await clock.pass(wait)
      waited += wait
    }
    options.onCall(source)
    const { file, ...answer }: Answer =
      request.expect === 'file'
        ? await fileOf(options, request)
        : { status: 200, text: request.label === 'cage.page' ? READING_ROOM : '{}' }
    const edition = source === 'dla_cage' ? toUtcDate(clock.now()).slice(0, 7) : '1'
    const query = Object.fromEntries(request.query ?? [])
    const view: ResponseView = {
      ...answer,
      headers: { ...query, etag: `"${edition}"` },
      json: {},
      receivedAt: clock.now(),
      ...(file === undefined ? {} : { file }),
    }
    const classified =
      answer.status === 304 ? ({ class: 'not_modified', reason: '304' } as const) : ({ class: 'ok', reason: '200' } as const)
    return { kind: 'answer', view, classified, stats: { calls: 1, quotaWaitMs: waited } }
  }

  return { call: (request, { signal }) => gate(() => call(request, signal)) }
}
