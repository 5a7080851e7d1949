/**
 * The step as the process sees it: what Dagster asked for, and the ways to report back. Names are those of the npm package
 * `@dagster-io/dagster-pipes`, so that either can stand in for the other.
 */
import { resolveAssetKey } from './asset-key.ts'
import { toPipesException } from './exception.ts'
import { createLogCap, type LogCap, type LogRates } from './log-cap.ts'
import { PipesLogger } from './logger.ts'
import type { PipesMessageWriter } from './message-writer.ts'
import { normalizeMetadata, type PipesMetadata } from './metadata.ts'
import {
  CHECK_SEVERITIES,
  DagsterPipesError,
  makeMessage,
  PIPES_LOG_LEVELS,
  type PipesCheckSeverity,
  type PipesContextData,
  type PipesDataProvenance,
  type PipesException,
  type PipesLogLevel,
  type PipesMethod,
  type PipesPartitionKeyRange,
  type PipesTimeWindow,
} from './protocol.ts'

export type PipesContext = {
  /** At most one per asset and step. The key may be left out when the step has one asset. */
  reportAssetMaterialization(metadata?: PipesMetadata | null, dataVersion?: string | null, assetKey?: string | null): void
  /** The check must be declared in Dagster; each at most once per step. */
  reportAssetCheck(
    checkName: string,
    passed: boolean,
    severity?: PipesCheckSeverity,
    metadata?: PipesMetadata | null,
    assetKey?: string | null,
  ): void
  log(message: string, level?: PipesLogLevel): void
  /** Any JSON; the launcher reads it with `get_custom_messages`. Costs no write to the event log. */
  reportCustomMessage(payload: unknown): void
  /** Idempotent. With an exception the process must end with an exit code other than 0: Dagster looks at that alone. */
  close(exception?: unknown): void
  /** For `using`: no more reports. How it ended is told when the process ends, because nothing says here whether it failed. */
  [Symbol.dispose](): void
  /** Throws when the launcher gave no extra of that name. */
  getExtra(key: string): unknown

  readonly logger: PipesLogger
  /** False when the process was not launched by Dagster; then reports do nothing and texts are empty. */
  readonly isActive: boolean
  readonly isClosed: boolean
  readonly isAssetStep: boolean
  /** Throws unless the step has exactly one asset. Written as Dagster does: a slash inside a part is `\/`. */
  readonly assetKey: string
  /** Throws when the step has no asset. */
  readonly assetKeys: readonly string[]
  readonly provenance: PipesDataProvenance | null
  readonly provenanceByAssetKey: Readonly<Record<string, PipesDataProvenance | null>>
  readonly codeVersion: string | null
  readonly codeVersionByAssetKey: Readonly<Record<string, string | null>>
  readonly isPartitionStep: boolean
  /** Throws when the step has no partition, or a range of several: Dagster then names none. */
  readonly partitionKey: string
  readonly partitionKeyRange: PipesPartitionKeyRange
  /** Null when the partition is not one of time. */
  readonly partitionTimeWindow: PipesTimeWindow | null
  readonly runID: string
  readonly jobName: string | null
  readonly retryNumber: number
  readonly extras: Readonly<Record<string, unknown>>
}

type ContextState = 'open' | 'disposed' | 'closed'

export type ContextParts = {
  readonly data: PipesContextData
  /** Open already. */
  readonly writer: PipesMessageWriter
  readonly logRates: LogRates
  readonly monotonicMs: () => number
}

function isPipesException(value: unknown): value is PipesException {
  return (
    typeof value === 'object' &&
    value !== null &&
    !(value instanceof Error) &&
    typeof (value as PipesException).message === 'string'
  )
}

/** Complete, whatever was left out. */
function asException(given: unknown): PipesException {
  if (!isPipesException(given)) return toPipesException(given)
  const { message, stack = [], name = null, cause = null, context = null } = given
  return { message, stack, name, cause: cause && asException(cause), context: context && asException(context) }
}

/** A context that is connected to Dagster. `openPipesContext` makes it. */
export class ConnectedContext implements PipesContext {
  readonly isActive = true
  readonly logger: PipesLogger
  readonly #data: PipesContextData
  readonly #writer: PipesMessageWriter
  readonly #cap: LogCap
  readonly #monotonicMs: () => number
  readonly #materialized = new Set<string>()
  readonly #checked = new Set<string>()
  #state: ContextState = 'open'
  #isFailed = false
  /** Set by the guard of the process: `using` may then leave the last word to it. */
  isGuarded = false

  constructor(parts: ContextParts) {
    this.#data = parts.data
    this.#writer = parts.writer
    this.#cap = createLogCap(parts.logRates)
    this.#monotonicMs = parts.monotonicMs
    this.logger = new PipesLogger((message, level) => this.log(message, level))
  }

  get state(): ContextState {
    return this.#state
  }

  /** It was closed with an exception, or could not be closed. */
  get isFailed(): boolean {
    return this.#isFailed
  }

  #write(method: PipesMethod, params: Readonly<Record<string, unknown>>): void {
    if (this.#state !== 'open') throw new DagsterPipesError(`${method} comes after the Pipes context was closed`)
    this.#writer.writeMessage(makeMessage(method, params))
  }

  reportAssetMaterialization(
    metadata: PipesMetadata | null = null,
    dataVersion: string | null = null,
    assetKey: string | null = null,
  ): void {
    const key = resolveAssetKey(this.#data.asset_keys, assetKey, 'reportAssetMaterialization')
    if (this.#materialized.has(key))
      throw new DagsterPipesError(`the asset ${key} was reported as materialized already; Dagster takes one per step`)
    this.#write('report_asset_materialization', {
      asset_key: key,
      metadata: normalizeMetadata(metadata),
      data_version: dataVersion ?? null,
    })
    this.#materialized.add(key)
  }

  reportAssetCheck(
    checkName: string,
    passed: boolean,
    severity: PipesCheckSeverity = 'ERROR',
    metadata: PipesMetadata | null = null,
    assetKey: string | null = null,
  ): void {
    const key = resolveAssetKey(this.#data.asset_keys, assetKey, 'reportAssetCheck')
    if (typeof passed !== 'boolean') throw new DagsterPipesError(`check ${checkName}: passed must be true or false`)
    if (!CHECK_SEVERITIES.includes(severity))
      throw new DagsterPipesError(`check ${checkName}: severity must be WARN or ERROR, not ${String(severity)}`)
    const id = JSON.stringify([key, checkName])
    if (this.#checked.has(id))
      throw new DagsterPipesError(`the check ${checkName} of ${key} was reported already; Dagster takes one result per step`)
    this.#write('report_asset_check', {
      asset_key: key,
      check_name: checkName,
      passed,
      severity,
      metadata: normalizeMetadata(metadata),
    })
    this.#checked.add(id)
  }

  log(message: string, level: PipesLogLevel = 'INFO'): void {
    const known = PIPES_LOG_LEVELS.find((one) => one === String(level).toUpperCase())
    if (known === undefined)
      throw new DagsterPipesError(`"${level}" is no log level of Dagster; use one of ${PIPES_LOG_LEVELS.join(', ')}`)
    const { admitted, remark } = this.#cap.admit(known, this.#monotonicMs())
    if (remark !== null) this.#write('log', { message: remark, level: 'WARNING' })
    if (admitted) this.#write('log', { message: String(message), level: known })
    else if (this.#state !== 'open') throw new DagsterPipesError('log comes after the Pipes context was closed')
  }

  reportCustomMessage(payload: unknown): void {
    this.#write('report_custom_message', { payload: payload ?? null })
  }

  close(exception: unknown = null): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#isFailed = exception !== null && exception !== undefined
    try {
      const remark = this.#cap.flush()
      if (remark !== null) this.#writer.writeMessage(makeMessage('log', { message: remark, level: 'WARNING' }))
      // An empty object, never a null: Dagster takes an "exception" key that is null for a malformed exception.
      this.#writer.writeMessage(makeMessage('closed', this.#isFailed ? { exception: asException(exception) } : {}))
    } catch (error) {
      this.#isFailed = true
      throw error
    } finally {
      this.#writer.close()
    }
  }

  [Symbol.dispose](): void {
    if (!this.isGuarded) this.close()
    else if (this.#state === 'open') this.#state = 'disposed'
  }

  getExtra(key: string): unknown {
    const { extras } = this.#data
    if (!Object.hasOwn(extras, key))
      throw new DagsterPipesError(`the launcher gave no extra "${key}" (but ${Object.keys(extras).join(', ') || 'none at all'})`)
    return extras[key]
  }

  get isClosed(): boolean {
    return this.#state !== 'open'
  }

  get isAssetStep(): boolean {
    return this.#data.asset_keys !== null
  }

  get assetKeys(): readonly string[] {
    return this.#ofAsset(this.#data.asset_keys, 'assetKeys')
  }

  get assetKey(): string {
    this.#oneAsset('assetKey')
    return this.assetKeys[0]!
  }

  get provenanceByAssetKey(): Readonly<Record<string, PipesDataProvenance | null>> {
    return this.#ofAsset(this.#data.provenance_by_asset_key, 'provenanceByAssetKey')
  }

  get provenance(): PipesDataProvenance | null {
    this.#oneAsset('provenance')
    return this.provenanceByAssetKey[this.assetKey] ?? null
  }

  get codeVersionByAssetKey(): Readonly<Record<string, string | null>> {
    return this.#ofAsset(this.#data.code_version_by_asset_key, 'codeVersionByAssetKey')
  }

  get codeVersion(): string | null {
    this.#oneAsset('codeVersion')
    return this.codeVersionByAssetKey[this.assetKey] ?? null
  }

  get isPartitionStep(): boolean {
    return this.#data.partition_key !== null || this.#data.partition_key_range !== null
  }

  get partitionKey(): string {
    return this.#ofPartition(this.#data.partition_key, 'partitionKey')
  }

  get partitionKeyRange(): PipesPartitionKeyRange {
    return this.#ofPartition(this.#data.partition_key_range, 'partitionKeyRange')
  }

  get partitionTimeWindow(): PipesTimeWindow | null {
    return this.#data.partition_time_window
  }

  get runID(): string {
    return this.#data.run_id
  }

  get jobName(): string | null {
    return this.#data.job_name
  }

  get retryNumber(): number {
    return this.#data.retry_number
  }

  get extras(): Readonly<Record<string, unknown>> {
    return this.#data.extras
  }

  #ofAsset<T>(value: T | null, name: string): T {
    if (value === null) throw new DagsterPipesError(`${name} is not defined: the step does not target an asset`)
    return value
  }

  #oneAsset(name: string): void {
    const keys = this.#ofAsset(this.#data.asset_keys, name)
    if (keys.length !== 1) throw new DagsterPipesError(`${name} is not defined: the step targets ${keys.length} assets`)
  }

  #ofPartition<T>(value: T | null, name: string): T {
    if (value === null)
      throw new DagsterPipesError(
        `${name} is not defined: the step targets no partition, or a range of them (Dagster names none then; pass them as an extra)`,
      )
    return value
  }
}
