/**
 * How fast and in how much memory a whole award file is loaded into a SQLite state: 220,000 rows of 42 columns, the size of
 * the real one. The load runs in a process of its own, so that memory is that of an ingest and nothing else.
 * By itself: `node bench/ingest.ts [rows]`.
 */
import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { COLUMNS } from '../ts/ingest/columns.ts'
import { type IngestReport, ingestFile } from '../ts/ingest/ingest.ts'
import { NO_CRASH_POINTS } from '../ts/runtime/ports.ts'
import { openSqliteStore } from '../ts/stores/sqlite/open.ts'

export type IngestLoad = {
  readonly seconds: number
  /** What the process computed, whatever else the machine was doing. */
  readonly cpuSeconds: number
  /** Until the first entity was written: reading and checking every row. */
  readonly checkSeconds: number
  /** Peak resident memory of the process. */
  readonly peakRssMb: number
  readonly report: IngestReport
}

export type IngestBench = {
  readonly rows: number
  readonly fileMb: number
  readonly first: IngestLoad
  readonly rowsPerSecond: number
  /** The same rows in other bytes: everything is found unchanged. */
  readonly again: IngestLoad
}

const WORDS =
  'ADVANCED APPLIED ATOMIC BLUE CARBON CLEAR COASTAL DELTA DYNAMIC EAST FIRST GRAPH HARBOR IONIC LASER LUMEN MICRO NORTH OPTIC PEAK QUANTA RADIANT SIGNAL TERRA VECTOR WAVE'.split(
    ' ',
  )
const LAST = 'DYNAMICS LABS MATERIALS PHOTONICS RESEARCH ROBOTICS SCIENCES SENSORS SYSTEMS THERAPEUTICS'.split(' ')
const AGENCIES = [
  'Department of Defense',
  'Department of Health and Human Services',
  'National Science Foundation',
  'Department of Energy',
]
const STATES = ['California', 'Massachusetts', 'Virginia', 'Texas', 'Ohio', 'Colorado', 'Maryland', 'New York']
const LOREM =
  'The proposed effort, building on the results of an earlier phase, will design, build and test a prototype; "lessons learned" are documented.\n'

/** Numbers from a row's number, the same in every run. */
function mix(seed: number): number {
  let x = (seed * 2654435761) >>> 0
  x = ((x ^ (x >>> 15)) * 2246822519) >>> 0
  return (x ^ (x >>> 13)) >>> 0
}

function uei(company: number): string {
  return `${mix(company + 7).toString(36)}${mix(company + 77).toString(36)}XXXXXXXXXXXX`.toUpperCase().slice(0, 12)
}

/** One award in the fill rates of the published file: 70 % have a UEI, 81 % a DUNS number, 76 % a contract, 51 % a date, 56 % a website. */
function awardCells(row: number): Readonly<Record<string, string>> {
  const company = mix(row) % 34_000
  const share = (percent: number, salt: number): boolean => mix(row * 31 + salt) % 100 < percent
  const ofCompany = (percent: number, salt: number): boolean => mix(company * 31 + salt) % 100 < percent
  const name = `${WORDS[company % WORDS.length]} ${WORDS[(company >> 5) % WORDS.length]} ${LAST[company % LAST.length]} ${company}, Inc.`
  const year = 1990 + (mix(row + 3) % 36)
  const day = `${year}-${String(1 + (mix(row + 4) % 12)).padStart(2, '0')}-${String(1 + (mix(row + 5) % 28)).padStart(2, '0')}`
  return {
    Company: name,
    'Award Title': `A ${WORDS[row % WORDS.length]!.toLowerCase()} approach, number ${row}, to ${LAST[row % LAST.length]!.toLowerCase()}`,
    Agency: AGENCIES[row % 4]!,
    Branch: row % 4 === 0 ? 'Air Force' : '',
    Phase: row % 3 === 0 ? 'Phase II' : 'Phase I',
    Program: row % 8 === 0 ? 'STTR' : 'SBIR',
    'Agency Tracking Number': `T${row}`,
    Contract: share(76, 1) ? `FA8650-${year % 100}-C-${String(row).padStart(6, '0')}` : '',
    'Proposal Award Date': share(51, 2) ? day : '',
    'Contract End Date': share(49, 3) ? day : '',
    'Solicitation Number': `SBIR-${year}.1`,
    'Solicitation Year': String(year),
    'Award Year': String(year),
    'Topic Code': `AF${year % 100}1-${row % 400}`,
    'Award Amount': String(50_000 + (mix(row + 6) % 1_500_000)),
    UEI: ofCompany(70, 4) ? uei(company) : '',
    Duns: ofCompany(81, 5) ? String(100_000_000 + company * 7) : '',
    'HUBZone Owned': 'N',
    'Socially and Economically Disadvantaged': 'N',
    'Woman Owned': row % 9 === 0 ? 'Y' : 'N',
    'Number Employees': String(company % 300),
    'Company Website': ofCompany(56, 6) ? `https://www.company-${company}.com` : '',
    Address1: `${company} Main Street, Suite 4`,
    City: 'Springfield',
    State: STATES[company % 8]!,
    Zip: String(10_000 + (company % 80_000)),
    Abstract: LOREM.repeat(1 + (row % 4)),
    'Contact Name': 'Pat Example',
    'Contact Phone': '(555) 010-0100',
    'Contact Email': `pat${company}@example.com`,
    'PI Name': `${WORDS[mix(company * 3 + (row % 3)) % WORDS.length]} ${LAST[mix(company + (row % 3)) % LAST.length]}-${company}`,
    'PI Email': `pi${company}@example.com`,
  }
}

const quote = (cell: string): string => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

/** Writes an award file of so many rows; `marker` changes its bytes but not its rows. */
export async function writeAwardFile(path: string, rows: number, marker = ''): Promise<void> {
  const out = createWriteStream(path, { highWaterMark: 1024 * 1024 })
  const names = COLUMNS.sbir_awards.map((column) => column.name)
  const put = async (text: string): Promise<void> => {
    if (!out.write(text)) await new Promise<void>((done) => out.once('drain', done))
  }
  await put(`${names.map(quote).join(',')}\n`)
  for (let row = 0; row < rows; row += 200) {
    const block = Array.from({ length: Math.min(200, rows - row) }, (_, index) => awardCells(row + index))
    await put(block.map((cells) => `${names.map((name) => quote(cells[name] ?? '')).join(',')}\n`).join(''))
  }
  await put(marker)
  await new Promise<void>((done) => out.end(done))
}

async function loadHere(statePath: string, csvPath: string, ingestId: string): Promise<IngestLoad> {
  const store = await openSqliteStore({ path: statePath, busyTimeoutMs: 30_000 })
  const from = performance.now()
  let checked = from
  const progress = (_: number, total: number | null): void => {
    if (total === null) checked = performance.now()
  }
  const report = await ingestFile(
    { store, logger: { log() {} }, crashPoints: NO_CRASH_POINTS, progress },
    { loader: 'sbir_awards', path: csvPath, now: 1_790_000_000_000, ingestId, minRowShare: 0.5, maxBadRows: 0 },
  )
  const seconds = (performance.now() - from) / 1000
  const { user, system } = process.cpuUsage()
  await store.close()
  return {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    checkSeconds: (checked - from) / 1000,
    peakRssMb: Math.round(process.resourceUsage().maxRSS / 1000),
    report,
  }
}

async function loadApart(statePath: string, csvPath: string, ingestId: string): Promise<IngestLoad> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    fileURLToPath(import.meta.url),
    'load',
    statePath,
    csvPath,
    ingestId,
  ])
  return JSON.parse(stdout) as IngestLoad
}

/** Loads a generated file, then the same rows in other bytes. */
export async function benchIngest(rows = 220_000): Promise<IngestBench> {
  const directory = await mkdtemp(join(tmpdir(), 'enrichment-bench-ingest-'))
  try {
    const [state, one, other] = [join(directory, 'state.sqlite'), join(directory, 'one.csv'), join(directory, 'other.csv')]
    await writeAwardFile(one, rows)
    await writeAwardFile(other, rows, '\n')
    const first = await loadApart(state, one, 'bench_1')
    const again = await loadApart(state, other, 'bench_2')
    const changes = Object.values(again.report.entities).reduce((sum, { added, changed }) => sum + added + changed, 0)
    if (changes > 0) throw new Error(`the same rows again changed ${changes} entities`)
    const fileMb = Math.round((await stat(one)).size / 1e6)
    return { rows, fileMb, first, rowsPerSecond: Math.round(rows / first.seconds), again }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [command, statePath, csvPath, ingestId] = process.argv.slice(2)
  const result =
    command === 'load' ? await loadHere(statePath!, csvPath!, ingestId!) : await benchIngest(Number(command ?? 220_000))
  console.log(JSON.stringify(result, null, command === 'load' ? 0 : 2))
}
