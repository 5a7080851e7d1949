// Lint, types and tests of dagster_project, in its own environment; exits with the first code that is not 0.
//
//   node scripts/test-python.mjs                    all
//   node scripts/test-python.mjs -m "not e2e"       without webserver, daemon and runs as processes of their own (6 minutes less)
//   node scripts/test-python.mjs -k gate            as pytest takes it
//   node scripts/test-python.mjs --counts FILE      writes {"passed": N, "failed": N}, lint and types counted as one each
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePython, project, SetupError } from './python-env.mjs'

/** What pytest's JUnit report says; a report that is missing is one failure. */
function readReport(file) {
  const suite = existsSync(file) ? /<testsuite [^>]*>/.exec(readFileSync(file, 'utf8'))?.[0] : undefined
  if (suite === undefined) return { passed: 0, failed: 1 }
  const number = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0)
  const failed = number('failures') + number('errors')
  return { passed: number('tests') - failed - number('skipped'), failed }
}

function main(given, counts) {
  const python = ensurePython({ dev: true })
  // Dagster's instances are SQLite files by the dozen, whose syncs are most of the time; memory will do.
  const memory = '/dev/shm'
  const scratch = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'enrichment-python-'))
  const env = { ...process.env, TMPDIR: scratch, DAGSTER_DISABLE_TELEMETRY: '1', PYTHONDONTWRITEBYTECODE: '1' }
  delete env.DAGSTER_HOME
  let crashed = false
  const run = (title, args) => {
    process.stdout.write(`\n== ${title}\n`)
    const ended = spawnSync(python, ['-m', ...args], { cwd: project, stdio: 'inherit', env })
    const status = ended.status ?? 1
    crashed = ended.signal === 'SIGSEGV'
    if (args[0] !== 'pytest') counts[status === 0 ? 'passed' : 'failed'] += 1
    if (status !== 0) process.stdout.write(`FAILED: ${title}\n`)
    return status
  }
  const report = join(scratch, 'junit.xml')
  const pytest = () => {
    const pytestArgs = ['pytest', '-q', '--show-capture=no', `--junitxml=${report}`, ...given]
    let status = run('tests (pytest)', pytestArgs)
    // Python 3.11.7 once crashed while it collected garbage. No code of ours is native, so that says nothing of it; a second time does.
    if (crashed) {
      process.stdout.write('The Python interpreter itself crashed (SIGSEGV): its tests are run once more.\n')
      status = run('tests (pytest), again', pytestArgs)
    }
    const { passed, failed } = readReport(report)
    counts.passed += passed
    counts.failed += failed === 0 && status !== 0 ? 1 : failed
    return status
  }
  try {
    const lint = run('lint (ruff)', ['ruff', 'check', '.'])
    const format = run('format (ruff)', ['ruff', 'format', '--check', '--quiet', '.'])
    const types = run('types (mypy)', ['mypy'])
    return lint || format || types || pytest()
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const args = process.argv.slice(2)
const at = args.indexOf('--counts')
const countsFile = at === -1 ? null : args.splice(at, 2)[1]
const counts = { passed: 0, failed: 0 }
try {
  process.exitCode = main(args, counts)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`error: ${error.message}\n`)
  counts.failed += 1
  process.exitCode = 1
} finally {
  if (countsFile) writeFileSync(countsFile, JSON.stringify(counts))
}
