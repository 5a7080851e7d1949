/** What only a real process shows: launcher, exit codes, signals, pipes that close, an older Node. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { errorShape, SHAPES } from '../../ts/cli/json-shapes.ts'
import { type RunningSandbox, startSandbox } from '../../ts/sandbox/server.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const CLI = join(REPOSITORY, 'ts', 'cli.js')
const OLD_NODE = ['/usr/bin/node', '/usr/local/bin/node'].find(
  (path) => existsSync(path) && majorOf(path) >= 18 && majorOf(path) < 24,
)

function majorOf(node: string): number {
  return Number(/^v(\d+)/.exec(execFileSync(node, ['--version'], { encoding: 'utf8' }))?.[1] ?? 0)
}

const children = new Set<ChildProcess>()
afterEach(() => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  children.clear()
})

function start(argv: readonly string[], options: { node?: string; cwd?: string; env?: Record<string, string> } = {}) {
  const child = spawn(options.node ?? process.execPath, argv, {
    cwd: options.cwd ?? REPOSITORY,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  const result = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    result.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    result.err += chunk
  })
  const ended = once(child, 'close').then(([code, signal]) => ({
    ...result,
    code: code as number | null,
    signal: signal as string | null,
  }))
  return { child, result, ended }
}

const run = (argv: readonly string[], options?: Parameters<typeof start>[1]) => start([CLI, ...argv], options).ended

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    if (tries > 1000) throw new Error('it did not happen within 20 s')
    await sleep(20)
  }
}

let home: string
let sandbox: RunningSandbox
let flags: readonly string[]

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cli-process-'))
  sandbox = await startSandbox({ seed: 5, companies: 60, awards: 300, port: 0, speed: 600 })
  await cp(join(REPOSITORY, 'config'), join(home, 'config'), { recursive: true })
  const file = join(home, 'config', 'sandbox.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(':8585', `:${sandbox.port}`))
  flags = ['--config-dir', join(home, 'config'), '--env', 'sandbox']
  const csv = join(home, 'csv')
  await run(['sandbox', '--seed', '5', '--companies', '60', '--awards', '300', '--write-csv', csv, '--no-serve'])
  const ingested = await run(['ingest', '--awards', join(csv, 'award_data.csv'), ...flags])
  expect(ingested.err).not.toContain('error')
})
afterAll(async () => {
  await sandbox.close()
  await rm(home, { recursive: true, force: true })
})

describe('exit codes and streams', () => {
  it('are kept apart: the document on stdout, the log on stderr', async () => {
    const { out, err, code } = await run(['plan', '--json', '--verbose', ...flags])
    expect(code).toBe(0)
    expect(() => SHAPES['plan']!.parse(JSON.parse(out))).not.toThrow()
    expect(err).not.toContain('"sources"')
  })

  it('2 for the command line, 78 for the configuration, 0 for help', async () => {
    const [usage, configuration, help, version] = await Promise.all([
      run(['refresh', '--nonsense']),
      run(['plan', '--set', 'run.max_calls=none', '--json', ...flags]),
      run(['refresh', '--help']),
      run(['--version']),
    ])
    expect(usage).toMatchObject({ code: 2, out: '' })
    expect(usage.err).toMatch(/^error: unknown option --nonsense\nnext: see: /)
    expect(configuration).toMatchObject({ code: 78, err: '' })
    expect(errorShape.parse(JSON.parse(configuration.out)).error.problems).toHaveLength(1)
    expect(help).toMatchObject({ code: 0, err: '' })
    expect(help.out).toContain('--window FROM:TO')
    expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('work from any directory, with all variables read as the documentation says', async () => {
    const { out, code } = await run(['config', 'show', '--json'], {
      cwd: home,
      env: { ENRICHMENT_ENV: 'prod', ENRICHMENT__RUN__MAX_CALLS: '77' },
    })
    expect(code).toBe(0)
    const document = JSON.parse(out) as { environment: string; config: { run: { max_calls: number }; state: { path: string } } }
    expect(document).toMatchObject({ environment: 'prod', config: { run: { max_calls: 77 } } })
    expect(document.config.state.path).toBe(join(REPOSITORY, 'data/state/enrichment_refresh_state.sqlite'))
  })

  it('every environment that comes with the program is good', async () => {
    for (const environment of ['dev', 'prod', 'sandbox']) {
      const { code, out } = await run(['config', 'check', '--env', environment, '--json'])
      expect(code, out).toBe(0)
    }
  })

  it('never print a credential, wherever it turns up', async () => {
    const key = 'CANARY-0123456789abcdef'
    const results = await Promise.all(
      [
        ['refresh', '--source', 'sam_gov', '--verbose', ...flags],
        ['sources', 'check', '--json', ...flags],
        ['config', 'show', '--json', ...flags],
        ['plan', `--${key}`, ...flags],
        ['events', '--source', key, ...flags],
      ].map((argv) => run(argv, { env: { SAM_GOV_API_KEY: key } })),
    )
    for (const { out, err } of results.slice(0, 3)) expect(out + err).not.toContain(key)
    // An argument is the user's own words, and is repeated only until the configuration says that it is a secret.
    expect(results[4]!.out + results[4]!.err).not.toContain(key)
  })
})

describe('pipes', () => {
  it('that close early are no error', async () => {
    const shell = spawn(
      'sh',
      ['-c', `"${process.execPath}" "${CLI}" config show --json ${flags.join(' ')} | head -n 1; exit 0`],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    children.add(shell)
    let err = ''
    shell.stderr.on('data', (chunk) => {
      err += chunk
    })
    await once(shell, 'close')
    expect(err).toBe('')
    const { child, ended } = start([CLI, 'config', 'schema'])
    child.stdout.destroy()
    expect(await ended).toMatchObject({ code: 0, err: '' })
  })

  it('that are read slowly get everything', async () => {
    const { child, ended } = start([CLI, 'config', 'schema', '--json'])
    child.stdout.pause()
    await sleep(1000)
    child.stdout.resume()
    const { out, code } = await ended
    expect(code).toBe(0)
    expect(JSON.parse(out)).toHaveProperty('properties')
  })
})

describe('signals', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s stops a refresh, which saves its state and ends with 130',
    async (signal) => {
      await fetch(`${sandbox.url}/_admin/clock`, { method: 'POST', body: '{"advance":"10d"}' })
      await fetch(`${sandbox.url}/_admin/faults`, { method: 'POST', body: '{"source":"usaspending","kind":"latency","ms":1500}' })
      try {
        const { child, result, ended } = start([
          CLI,
          'refresh',
          '--source',
          'usaspending',
          '--json',
          ...flags,
          '--set',
          'run.stop_within=3s',
        ])
        const arrived = sandbox.sandbox.log.total
        await until(() => sandbox.sandbox.log.total > arrived || result.err.includes('error'))
        child.kill(signal)
        // What a terminal and a launcher do: the same signal again, at once. It must not count as "end at once".
        await sleep(30)
        child.kill(signal)
        const { code, out, err } = await ended
        expect(err).not.toContain('Second')
        expect(code).toBe(130)
        expect(SHAPES['refresh']!.parse(JSON.parse(out))).toMatchObject({ interrupted: true, exit_code: 130 })
      } finally {
        await fetch(`${sandbox.url}/_admin/faults`, { method: 'DELETE' })
      }
    },
  )

  it('end the sandbox', async () => {
    const { child, result, ended } = start([CLI, 'sandbox', '--companies', '5', '--awards', '10', '--port', '0', '--json'])
    await until(() => result.out.includes('"files"'))
    const { url } = SHAPES['sandbox']!.parse(JSON.parse(result.out)) as { url: string }
    expect((await fetch(`${url}/_admin/clock`)).status).toBe(200)
    const taken = await run(['sandbox', '--companies', '5', '--awards', '10', '--port', new URL(url).port])
    expect(taken.code).toBe(2)
    expect(taken.err).toContain('is taken')
    child.kill('SIGTERM')
    expect((await ended).code).toBe(130)
  })
})

describe('the launcher', () => {
  it('runs refresh as a program of its own', async () => {
    const { out, code } = await start([join(REPOSITORY, 'ts', 'refresh-cli.js'), '--dry-run', '--json', ...flags]).ended
    expect(code).toBe(0)
    expect(SHAPES['refresh']!.parse(JSON.parse(out))).toMatchObject({ dry_run: true })
  })

  /** A checkout as it is before `npm ci`: the launcher, and nothing it could start. */
  async function bareCheckout(withNode: string | null): Promise<string> {
    const root = await mkdtemp(join(home, 'bare-'))
    await mkdir(join(root, 'ts'), { recursive: true })
    await cp(join(REPOSITORY, 'ts'), join(root, 'ts'), { recursive: true })
    await cp(join(REPOSITORY, 'package.json'), join(root, 'package.json'))
    if (withNode !== null) {
      const directory = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin')
      await mkdir(directory, { recursive: true })
      await symlink(withNode, join(directory, 'node'))
    }
    return root
  }

  it('says what to install when the packages are missing', async () => {
    const root = await bareCheckout(null)
    const { code, err, out } = await start([join(root, 'ts', 'cli.js'), 'plan']).ended
    expect(code).toBe(78)
    expect(out).toBe('')
    expect(err).toBe(`error: the dependencies are not installed\nnext: run npm ci in ${root}\n`)
  })

  describe.skipIf(
    OLD_NODE === undefined || !existsSync(join(REPOSITORY, 'node_modules', `node-${process.platform}-${process.arch}`)),
  )('under an older Node', () => {
    const node = OLD_NODE!

    it('hands over arguments, output and exit code', async () => {
      const good = await start([CLI, 'plan', '--json', ...flags], { node }).ended
      expect(good.code).toBe(0)
      expect(() => SHAPES['plan']!.parse(JSON.parse(good.out))).not.toThrow()
      const bad = await start([CLI, 'plan', '--set', 'a b=c d', '--nonsense'], { node }).ended
      expect(bad.code).toBe(2)
      expect(bad.err).toContain('unknown option --nonsense')
    })

    it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('passes %s on and waits for the end', async (signal) => {
      const { child, result, ended } = start([CLI, 'sandbox', '--companies', '5', '--awards', '10', '--port', '0', '--json'], {
        node,
      })
      await until(() => result.out.includes('"files"'))
      const { url } = JSON.parse(result.out) as { url: string }
      child.kill(signal)
      expect((await ended).code).toBe(130)
      await expect(fetch(`${url}/_admin/clock`)).rejects.toThrow()
    })

    it('says what to install when there is no newer one', async () => {
      const root = await bareCheckout(null)
      const { code, err } = await start([join(root, 'ts', 'cli.js'), 'plan'], { node }).ended
      expect(code).toBe(78)
      expect(err).toMatch(/^error: this needs Node >= 24 and runs on \d+\.\d+\.\d+\nnext: install Node 24 LTS, or run npm ci in /)
    })

    it('says so when the newer one cannot be started', async () => {
      const root = await bareCheckout('/dev/null')
      const { code, err } = await start([join(root, 'ts', 'cli.js'), 'plan'], { node }).ended
      expect(code).toBe(78)
      expect(err).toContain('cannot be started')
    })
  })
})
