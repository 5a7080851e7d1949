import { stringify } from 'yaml'
import { configJsonSchema } from '../../config/json-schema.ts'
import { readConfig } from '../../config/load.ts'
import { type ConfigProblem, formatProblems } from '../../config/problems.ts'
import type { Config } from '../../config/schema.ts'
import { dataFileProblems, readersOf } from '../../data-files.ts'
import { EXIT_CODES } from '../../model/errors.ts'
import { defineCommand, flag } from '../command.ts'
import { plainLines, plural } from '../format.ts'

export const configCheck = defineCommand({
  name: 'config check',
  summary: 'Check the configuration: every problem at once, with its place and the fix',
  description:
    'Exit code 78 when there is a problem. Warnings (a credential that is not set) leave it at 0. No provider is called: for that, `sources check`.',
  examples: [
    { command: 'config check', does: 'Check the default environment.' },
    { command: 'config check --env prod --json', does: 'Check another one, as data.' },
  ],
  async handler(context) {
    const request = await context.configRequest()
    const { loaded, problems: found } = await readConfig(request)
    const files = loaded === null ? [] : await dataFileProblems(readersOf(loaded.config))
    const told = (needed: boolean): ConfigProblem[] =>
      files
        .filter((file) => file.needed === needed)
        .map(({ path, message }) => ({
          path,
          origin: loaded?.origins.get(path) ?? null,
          message: `names a file that cannot be used: ${message}`,
          fix: needed
            ? 'put the file right, or name another provider'
            : 'put the file right; until then the other providers are asked',
        }))
    const problems = [...found, ...told(true)]
    const warnings = [...(loaded?.warnings ?? []), ...told(false)]
    const document = { ok: problems.length === 0, environment: request.environment, config_dir: request.dir, problems, warnings }
    await context.show(document, () => {
      const head =
        problems.length === 0
          ? `${request.environment}: the configuration is good.\n`
          : `${request.environment}: ${plural(problems.length, 'problem')}\n${lines(problems)}`
      return `${head}${warnings.length === 0 ? '' : `${plural(warnings.length, 'warning')}\n${lines(warnings)}`}`
    })
    return problems.length === 0 ? 0 : EXIT_CODES.configuration
  },
})

export const configSchemaCommand = defineCommand({
  name: 'config schema',
  summary: 'Print the JSON Schema of the configuration, for editors and checks elsewhere',
  examples: [{ command: 'config schema > config/schema.json', does: 'Give it to an editor that completes YAML.' }],
  async handler(context) {
    const schema = configJsonSchema()
    await context.show(schema, () => `${JSON.stringify(schema, null, 2)}\n`)
  },
})

export const configShow = defineCommand({
  name: 'config show',
  summary: 'Print the configuration that results from files, variables and flags',
  description:
    'Secrets are not part of it: it holds the names of environment variables, and a loopback_value is shown as [redacted].',
  options: { origins: flag('Say for each value where it was written') },
  examples: [
    { command: 'config show --env prod', does: 'What production runs with, defaults included.' },
    { command: 'config show --origins', does: 'Which file, variable or flag decided what.' },
  ],
  async handler(context, args) {
    const { config: loaded, environment, files, origins } = await context.config()
    const config = withoutValues(loaded)
    const sorted = Object.fromEntries([...origins].sort(([a], [b]) => (a < b ? -1 : 1)))
    await context.show({ environment, files, config, origins: sorted }, () => {
      if (!args.origins) return stringify(config)
      return Object.entries(sorted)
        .map(([path, origin]) => `${path}: ${origin}\n`)
        .join('')
    })
  },
})

/** A value for the sandbox is no secret by right, but nobody keeps one who has a real key at hand from writing it there. */
function withoutValues(config: Config): Config {
  const enrichment = Object.entries(config.enrichment).map(([source, registered]) => {
    const credentials = Object.entries(registered.credentials).map(([name, credential]) => [
      name,
      credential.loopback_value === undefined ? credential : { ...credential, loopback_value: '[redacted]' },
    ])
    return [source, { ...registered, credentials: Object.fromEntries(credentials) as typeof registered.credentials }] as const
  })
  return { ...config, enrichment: Object.fromEntries(enrichment) }
}

function lines(problems: readonly ConfigProblem[]): string {
  return `${plainLines(formatProblems(problems))}\n`
}
