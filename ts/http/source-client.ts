/** How the engine performs a call. The pipeline behind it is composed in `pipeline.ts`. */
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'

export type CallStats = {
  /** Requests that left for the provider; each cost a quota slot. */
  readonly calls: number
  readonly quotaWaitMs: DurationMs
}

export type CallResult =
  /** The last attempt's answer. `view` is null when none arrived (`transient`: reset, timeout, DNS, TLS). */
  | { readonly kind: 'answer'; readonly view: ResponseView | null; readonly classified: Classified; readonly stats: CallStats }
  /** The call was not made, and there is no sense in trying the next one before `until`. */
  | {
      readonly kind: 'refused'
      readonly why: Refusal
      readonly message: string
      readonly until: EpochMs | null
      readonly stats: CallStats
    }

/**
 * `breaker_open`: the source is failing; `quota`: the wait would be longer than the run may wait, or the provider named a
 * later moment; `budget`: the run's own call budget is spent; `aborted`: shutting down; `credential`: none configured or
 * the provider refused it.
 */
export type Refusal = 'breaker_open' | 'quota' | 'budget' | 'aborted' | 'credential'

export type SourceClient = {
  /** Never rejects for anything a provider or the network does; rejects only for bugs and store failures. */
  call(request: RequestSpec, options: { readonly signal: AbortSignal; readonly priority?: number }): Promise<CallResult>
}
