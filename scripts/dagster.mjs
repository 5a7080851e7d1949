// `npm run dagster`: everything that is needed to look at the pipeline, from a fresh clone: Python packages (.venv), a real
// DAGSTER_HOME (data/dagster), the provider sandbox unless ENRICHMENT_ENV says otherwise, webserver and daemon. Ctrl-C, or
// SIGTERM, or the end of whoever started it, stops it all; runs under way are canceled first and go on with the next start.
//
//   npm run dagster -- --port 3001 --sandbox-port 8586
//   ENRICHMENT_ENV=prod npm run dagster
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  adopted,
  ancestors,
  areDaemonsHealthy,
  cancelRuns,
  getJson,
  isAlive,
  isIgnored,
  isPortFree,
  prepareWorkspace,
  runningRuns,
  sleep,
  startChild,
  startOf,
  stopChild,
} from './dagster-support.mjs'
import { ensurePython, project, root, SetupError } from './python-env.mjs'

const HOST = '127.0.0.1'
const LOCATION = 'dagster_project'
const START_WITHIN_MS = 120_000
/** The engine saves its state within 10 s; its launcher insists after 12. */
const CANCEL_WITHIN_MS = 30_000

const say = (text = '') => process.stdout.write(`${text}\n`)
let stopping = null
let signals = 0
const hurried = () => signals > 1

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '3000' },
        'sandbox-port': { type: 'string', default: '8585' },
        seed: { type: 'string', default: '7' },
        companies: { type: 'string', default: '2000' },
        awards: { type: 'string', default: '6000' },
        speed: { type: 'string', default: '1' },
        help: { type: 'boolean', default: false },
      },
    })
    for (const name of ['port', 'sandbox-port']) {
      const port = Number(values[name])
      if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new SetupError(`--${name} ${values[name]} is no port`)
    }
    return values
  } catch (error) {
    if (error instanceof SetupError) throw error
    throw new SetupError(`${error.message}; see: npm run dagster -- --help`)
  }
}

const HELP = `npm run dagster -- [options]

  --port N           of Dagster's pages; default 3000
  --sandbox-port N   of the provider sandbox; default 8585. One that already runs there is used, and left running
  --seed N, --companies N, --awards N, --speed N   of the sandbox's world; default 7, 2000, 6000, 1

ENRICHMENT_ENV=dev or prod works against the real providers, without the sandbox. DAGSTER_HOME is used when it is set.
All that can be configured: docs/dagster.md`

/** Dagster's directory, with its configuration. An existing one is the user's. */
function prepareHome() {
  const home = resolve(process.env.DAGSTER_HOME || join(root, 'data', 'dagster'))
  mkdirSync(join(home, 'output'), { recursive: true })
  const file = join(home, 'dagster.yaml')
  if (!existsSync(file)) copyFileSync(join(project, 'dagster.yaml'), file)
  else if (!/^run_launcher:/m.test(readFileSync(file, 'utf8'))) {
    say(`${file} names no run_launcher, so that a run whose process dies is noticed at the next start only.`)
    say('Compare it with dagster_project/dagster.yaml, which has one.')
  }
  if (!process.env.DAGSTER_HOME) writeFileSync(join(home, '.gitignore'), '*\n')
  return home
}

/** Runs of which a power cut or a kill has left the record alone: they would hold their source and a slot. */
function endDeadRuns(python, env) {
  const told = spawnSync(python, ['-m', 'dagster_project.dead_runs'], { cwd: project, env, encoding: 'utf8' })
  if (told.stdout) say(told.stdout.trim())
  if (told.status !== 0)
    say(`Runs of an earlier start could not be looked at:\n${told.stderr.trim().split('\n').slice(-3).join('\n')}`)
}

const TABLES =
  'from dagster import DagsterInstance as D; i = D.get(); i.get_runs_count(); i.all_asset_keys(); i.all_instigator_state()'

/**
 * The first one to open a new home makes its tables; webserver and daemon at once would both try, and one would fail. In one that
 * was used before, runs of dead processes are ended.
 */
function prepareStorage(home, python, env) {
  const databases = ['history/runs.db', 'history/runs/index.db', 'schedules/schedules.db']
  if (!databases.every((path) => existsSync(join(home, path)))) {
    const made = spawnSync(python, ['-c', TABLES], { cwd: project, env, encoding: 'utf8' })
    if (made.status !== 0) throw new SetupError(`${home} cannot be used:\n${made.stderr.trim().split('\n').slice(-5).join('\n')}`)
    if (databases.every((path) => existsSync(join(home, path)))) return
  }
  // With Postgres there are no such files.
  endDeadRuns(python, env)
}

const recordFile = (home) => join(home, 'launcher.json')

/** Two daemons on one home hold each other up; and what a killed launcher has left would keep the ports. */
async function claim(home) {
  let last = null
  try {
    last = JSON.parse(readFileSync(recordFile(home), 'utf8'))
  } catch {
    // The first start.
  }
  const isSame = ({ pid, start }) => start !== null && startOf(pid) === start
  if (last !== null && isSame(last)) {
    throw new SetupError(`process ${last.pid} runs Dagster on ${home} already; stop it, or set another DAGSTER_HOME`)
  }
  const left = (last?.children ?? []).filter(isSame)
  if (left.length === 0) return
  say(`The last start was killed; stopping what it left (${left.map(({ name }) => name).join(', ')}) ...`)
  await Promise.all(left.map(({ pid }) => stopChild(adopted(pid), { politeMs: 10_000, hurried })))
}

/** What this process has started, for `claim` of the next one. */
function record(home, children) {
  const started = Object.values(children).filter(Boolean)
  const all = started.map(({ name, pid }) => ({ name, pid, start: startOf(pid) }))
  writeFileSync(recordFile(home), JSON.stringify({ pid: process.pid, start: startOf(process.pid), children: all }))
}

/** Where a sandbox on another port is: the addresses of config/sandbox.yaml, moved. */
function sandboxVariables(port) {
  const script = [join(root, 'scripts', 'with-node.mjs'), join(root, 'scripts', 'sandbox-env.ts'), port]
  const told = spawnSync(process.execPath, script, { cwd: root, encoding: 'utf8' })
  if (told.status !== 0) throw new SetupError(`config/sandbox.yaml cannot be used:\n${told.stderr.trim()}`)
  return JSON.parse(told.stdout)
}

/** What the sandbox's clock showed last: a new one goes on from there, or the state would be from the future. */
const clockFile = (home) => join(home, 'sandbox-clock.json')

async function keepClock(home, url) {
  const clock = await getJson(`${url}/_admin/clock`)
  if (clock !== null) writeFileSync(clockFile(home), JSON.stringify({ epoch_ms: clock.epoch_ms }))
}

async function restoreClock(home, url) {
  let last
  try {
    last = JSON.parse(readFileSync(clockFile(home), 'utf8')).epoch_ms
  } catch {
    return
  }
  const now = (await getJson(`${url}/_admin/clock`))?.epoch_ms ?? last
  const behindS = Math.ceil((last - now) / 1000)
  if (behindS > 0) await getJson(`${url}/_admin/clock`, { advance: `${behindS}s` })
}

async function until(ready, child, what) {
  for (const deadline = performance.now() + START_WITHIN_MS; performance.now() < deadline; ) {
    if (stopping !== null) return false
    if (child.hasEnded) break
    if (await ready()) return true
    await sleep(200)
  }
  const tail = existsSync(child.log) ? readFileSync(child.log, 'utf8').trim().split('\n').slice(-15).join('\n') : ''
  throw new SetupError(`${what} did not start; the end of ${relative(root, child.log)}:\n${tail}`)
}

async function main() {
  const options = readOptions()
  if (options.help) return say(HELP)
  const environment = process.env.ENRICHMENT_ENV?.trim() || 'sandbox'
  const url = `http://${HOST}:${options.port}`
  const sandboxUrl = `http://${HOST}:${options['sandbox-port']}`
  const node = spawnSync(process.execPath, [join(root, 'scripts', 'with-node.mjs'), '--version'], {
    stdio: ['ignore', 'ignore', 2],
  })
  if (node.status !== 0) throw new SetupError('Node and its packages could not be set up; see the lines above')
  const python = ensurePython()
  const home = prepareHome()
  await claim(home)
  if (!(await isPortFree(HOST, Number(options.port)))) {
    throw new SetupError(
      `port ${options.port} is taken, perhaps by another Dagster; stop that one, or: npm run dagster -- --port 3001`,
    )
  }
  const log = (name) => join(home, 'output', `${name}.log`)
  const moved = environment === 'sandbox' && options['sandbox-port'] !== '8585'
  const env = {
    ...process.env,
    ENRICHMENT_ENV: environment,
    DAGSTER_HOME: home,
    PATH: `${dirname(python)}:${process.env.PATH ?? ''}`,
    // A day of the sandbox can pass in a second.
    ...(environment === 'sandbox' ? { ENRICHMENT_DUE_EVERY_S: process.env.ENRICHMENT_DUE_EVERY_S || '60' } : {}),
    ...(moved ? sandboxVariables(options['sandbox-port']) : {}),
  }
  const { file: workspaceFile, notes } = prepareWorkspace(home, LOCATION)
  for (const note of notes) say(note)
  const workspace = ['-w', workspaceFile]
  prepareStorage(home, python, env)

  const children = { sandbox: null, webserver: null, daemon: null }
  const watch = watchParents()
  let clockTimer = null
  try {
    if (environment === 'sandbox') children.sandbox = await startSandbox(options, sandboxUrl, home, env, log('sandbox'))
    if (children.sandbox !== null) clockTimer = setInterval(() => keepClock(home, sandboxUrl), 10_000)
    record(home, children)
    if (stopping !== null) return
    const place = (name) => ({ cwd: project, env, log: log(name) })
    const web = ['-m', 'dagster_webserver', '-h', HOST, '-p', options.port, ...workspace]
    children.webserver = startChild('webserver', python, web, place('webserver'))
    children.daemon = startChild('daemon', python, ['-m', 'dagster._daemon', 'run', ...workspace], place('daemon'))
    record(home, children)
    await until(async () => (await getJson(`${url}/server_info`)) !== null, children.webserver, "Dagster's webserver")
    await until(() => areDaemonsHealthy(url), children.daemon, "Dagster's daemon")
    if (stopping === null) {
      say(banner(url, environment, sandboxUrl, home))
      await Promise.race([new Promise((end) => onStop(end)), ...Object.values(children).filter(Boolean).map(watchChild)])
    }
  } finally {
    clearInterval(watch)
    clearInterval(clockTimer)
    await stopAll(children, { url, home, sandboxUrl })
    rmSync(recordFile(home), { force: true })
  }
}

async function startSandbox(options, url, home, env, log) {
  const csv = join(home, 'csv')
  env.ENRICHMENT_AWARDS_FILE ||= join(csv, 'award_data.csv')
  env.ENRICHMENT_COMPANIES_FILE ||= join(csv, 'company_data.csv')
  if ((await getJson(`${url}/_admin/clock`)) !== null) {
    say(`Using the sandbox that already runs at ${url}`)
    if (!existsSync(env.ENRICHMENT_AWARDS_FILE)) {
      throw new SetupError(
        `its bulk files are not in ${csv}; stop it, or set ENRICHMENT_AWARDS_FILE and ENRICHMENT_COMPANIES_FILE`,
      )
    }
    return null
  }
  const world = ['seed', 'companies', 'awards', 'speed'].flatMap((name) => [`--${name}`, options[name]])
  const args = [join(root, 'ts', 'cli.js'), 'sandbox', '--port', options['sandbox-port'], ...world, '--write-csv', csv]
  const child = startChild('sandbox', process.execPath, args, { cwd: root, env, log })
  try {
    await until(async () => (await getJson(`${url}/_admin/clock`)) !== null, child, 'The sandbox')
    await restoreClock(home, url)
  } catch (error) {
    await stopChild(child, { politeMs: 5_000, hurried })
    throw error
  }
  return child
}

function banner(url, environment, sandboxUrl, home) {
  const where = relative(root, home) || home
  const lines = [
    '',
    `Dagster is at ${url}    (Ctrl-C stops everything; logs are in ${where}/output)`,
    environment === 'sandbox'
      ? `Providers: the sandbox at ${sandboxUrl}, no key needed. A day passes with: curl -X POST ${sandboxUrl}/_admin/clock -d '{"advance":"1d"}'`
      : `Providers: the real ones, as config/${environment}.yaml says`,
    '',
    `First time: materialize the group bulk_enrichment (${url}/locations/${LOCATION}/asset-groups/bulk_enrichment). A sensor then requests every`,
    'partition that is due, stale first; another one, and a schedule at 03:00 UTC, request what becomes due later. Partitions are picked on',
    `${url}/assets/enrichment_refresh, coverage is on ${url}/assets/enrichment_coverage/usaspending.`,
    '',
  ]
  return lines.join('\n')
}

const stopListeners = []
function onStop(listener) {
  if (stopping !== null) listener()
  else stopListeners.push(listener)
}

function requestStop(reason) {
  signals += 1
  if (stopping !== null) return
  stopping = reason
  for (const listener of stopListeners) listener()
}

async function watchChild(child) {
  const how = await child.ended
  if (stopping === null) throw new SetupError(`the ${child.name} ended by itself (${how}); see ${relative(root, child.log)}`)
}

/** npm does not hand on every end: when it (or the shell between) is gone, so is the one who would stop this. */
function watchParents() {
  if (process.env.npm_lifecycle_event === undefined) return null
  const all = ancestors()
  const timer = setInterval(() => {
    if (process.ppid !== all[0] || all.some((pid) => !isAlive(pid))) requestStop('whoever started this is gone')
  }, 500)
  timer.unref()
  return timer
}

/** Nothing new is begun, what runs is canceled and saves its state, then the servers go, and last the providers. */
async function stopAll({ sandbox, webserver, daemon }, { url, home, sandboxUrl }) {
  const quickly = { politeMs: 10_000, hurried }
  if (webserver !== null || daemon !== null) say(`\nStopping (${stopping ?? 'after an error'}) ...`)
  if (webserver !== null && !webserver.hasEnded && !hurried()) {
    if (daemon !== null) await leaveToRuns(daemon)
    await cancelAll(url, webserver)
  }
  await Promise.all([stopChild(daemon, quickly), stopChild(webserver, quickly)])
  if (sandbox !== null) {
    await keepClock(home, sandboxUrl)
    await stopChild(sandbox, quickly)
  }
  if (webserver !== null)
    say('Stopped. What was queued is queued still; what was canceled goes on where it was when asked for again.')
}

/** The daemon ends and dequeues nothing any more; its code server stays for the runs under way, which it can still cancel. */
async function leaveToRuns(daemon) {
  try {
    process.kill(daemon.pid, 'SIGTERM')
  } catch {
    return
  }
  await Promise.race([daemon.ended, sleep(10_000)])
}

async function cancelAll(url, webserver) {
  const asked = new Set()
  for (const deadline = performance.now() + CANCEL_WITHIN_MS; performance.now() < deadline && !hurried(); ) {
    const running = await runningRuns(url)
    if (webserver.hasEnded || running?.length === 0) return
    // No answer in time says nothing of the runs.
    const fresh = (running ?? []).filter((id) => !asked.has(id))
    if (fresh.length > 0) {
      say(`Canceling ${fresh.length} run(s); their state is saved ...`)
      for (const id of fresh) asked.add(id)
      await cancelRuns(url, fresh)
    }
    await sleep(300)
  }
}

// With nohup a terminal that closes is no reason to stop. SIGINT is one even where a shell has set it to be ignored, as shells do
// for what scripts start in the background: it is sent to this process on purpose.
for (const signal of isIgnored(1) ? ['SIGINT', 'SIGTERM'] : ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  let at = Number.NEGATIVE_INFINITY
  // One Ctrl-C arrives up to three times: from the terminal, from npm, from a shell.
  process.on(signal, () => {
    if (performance.now() - at < 500) return
    at = performance.now()
    requestStop(signal)
  })
}

try {
  await main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`error: ${error.message}\n`)
  process.exitCode = 1
}
