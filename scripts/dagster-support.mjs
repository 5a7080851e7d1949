// Parts of scripts/dagster.mjs: child processes in groups of their own, ports, the little GraphQL that is needed.
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Fields of /proc/<pid>/stat from the third on; null when there is no such process, or no /proc. */
function statOf(pid) {
  try {
    // pid (name) state ppid ...; the name may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

/** When a process was started, which tells it from a later one of the same id; null when it is gone or nothing says. */
export function startOf(pid) {
  const stat = statOf(pid)
  return stat === null || stat[0] === 'Z' ? null : stat[19]
}

const NPM = /(^|[/\\])npm(-cli\.js)?([ \0]|$)/

/** The npm that started this process, and a shell between them when there is one. Whoever started npm is not waited for. */
export function ancestors() {
  const found = []
  for (let pid = process.ppid; pid > 1 && found.length < 3; pid = Number(statOf(pid)?.[1] ?? 0)) {
    found.push(pid)
    try {
      if (NPM.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))) return found
    } catch {
      break
    }
  }
  return found.slice(0, 1)
}

/** Signal 1 to 31 was ignored when this process began, as `nohup` does it with SIGHUP. */
export function isIgnored(number) {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return mask !== null && ((BigInt(`0x${mask[1]}`) >> BigInt(number - 1)) & 1n) === 1n
  } catch {
    return false
  }
}

/**
 * A child whose output goes to a file. It leads a group (and session) of its own: Ctrl-C in the terminal reaches this process
 * alone, which then stops the children in the order that loses nothing.
 */
export function startChild(name, command, args, { cwd, env, log }) {
  const file = openSync(log, 'a')
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', file, file], detached: true })
  closeSync(file)
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const state = { name, pid: child.pid, log, ended, hasEnded: false }
  ended.then(() => {
    state.hasEnded = true
  })
  return state
}

/** A process that another one started, to be stopped by `stopChild`. */
export function adopted(pid) {
  return {
    pid,
    get hasEnded() {
      return startOf(pid) === null
    },
  }
}

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
    return true
  } catch {
    return false
  }
}

function signalOne(child, signal) {
  try {
    process.kill(child.pid, signal)
  } catch {
    // Gone already.
  }
}

/** True when nothing of the group is left. Zombies of an unreaped leader are gone once `ended` has resolved. */
const isGroupGone = (child) => child.hasEnded && !signalGroup(child, 0)

async function waitFor(condition, ms) {
  for (const until = performance.now() + ms; performance.now() < until; ) {
    if (await condition()) return true
    await sleep(50)
  }
  return condition()
}

/** The leader first, which stops its own children; then whatever is left of the group. */
export async function stopChild(child, { politeMs, hurried }) {
  if (child === null || child.pid === undefined) return
  if (!hurried()) {
    signalOne(child, 'SIGTERM')
    await waitFor(() => isGroupGone(child) || hurried(), politeMs)
  }
  if (!isGroupGone(child)) {
    signalGroup(child, 'SIGTERM')
    await waitFor(() => isGroupGone(child) || hurried(), 3_000)
  }
  if (!isGroupGone(child)) {
    signalGroup(child, 'SIGKILL')
    await waitFor(() => isGroupGone(child), 5_000)
  }
}

const MARKER = '# Written by npm run dagster, at each start. Without this line it is yours and is left as it is.'

/**
 * Which code locations there are: `workspace.yaml` in DAGSTER_HOME, ours when there is none. An existing file that is not ours is
 * the user's, and then it alone decides: to add ours would define the pipeline twice where it is merged into a location of theirs.
 */
export function prepareWorkspace(home, location) {
  const module = `${location}.definitions`
  // JSON is YAML.
  const ours = JSON.stringify({ load_from: [{ python_module: { module_name: module, location_name: location } }] })
  const file = join(home, 'workspace.yaml')
  const found = existsSync(file) ? readFileSync(file, 'utf8') : null
  // Before there was a marker, it was the JSON alone.
  if (found === null || found.startsWith(MARKER) || found.trim() === ours) {
    writeFileSync(file, `${MARKER}\n${ours}\n`)
    return { file, notes: [] }
  }
  const notes = [`Using ${file} as it is.`]
  if (!found.includes(location)) notes.push(`It does not name ${module}, where the pipeline is; to add it: ${ours}`)
  return { file, notes }
}

export function isPortFree(host, port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

/** The parsed answer; null when there is none in time. */
export async function getJson(url, body, timeoutMs = 5_000) {
  try {
    const response = await fetch(url, {
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    })
    return response.ok ? await response.json() : null
  } catch {
    return null
  }
}

async function graphql(url, query, variables = {}) {
  return (await getJson(`${url}/graphql`, { query, variables }, 15_000))?.data ?? null
}

const RUNNING = ['NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING']

/** Ids of the runs that have a process; null when Dagster does not answer. */
export async function runningRuns(url) {
  const query = 'query($f:RunsFilter){runsOrError(filter:$f,limit:1000){... on Runs{results{id}}}}'
  const data = await graphql(url, query, { f: { statuses: RUNNING } })
  return data?.runsOrError?.results?.map((run) => run.id) ?? null
}

/** Cancels the runs under way: each engine saves its state, the next run of the partition goes on from there. */
export async function cancelRuns(url, ids) {
  const query = 'mutation($r:[String!]!){terminateRuns(runIds:$r,terminatePolicy:SAFE_TERMINATE){__typename}}'
  await graphql(url, query, { r: ids })
}

export async function areDaemonsHealthy(url) {
  const data = await graphql(url, '{instance{daemonHealth{allDaemonStatuses{required healthy}}}}')
  const all = data?.instance?.daemonHealth?.allDaemonStatuses ?? []
  return all.length > 0 && all.every((daemon) => !daemon.required || daemon.healthy)
}
