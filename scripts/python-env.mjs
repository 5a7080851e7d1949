// The Python environment of dagster_project, in .venv: made when it is missing, renewed when the lock files changed.
// Plain JavaScript for any Node >= 20, because it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const project = join(root, 'dagster_project')
const venv = join(root, '.venv')
const marker = join(venv, 'enrichment.json')
const isWindows = process.platform === 'win32'

export const python = isWindows ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python')

/** A problem that the person at the terminal can put right; shown without a stack. */
export class SetupError extends Error {}

const CHECK = 'import sys; print("%d.%d" % sys.version_info[:2])'

function isUsable(version) {
  const [major, minor] = version.split('.').map(Number)
  return major === 3 && minor >= 10 && minor <= 13
}

function findPython() {
  const tried = []
  for (const name of [process.env.PYTHON, 'python3', 'python', 'python3.13', 'python3.12', 'python3.11', 'python3.10']) {
    if (!name) continue
    const told = spawnSync(name, ['-c', CHECK], { encoding: 'utf8' })
    const version = told.status === 0 ? told.stdout.trim() : null
    if (version !== null && isUsable(version)) return name
    if (version !== null) tried.push(`${name} is ${version}`)
  }
  throw new SetupError(
    `Python 3.10 to 3.13 is needed, and none was found${tried.length > 0 ? ` (${tried.join(', ')})` : ''}. Install one, or name it: PYTHON=/path/to/python3`,
  )
}

/** Of what the environment is made; another text is another environment. */
function fingerprint(files) {
  const hash = createHash('sha256')
  for (const file of [...files, join(project, 'pyproject.toml')]) hash.update(readFileSync(file))
  return hash.digest('hex')
}

function installed() {
  try {
    const { kind, of } = JSON.parse(readFileSync(marker, 'utf8'))
    return existsSync(python) ? { kind, of } : null
  } catch {
    return null
  }
}

function run(command, args, what) {
  const ended = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (ended.status !== 0) throw new SetupError(`${what} failed; see the lines above. Then run the same command again.`)
}

/** `dev`: with what the tests need. Returns the path of the environment's Python. Throws `SetupError`. */
export function ensurePython({ dev = false } = {}) {
  const locks = {
    runtime: [join(project, 'requirements.lock')],
    dev: [join(project, 'requirements.lock'), join(project, 'requirements-dev.lock')],
  }
  const found = installed()
  const wanted = dev || found?.kind === 'dev' ? 'dev' : 'runtime'
  const of = fingerprint(locks[wanted])
  if (found?.kind === wanted && found.of === of) return python

  const base = found === null ? findPython() : null
  process.stderr.write('Setting up Python packages in .venv (once, about a minute) ...\n')
  if (base !== null) {
    rmSync(venv, { recursive: true, force: true })
    mkdirSync(venv, { recursive: true })
    run(base, ['-m', 'venv', venv], 'Making a virtual environment (on Debian: apt install python3-venv)')
  }
  const pip = [python, '-m', 'pip', '--disable-pip-version-check', '--quiet', '--no-input', 'install']
  const from = locks[wanted].flatMap((file) => ['-r', file])
  run(pip[0], [...pip.slice(1), '--require-hashes', ...from], 'Installing Python packages')
  run(pip[0], [...pip.slice(1), '--no-deps', '--no-build-isolation', '--editable', project], 'Installing dagster_project')
  writeFileSync(marker, JSON.stringify({ kind: wanted, of }))
  return python
}
