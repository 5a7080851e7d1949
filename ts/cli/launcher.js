// Plain JavaScript without newer syntax than Node 18 has: see ts/cli.js.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keepHeapSmall } from '../runtime/heap.js'

const NEEDED_MAJOR = 24
const EXIT_CONFIGURATION = 78
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Runs the command line here, or in the right Node. Resolves when it has ended or been handed over. */
export async function launch(argv) {
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) return runHere(argv)
  const node = installedNode()
  if (node === null) {
    return refuse(
      `this needs Node >= ${NEEDED_MAJOR} and runs on ${process.versions.node}`,
      `install Node ${NEEDED_MAJOR} LTS, or run npm ci in ${root} (on Linux and Windows it brings one along)`,
    )
  }
  return runThere(node, argv)
}

async function runHere(argv) {
  keepHeapSmall()
  let main
  try {
    ;({ main } = await import('./main.ts'))
  } catch (error) {
    const isMissingPackage = error?.code === 'ERR_MODULE_NOT_FOUND' && !existsSync(join(root, 'node_modules', 'yargs'))
    if (!isMissingPackage) throw error
    return refuse('the dependencies are not installed', `run npm ci in ${root}`)
  }
  await main(argv)
}

/** The Node that the lock file pins for this platform, or null. */
function installedNode() {
  const platform = process.platform === 'win32' ? `win-${process.arch}` : `${process.platform}-${process.arch}`
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const path = join(root, 'node_modules', `node-${platform}`, 'bin', file)
  return existsSync(path) ? path : null
}

function runThere(node, argv) {
  // The entry is the launcher again, which runs the program itself when its Node is new enough: so it cannot come here.
  const child = spawn(node, [join(root, 'ts', 'cli.js'), ...argv], { stdio: 'inherit' })
  // A signal to this process alone must reach the program; one from the terminal reaches it twice, which it knows.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => {
    child.on('error', (error) => {
      refuse(`${node} cannot be started: ${error.message}`, `install Node ${NEEDED_MAJOR} LTS, or run npm ci again`)
      resolve()
    })
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? 128 + (constants.signals[signal] ?? 1)
      resolve()
    })
  })
}

function refuse(message, next) {
  process.stderr.write(`error: ${message}\nnext: ${next}\n`)
  process.exitCode = EXIT_CONFIGURATION
}
