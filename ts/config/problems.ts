/** What is wrong with a configuration: every problem has its place, the file it came from and the fix. */
import { EngineError } from '../model/errors.ts'

export type ConfigProblem = {
  /** `enrichment_refresh.sam_gov.cadence`; `(root)` for a whole file. */
  readonly path: string
  /** `config/prod.yaml:12`, `environment variable ENRICHMENT__…`, `--set`; null when nothing was written there. */
  readonly origin: string | null
  readonly message: string
  readonly fix: string
}

/** Thrown by `loadConfig` with all problems at once; recovery `configuration`, exit code 78. */
export class ConfigError extends EngineError {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    super('configuration', 'config_invalid', `the configuration has ${count}\n${formatProblems(problems)}`, {
      hint: 'put right what is listed, then run: node ts/cli.js config check',
    })
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** For people: place and origin on one line, what is wrong, and the fix. Control characters of values are escaped. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems
    .map(({ path, origin, message, fix }) => `  ${path}${origin === null ? '' : ` (${origin})`} ${message}\n      fix: ${fix}`)
    .join('\n')
}

/** The same problem twice helps nobody; the order is by path, so that one source's problems stand together. */
export function sortProblems(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const unique = new Map(problems.map((problem) => [`${problem.path}\n${problem.message}`, problem]))
  return [...unique.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}
