#!/usr/bin/env node
// The worker that Dagster starts: plain JavaScript for any Node that may be installed. The program itself is TypeScript that
// Node >= 24 runs as it is; under an older Node this starts it with the Node that `npm ci` put into node_modules.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import nodeModule from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keepHeapSmall } from '../runtime/heap.js'

const NEEDED_MAJOR = 24
const EXIT_CONFIGURATION = 78
const here = fileURLToPath(import.meta.url)
const root = join(dirname(here), '..', '..')

function refuse(message, next) {
  process.stderr.write(`error: ${message}\nnext: ${next}\n`)
  process.exitCode = EXIT_CONFIGURATION
}

/** The Node that the lock file pins for this platform, or null. */
function installedNode() {
  const platform = process.platform === 'win32' ? `win-${process.arch}` : `${process.platform}-${process.arch}`
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const path = join(root, 'node_modules', `node-${platform}`, 'bin', file)
  return existsSync(path) ? path : null
}

/** Another process between Dagster and the worker: it hands on signals, the exit code, and that its parent is gone. */
function runThere(node) {
  const child = spawn(node, [here, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    child.kill('SIGTERM')
  }, 200)
  watch.unref()
  child.on('error', (error) => refuse(`${node} cannot be started: ${error.message}`, 'run npm ci again'))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 1)
  })
}

async function runHere() {
  keepHeapSmall()
  // A sensor starts this every half minute: what was compiled once is kept, which halves the time to the first line. Node
  // checks it against the source, and goes on without it where it cannot write.
  nodeModule.enableCompileCache?.(join(root, 'node_modules', '.cache', 'node-compile'))
  let main
  try {
    ;({ main } = await import('./main.ts'))
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND' || existsSync(join(root, 'node_modules', 'zod'))) throw error
    return refuse('the dependencies are not installed', `run npm ci in ${root}`)
  }
  await main(process.argv.slice(2))
}

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) await runHere()
else {
  const node = installedNode()
  if (node === null) {
    refuse(
      `this needs Node >= ${NEEDED_MAJOR} and runs on ${process.versions.node}`,
      `install Node ${NEEDED_MAJOR} LTS, or run npm ci in ${root} (on Linux and Windows it brings one along)`,
    )
  } else runThere(node)
}
