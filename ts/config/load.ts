/**
 * Reads the configuration: base.yaml, over it `<environment>.yaml`, over that `ENRICHMENT__…` variables, over that `--set`.
 * Nothing is read from the process here: variables, flags and adapters come in, so that the same call serves the command
 * line, Dagster, the API and the tests.
 */
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { z } from 'zod'
import { isJsonObject, type JsonObject } from '../model/json.ts'
import { type AdapterCatalog, type ConfigView, crossCheck } from './check.ts'
import { contactProblem } from './contact.ts'
import { problemsOfIssues } from './issues.ts'
import { applyOverrides, environmentOverrides, type Override, parseSetting } from './overrides.ts'
import { ConfigError, type ConfigProblem, sortProblems } from './problems.ts'
import { type Config, configSchema, refreshSchema, sourceSchema } from './schema.ts'
import { didYouMean } from './suggest.ts'
import { EMPTY_TREE, mergeTrees, originOf, type Tree } from './tree.ts'
import { isLoopback } from './urls.ts'
import { type Layer, parseYamlLayer } from './yaml-layer.ts'

export type ConfigRequest = {
  /** Directory of base.yaml and the environments. */
  readonly dir: string
  /** Name of the file laid over base.yaml, e.g. `dev`. */
  readonly environment: string
  /** All environment variables of the process; only `ENRICHMENT__…` and those named as credentials are looked at. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** `path=value`, in order. */
  readonly settings: readonly string[]
  /** Absolute path that outranks state.path. */
  readonly statePath?: string | undefined
  /** Absolute path that outranks warehouse.path. */
  readonly warehousePath?: string | undefined
  readonly adapters: AdapterCatalog
}

export type LoadedConfig = {
  /** Paths in it are absolute, adapter options have their defaults. */
  readonly config: Config
  readonly environment: string
  readonly files: readonly string[]
  /** Path -> where its value was written; what is not here is a default. */
  readonly origins: ReadonlyMap<string, string>
  /** What works but is likely not meant, e.g. a credential whose variable is not set. */
  readonly warnings: readonly ConfigProblem[]
}

export type ConfigFinding = { readonly loaded: LoadedConfig | null; readonly problems: readonly ConfigProblem[] }

/** The configuration, or `ConfigError` with all its problems. */
export async function loadConfig(request: ConfigRequest): Promise<LoadedConfig> {
  const { loaded, problems } = await readConfig(request)
  if (loaded === null) throw new ConfigError(problems)
  return loaded
}

/** Like `loadConfig`, but problems are the result: for `config check`. */
export async function readConfig(request: ConfigRequest): Promise<ConfigFinding> {
  const files = [join(request.dir, 'base.yaml'), join(request.dir, `${request.environment}.yaml`)]
  const layers = await readLayers(request, files)
  const settings = request.settings.map(parseSetting)
  const isProblem = (setting: Override | ConfigProblem): setting is ConfigProblem => 'message' in setting
  const overrides = [
    ...environmentOverrides(request.variables),
    ...settings.filter((setting): setting is Override => !isProblem(setting)),
  ]
  const merged = layers.map((layer) => layer.tree).reduce(mergeTrees, EMPTY_TREE)
  const { tree, problems: misfits } = applyOverrides(merged, overrides)

  const found: ConfigProblem[] = [...layers.flatMap((layer) => layer.problems), ...settings.filter(isProblem), ...misfits]
  // With a file that cannot be read, most of what follows would only be its echo.
  const unreadable = layers.some((layer) => layer.problems.length > 0)
  if (unreadable) return { loaded: null, problems: sortProblems(found) }

  const parsed = configSchema.safeParse(tree.value)
  if (!parsed.success) found.push(...problemsOfIssues(parsed.error.issues, tree))
  found.push(...crossCheck(viewOf(tree), request.adapters))
  if (!parsed.success || found.length > 0) return { loaded: null, problems: sortProblems(found) }
  const moved = movedPaths(parsed.data, request, tree)
  const config = complete(parsed.data, request, moved)
  const origins = new Map([...tree.origins, ...moved.origins])
  const loaded = { config, environment: request.environment, files, origins, warnings: warningsOf(config, request, origins) }
  return { loaded, problems: [] }
}

async function readLayers(request: ConfigRequest, files: readonly string[]): Promise<readonly Layer[]> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(request.environment) || request.environment === 'base') {
    const fix = 'name a file beside base.yaml without its ending, e.g. --env dev'
    return [failedLayer(`"${request.environment}" is no name of an environment`, '--env or ENRICHMENT_ENV', fix)]
  }
  return Promise.all(files.map((file) => readLayer(file, request)))
}

async function readLayer(file: string, request: ConfigRequest): Promise<Layer> {
  const shown = `${basename(request.dir)}/${basename(file)}`
  try {
    return parseYamlLayer(new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file)), shown)
  } catch (error) {
    if (error instanceof TypeError) return failedLayer('is not UTF-8 text', shown, 'save it as UTF-8')
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      return failedLayer(`cannot be read: ${(error as Error).message}`, shown, 'make it readable')
    const present = await environmentsIn(request.dir)
    if (basename(file) === 'base.yaml') {
      const fix =
        present === null ? 'name the directory with --config-dir' : 'restore it, or name another directory with --config-dir'
      return failedLayer(`there is no ${file}`, null, fix)
    }
    const names = (present ?? []).filter((name) => name !== 'base')
    const fix = names.length === 0 ? 'create it; it may be empty' : `use --env with one of: ${names.join(', ')}`
    return failedLayer(`there is no ${file}${didYouMean(request.environment, names)}`, null, fix)
  }
}

function failedLayer(message: string, origin: string | null, fix: string): Layer {
  return { tree: EMPTY_TREE, problems: [{ path: '(root)', origin, message, fix }] }
}

async function environmentsIn(dir: string): Promise<readonly string[] | null> {
  try {
    return (await readdir(dir))
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => name.slice(0, -'.yaml'.length))
      .sort()
  } catch {
    return null
  }
}

/** The parts that are valid by themselves, so that cross-checks run even while other parts are broken. */
function viewOf(tree: Tree): ConfigView {
  const section = (name: string): JsonObject => {
    const value = tree.value[name]
    return isJsonObject(value) ? value : {}
  }
  const part = <K extends 'clock' | 'status_changes'>(name: K): Config[K] | null => {
    const parsed = configSchema.shape[name].safeParse(tree.value[name])
    return parsed.success ? (parsed.data as Config[K]) : null
  }
  return {
    tree,
    sourceNames: Object.keys(section('enrichment')),
    policyNames: Object.keys(section('enrichment_refresh')),
    sources: validMembers(section('enrichment'), sourceSchema),
    policies: validMembers(section('enrichment_refresh'), refreshSchema),
    clock: part('clock'),
    statusChanges: part('status_changes'),
  }
}

/** Of each member, the keys that are valid; what is missing or wrong in it is the schema's to report. */
function validMembers<S extends z.ZodObject>(section: JsonObject, schema: S): ReadonlyMap<string, Partial<z.output<S>>> {
  const valid = new Map<string, Partial<z.output<S>>>()
  for (const [name, member] of Object.entries(section)) {
    if (!isJsonObject(member)) continue
    const parsed = schema.safeParse(member)
    const wrong = new Set(
      parsed.error?.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : [issue.path[0]])),
    )
    const kept = Object.fromEntries(Object.entries(member).filter(([key]) => !wrong.has(key)))
    const rest = schema.partial().safeParse(kept)
    if (!rest.success) continue
    // A default must not stand in for what was written wrongly.
    const parts = Object.entries(rest.data).filter(([key]) => !wrong.has(key))
    valid.set(name, Object.fromEntries(parts) as Partial<z.output<S>>)
  }
  return valid
}

type MovedPaths = { readonly state: string; readonly warehouse: string; readonly origins: ReadonlyMap<string, string> }

/**
 * Where state and warehouse are. A warehouse is the copy of one state: another state file (`--state`) must not be exported
 * over the configured one's, so its warehouse is beside it unless a flag or variable, which rank as high, says otherwise.
 */
function movedPaths(config: Config, request: ConfigRequest, tree: Tree): MovedPaths {
  const home = dirname(resolve(request.dir))
  const absolute = (path: string): string => (isAbsolute(path) ? path : join(home, path))
  const configured = absolute(config.state.path)
  const state = request.statePath ?? configured
  const origins = new Map<string, string>(request.statePath === undefined ? [] : [['state.path', '--state']])
  const written = originOf(tree.origins, ['warehouse', 'path']) ?? ''
  const isOverride = written.startsWith('--set ') || written.startsWith('environment variable ')
  if (request.warehousePath !== undefined) {
    origins.set('warehouse.path', '--warehouse')
    return { state, warehouse: request.warehousePath, origins }
  }
  if (isOverride || state === configured) return { state, warehouse: absolute(config.warehouse.path), origins }
  origins.set('warehouse.path', '--state')
  return { state, warehouse: `${state.replace(/\.(sqlite3?|db)$/i, '')}-warehouse`, origins }
}

/** Fills in what the schema cannot: absolute paths and the adapters' own option defaults. */
function complete(config: Config, request: ConfigRequest, { state, warehouse }: MovedPaths): Config {
  const enrichment = Object.fromEntries(
    Object.entries(config.enrichment).map(([name, source]) => {
      const options = request.adapters.byId(source.adapter)?.options.safeParse(source.options)
      return [name, options?.success === true ? { ...source, options: options.data as typeof source.options } : source]
    }),
  )
  return {
    ...config,
    enrichment,
    state: { ...config.state, path: state },
    warehouse: { ...config.warehouse, path: warehouse },
  }
}

function warningsOf(config: Config, request: ConfigRequest, origins: ReadonlyMap<string, string>): readonly ConfigProblem[] {
  const warnings: ConfigProblem[] = []
  for (const [name, source] of Object.entries(config.enrichment)) {
    // Not a problem, which would keep all commands and the other sources from work, like a credential that is not set.
    const contact = config.enrichment_refresh[name]?.enabled === true ? contactProblem(config, name, origins) : null
    if (contact !== null) warnings.push(contact)
    for (const [credential, { env, loopback_value: spare }] of Object.entries(source.credentials)) {
      const needed =
        request.adapters.byId(source.adapter)?.credentials.find((spec) => spec.name === credential)?.required === true
      const isSet = (request.variables[env] ?? '').trim() !== ''
      if (isSet || !needed || config.enrichment_refresh[name]?.enabled !== true) continue
      if (spare !== undefined && isLoopback(source.base_url)) continue
      const message = `the environment variable ${env} is not set, so ${name} cannot be asked`
      warnings.push({
        path: `enrichment.${name}.credentials.${credential}`,
        origin: null,
        message,
        fix: `set ${env}, or set enrichment_refresh.${name}.enabled to false`,
      })
    }
  }
  return warnings
}
