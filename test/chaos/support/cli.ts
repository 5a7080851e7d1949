/** The command line as a person starts it: a real process, the repository's config, an environment of its own. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type Child, CLI, start } from './child.ts'
import { type Home, REPOSITORY, SOURCES } from './home.ts'

/** As in `configFor`: the other sources have a test of their own. Registered they stay, as in anybody's config. */
function otherSourcesOff(): Readonly<Record<string, string>> {
  const base = parse(readFileSync(join(REPOSITORY, 'config', 'base.yaml'), 'utf8')) as {
    enrichment: Readonly<Record<string, unknown>>
  }
  const others = Object.keys(base.enrichment).filter((source) => !SOURCES.includes(source))
  return Object.fromEntries(others.map((source) => [`ENRICHMENT__ENRICHMENT_REFRESH__${source.toUpperCase()}__ENABLED`, 'false']))
}

const AMPLE = JSON.stringify([{ limit: 1_000_000, per: '1s' }])

/** Nothing is inherited but what finds programs: a variable of whoever runs the tests must not steer them. */
export function cliEnvironment(
  home: Pick<Home, 'dir' | 'sandbox'>,
  more: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
  const { url } = home.sandbox
  return {
    PATH: process.env['PATH'],
    ...otherSourcesOff(),
    ENRICHMENT_ENV: 'sandbox',
    ENRICHMENT__STATE__PATH: join(home.dir, 'state.sqlite'),
    ENRICHMENT__WAREHOUSE__PATH: join(home.dir, 'warehouse'),
    ENRICHMENT__CLOCK__SANDBOX_URL: url,
    ENRICHMENT__ENRICHMENT__USASPENDING__BASE_URL: `${url}/usaspending`,
    ENRICHMENT__ENRICHMENT__SAM_GOV__BASE_URL: `${url}/sam_gov`,
    ENRICHMENT__ENRICHMENT__SBIR_GOV__BASE_URL: `${url}/sbir_gov`,
    ENRICHMENT__ENRICHMENT__SBIR_GOV__OTHER_URLS__FILES: `${url}/sbir_files`,
    ENRICHMENT__ENRICHMENT_REFRESH__USASPENDING__QUOTAS: AMPLE,
    ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__QUOTAS: AMPLE,
    // One key, one quota: what is said of one has to be said of the other.
    ENRICHMENT__ENRICHMENT_REFRESH__SAM_EXCLUSIONS__QUOTAS: AMPLE,
    ENRICHMENT__ENRICHMENT_REFRESH__SBIR_GOV__QUOTAS: AMPLE,
    ...more,
  }
}

export function startCli(
  home: Pick<Home, 'dir' | 'sandbox'>,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
  before: readonly string[] = [],
): Child {
  return start([...before, CLI, ...args], { env: cliEnvironment(home, more) })
}

/** Processes whose environment names this directory: children that were left behind are among them, whoever adopted them. */
export function processesOf(dir: string): readonly number[] {
  const found: number[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    try {
      if (
        readFileSync(`/proc/${name}/environ`, 'utf8').includes(dir) &&
        !/^State:\s+Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'))
      )
        found.push(Number(name))
    } catch {
      // It ended meanwhile, or is somebody else's.
    }
  }
  return found
}
