// The whole engine against the provider sandbox, with no key, no server and no network: every step is an ordinary command
// that is printed before it runs, so that what is seen here can be repeated by hand (see "By hand" in the README).
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sandboxEnvironment } from './sandbox-env.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const demoDir = join(root, 'data', 'demo')
/** The sandbox shortens every quota window by this, and so does the engine: a minute of waiting takes half a second. */
const SPEED = 120
const WORLD = { seed: 7, companies: 2000, awards: 6000 }

const paint = (code: string, text: string): string => (process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text)
const say = (text: string): void => void process.stdout.write(`${text}\n`)
const title = (text: string): void => say(`\n${paint('1', `== ${text}`)}`)

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port')),
      )
    })
  })
}

function environment(port: number): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...sandboxEnvironment(root, port),
    ENRICHMENT_ENV: 'sandbox',
    ENRICHMENT__LOG__LEVEL: 'warn',
    ENRICHMENT__CLOCK__SCALE_QUOTAS: 'true',
    ENRICHMENT__STATE__PATH: join(demoDir, 'state.sqlite'),
    ENRICHMENT__WAREHOUSE__PATH: join(demoDir, 'warehouse'),
  }
}

let env: NodeJS.ProcessEnv = process.env
let sandbox = null as ChildProcess | null

function start(args: string[]): ChildProcess {
  return spawn(process.execPath, [join(root, 'ts', 'cli.js'), ...args], {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

async function command(...args: string[]): Promise<void> {
  say(paint('36', `\n$ node ts/cli.js ${args.join(' ')}`))
  const code = await new Promise<number>((resolve, reject) => {
    const child = start(args)
    child.on('error', reject)
    child.on('exit', (status, signal) => resolve(status ?? (signal === null ? 1 : 130)))
  })
  if (code !== 0) throw new Error(`that command ended with exit code ${code}`)
}

async function waitForSandbox(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (sandbox?.exitCode !== null && sandbox?.exitCode !== undefined) throw new Error('the sandbox did not start; see above')
    try {
      if ((await fetch(`${url}/_admin/clock`)).ok) return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  throw new Error('the sandbox did not answer within 20 s')
}

async function moveWorld(url: string, by: string): Promise<void> {
  say(paint('36', `\n$ curl -X POST ${url}/_admin/clock -d '{"advance":"${by}"}'`))
  const response = await fetch(`${url}/_admin/clock`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ advance: by }),
  })
  say(await response.text())
}

async function main(): Promise<void> {
  const startedAt = performance.now()
  rmSync(demoDir, { recursive: true, force: true })
  mkdirSync(demoDir, { recursive: true })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  env = environment(port)
  const csv = join(demoDir, 'csv')

  title(`A world of ${WORLD.companies} companies and ${WORLD.awards} awards, and the providers that know it`)
  say(
    `The sandbox speaks the providers' own dialects on loopback. Its quota windows run ${SPEED} times faster than the published ones, and the engine's with them.`,
  )
  const sandboxArgs = [
    'sandbox',
    '--seed',
    String(WORLD.seed),
    '--companies',
    String(WORLD.companies),
    '--awards',
    String(WORLD.awards),
    '--port',
    String(port),
    '--speed',
    String(SPEED),
    '--write-csv',
    relative(root, csv),
  ]
  say(paint('36', `\n$ node ts/cli.js ${sandboxArgs.join(' ')} &`))
  sandbox = start(sandboxArgs)
  await waitForSandbox(url)

  title('Bulk load')
  await command(
    'ingest',
    '--awards',
    relative(root, join(csv, 'award_data.csv')),
    '--companies',
    relative(root, join(csv, 'company_data.csv')),
  )
  title('What is to be done, in how many calls, and can the SLAs be met?')
  await command('plan')
  title('First refresh: everything, under the quotas')
  await command('refresh')
  await command('freshness')
  title('Again at once: nothing is due, no call is made')
  await command('refresh')
  title('One day later: only what is due, by the cheapest way')
  await moveWorld(url, '1d')
  await command('plan')
  await command('refresh')
  title('What changed, field by field')
  await command('events', '--kind', 'changed', '--limit', '15')
  title('Where everything stands')
  await command('freshness')
  await command('quota')
  await command('report')
  say(
    `\nDone in ${((performance.now() - startedAt) / 1000).toFixed(0)} s. State and warehouse are in ${relative(root, demoDir)}; look around with`,
  )
  say(`  duckdb ${relative(root, join(demoDir, 'warehouse', 'enrichment.duckdb'))} "select * from stale_cohorts"`)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    sandbox?.kill('SIGTERM')
    process.exitCode = 130
  })
}

try {
  await main()
} catch (error) {
  process.stderr.write(`\nThe demo stopped: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  sandbox?.kill('SIGTERM')
}
