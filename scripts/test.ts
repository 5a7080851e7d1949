// Everything that must hold before a change lands, in the order in which it is cheapest to fail: types, lint and format,
// then the test suites, those of dagster_project last. The last line is always `N passed, N failed`.
//
//   npm test                        everything
//   npm test -- --project unit      only that vitest project (types and lint still run; Python does not)
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type VitestReport = {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  testResults: { status: string; assertionResults: unknown[]; name: string }[]
}

const scratch = mkdtempSync(join(tmpdir(), 'enrichment-test-'))
let passed = 0
let failed = 0

function step(title: string, args: string[]): boolean {
  process.stdout.write(`\n== ${title}\n`)
  const ok = spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0
  if (!ok) process.stdout.write(`FAILED: ${title}\n`)
  return ok
}

/** Lint, types and tests of dagster_project, in .venv, which is made when it is missing. */
function python(): void {
  const countsFile = join(scratch, 'python.json')
  const ok = step('Python (dagster_project)', ['scripts/test-python.mjs', '--counts', countsFile])
  try {
    const counts = JSON.parse(readFileSync(countsFile, 'utf8')) as { passed: number; failed: number }
    passed += counts.passed
    failed += !ok && counts.failed === 0 ? 1 : counts.failed
  } catch {
    process.stdout.write('scripts/test-python.mjs wrote no counts\n')
    failed += 1
  }
}

function count(ok: boolean): void {
  if (ok) passed += 1
  else failed += 1
}

try {
  count(step('types (tsc)', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.']))
  count(step('lint and format (biome)', ['node_modules/@biomejs/biome/bin/biome', 'check', '.']))

  const reportFile = join(scratch, 'vitest.json')
  const ok = step('tests (vitest)', [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportFile}`,
    ...process.argv.slice(2),
  ])
  let report: VitestReport | null = null
  try {
    report = JSON.parse(readFileSync(reportFile, 'utf8')) as VitestReport
  } catch {
    process.stdout.write('vitest wrote no report\n')
  }
  passed += report?.numPassedTests ?? 0
  failed += report?.numFailedTests ?? 0
  // A file that could not be loaded has no failed test in it, and is a failure all the same; so is an unhandled error.
  const broken = report?.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0) ?? []
  for (const file of broken) process.stdout.write(`FAILED to load: ${file.name}\n`)
  failed += broken.length
  if (!ok && (report === null || (report.numFailedTests === 0 && broken.length === 0))) failed += 1
  if (process.argv.length === 2) python()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
