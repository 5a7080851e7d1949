// Lint, types and tests of dagster_project, in its own environment; exits with the first code that is not 0.
//
//   node scripts/test-python.mjs              all but e2e
//   node scripts/test-python.mjs -m e2e       webserver, daemon and runs as processes of their own
//   node scripts/test-python.mjs -k gate      as pytest takes it
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePython, project, SetupError } from './python-env.mjs'

function main() {
  const python = ensurePython({ dev: true })
  // Dagster's instances are SQLite files by the dozen, whose syncs are most of the time; memory will do.
  const memory = '/dev/shm'
  const scratch = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'enrichment-python-'))
  const env = { ...process.env, TMPDIR: scratch, DAGSTER_DISABLE_TELEMETRY: '1', PYTHONDONTWRITEBYTECODE: '1' }
  delete env.DAGSTER_HOME
  const run = (title, args) => {
    process.stdout.write(`\n== ${title}\n`)
    return spawnSync(python, ['-m', ...args], { cwd: project, stdio: 'inherit', env }).status ?? 1
  }
  const given = process.argv.slice(2)
  const selection = given.some((one) => one.startsWith('-m')) ? given : ['-m', 'not e2e', ...given]
  try {
    return (
      run('lint (ruff)', ['ruff', 'check', '.']) ||
      run('format (ruff)', ['ruff', 'format', '--check', '--quiet', '.']) ||
      run('types (mypy)', ['mypy']) ||
      run('tests (pytest)', ['pytest', '-q', '--show-capture=no', ...selection])
    )
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

try {
  process.exitCode = main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`error: ${error.message}\n`)
  process.exitCode = 1
}
