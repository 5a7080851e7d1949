/** What every command takes. */
import { z } from 'zod'
import { flag, list, type Options, text } from './command.ts'

export const GLOBAL_OPTIONS = {
  json: flag('Print one JSON document on stdout and nothing else there; shapes: docs/json-output.md'),
  'config-dir': text('Directory of base.yaml and the environments; default: config beside this program', 'DIR'),
  env: text('Which file to lay over base.yaml; default: ENRICHMENT_ENV, else dev', 'NAME'),
  state: text(
    'State file to use instead of state.path; its warehouse is then beside it, in FILE without its ending + -warehouse',
    'FILE',
  ),
  warehouse: text('Directory of the warehouse to use instead of warehouse.path', 'DIR'),
  set: list(
    'Lay one value over the configuration, e.g. --set run.max_calls=500',
    'PATH=VALUE',
    z.string().regex(/^[^=]+=/, 'is no setting: write it as --set path=value, e.g. --set run.max_calls=500'),
  ),
  verbose: flag('Log everything to stderr'),
  quiet: flag('Log only errors, no progress, no notes'),
  help: flag('Show what a command does and takes, with examples'),
  version: flag('Show the version'),
} as const satisfies Options

export type GlobalArgs = {
  readonly json: boolean
  readonly configDir: string | undefined
  readonly environment: string | undefined
  readonly state: string | undefined
  readonly warehouse: string | undefined
  readonly settings: readonly string[]
  readonly verbose: boolean
  readonly quiet: boolean
}
