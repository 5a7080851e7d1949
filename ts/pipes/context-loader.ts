/** Reads what Dagster says about the step: from a file, or from the parameters themselves. */
import { readFileSync } from 'node:fs'
import { messageOf } from '../model/errors.ts'
import { DagsterPipesError, type PipesContextData, type PipesParams } from './protocol.ts'

export abstract class PipesContextLoader {
  abstract loadContext(params: PipesParams): PipesContextData
}

/** `{path}` (a file with JSON) or `{data}` (the context itself). */
export class PipesDefaultContextLoader extends PipesContextLoader {
  loadContext(params: PipesParams): PipesContextData {
    const { path, data } = params
    if (typeof path === 'string') return readContext(readJson(path))
    if (data !== undefined) return readContext(data)
    throw new DagsterPipesError(
      `the context parameters hold neither "path" nor "data" (but ${Object.keys(params).join(', ') || 'nothing'}); pass a context loader that fits the launcher's injector`,
    )
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new DagsterPipesError(`the context file ${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

type Plain = Readonly<Record<string, unknown>>

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Real contexts write null where the published schema leaves a key out; both are taken. */
export function readContext(value: unknown): PipesContextData {
  if (!isPlain(value)) throw new DagsterPipesError('the context is not an object')
  const context = value
  function read<T>(key: string, fits: (found: unknown) => boolean, expected: string): T | null {
    const found = context[key]
    if (found === undefined || found === null) return null
    if (!fits(found)) throw new DagsterPipesError(`${key} of the context is not ${expected}`)
    return found as T
  }
  const isText = (found: unknown): boolean => typeof found === 'string'
  const hasTexts =
    (...names: readonly string[]) =>
    (found: unknown): boolean =>
      isPlain(found) && names.every((name) => typeof found[name] === 'string')
  const runId = read<string>('run_id', isText, 'text')
  if (runId === null) throw new DagsterPipesError('the context has no run_id')
  return {
    asset_keys: read('asset_keys', (found) => Array.isArray(found) && found.every(isText), 'a list of texts'),
    code_version_by_asset_key: read('code_version_by_asset_key', isPlain, 'an object'),
    provenance_by_asset_key: read('provenance_by_asset_key', isPlain, 'an object'),
    partition_key: read('partition_key', isText, 'text'),
    partition_key_range: read('partition_key_range', hasTexts('start', 'end'), '{start, end}'),
    partition_time_window: read('partition_time_window', hasTexts('start', 'end'), '{start, end}'),
    run_id: runId,
    job_name: read('job_name', isText, 'text'),
    retry_number: read<number>('retry_number', Number.isInteger, 'a whole number') ?? 0,
    extras: read<Plain>('extras', isPlain, 'an object') ?? {},
  }
}
