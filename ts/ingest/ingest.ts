/**
 * Loads a bulk file into the population: `ingestFile`.
 *
 * Two passes over the file. The first reads and checks every row, writes nothing, and refuses the file as a whole when it is
 * not what it should be. Between them the companies of the file are matched with those of the store. The second writes:
 * domains, companies, persons, awards, in batches of one transaction each. The fact that the file was loaded is written last;
 * an ingest that was killed before it is completed by running it again.
 */
import { hash } from 'node:crypto'
import { basename } from 'node:path'
import type { Entity } from '../model/entity.ts'
import { EngineError } from '../model/errors.ts'
import { type JsonObject, type JsonValue, textOrNull } from '../model/json.ts'
import type { EntityRef } from '../model/keys.ts'
import type { EpochMs } from '../model/time.ts'
import type { CrashPoints, Logger } from '../runtime/ports.ts'
import type { EntityUpsert, IngestFact, Store } from '../stores/store.ts'
import type { LoaderId } from './columns.ts'
import { type ResolvedCompany, resolveCompanies } from './company-resolution.ts'
import { assertUnchanged, fileChanged, type OpenFile, openCsv, readCsv, sha256Of } from './csv-file.ts'
import {
  awardEntity,
  type CompanyDigest,
  companyEntity,
  digestCompany,
  domainEntity,
  domainOwners,
  personEntity,
  personKey,
} from './entities.ts'
import { GRAIN_VERSION } from './grain.ts'
import type { Mapping } from './mapping.ts'
import { type CompanyPerson, preferred } from './person-register.ts'
import type { IngestReport } from './report.ts'
import { findStoredCompanies, newerDomainOwners, storedByKey } from './stored-companies.ts'
import { READ_ROW, type Survey, surveyFile } from './survey.ts'
import { BATCH_SIZE, EntityWriter } from './write-entities.ts'

/** Raise it whenever the same file would come out as other entities: it is then loaded again although it did not change. */
export const INGEST_VERSION = 2

export type { LoaderId } from './columns.ts'
export { type Mapping as IngestMapping, readMapping } from './mapping.ts'
export type { IngestReport } from './report.ts'

export type IngestStore = Pick<
  Store,
  'upsertEntities' | 'entitiesByAlias' | 'seenBy' | 'lastIngest' | 'addIngest' | 'ingests' | 'addQuarantine'
>

export type IngestDeps = {
  readonly store: IngestStore
  readonly logger: Logger
  readonly crashPoints: CrashPoints
  /** Rows while the file is checked (`total` is null), then entities while they are written. */
  readonly progress?: (done: number, total: number | null) => void
  /** Aborted: the ingest stops between two batches with `interrupted`; running it again completes it. */
  readonly signal?: AbortSignal
}

export type IngestRequest = {
  readonly loader: LoaderId
  readonly path: string
  readonly now: EpochMs
  readonly ingestId: string
  /** Which columns of another CSV are which; without it the file must have the loader's own columns. */
  readonly mapping?: Mapping | null
  /** A file with fewer rows than this share of the last one is refused as truncated. */
  readonly minRowShare: number
  /** More broken rows than this refuse the file. */
  readonly maxBadRows: number
  /** The file is what the provider serves now: it says how companies are, even where an earlier file had newer awards of them. */
  readonly isCurrent?: boolean
  /** Loads a file although it looks truncated. */
  readonly allowShrink?: boolean
}

function mappingId(mapping: Mapping | null): string | null {
  if (mapping === null) return null
  const sorted = Object.entries(mapping).sort(([a], [b]) => (a < b ? -1 : 1))
  return hash('sha256', JSON.stringify(sorted)).slice(0, 16)
}

/** The last ingest that read a file of the same kind: files read through different mappings are not comparable. */
async function previousIngest(store: IngestStore, loader: LoaderId, mapping: string | null): Promise<IngestFact | null> {
  const facts = await store.ingests(1000)
  return facts.find((fact) => fact.loader === loader && (fact.detail['mapping'] ?? null) === mapping) ?? null
}

function witnessOf(kind: EntityRef['kind'], key: JsonValue | undefined): readonly EntityRef[] {
  return typeof key === 'string' ? [{ kind, key }] : []
}

/**
 * True when the file is the one of that ingest, and the store still knows which entities it named. `isLast`: only if none wrote since
 * either, so that entities say what the file says.
 */
async function isSameFile(store: IngestStore, file: OpenFile, previous: IngestFact | null, isLast: boolean): Promise<boolean> {
  if (previous === null) return false
  if (isLast && (await store.lastIngest()) !== previous.ingestId) return false
  const { detail, sha256, ingestId } = previous
  if (detail['bytes'] !== file.bytes || detail['version'] !== INGEST_VERSION || detail['grain'] !== GRAIN_VERSION) return false
  const { witness, witness_award: award } = detail
  const named = [...witnessOf('company', witness), ...witnessOf('award', award)]
  if (named.length === 0 || ((await store.seenBy(named, ingestId))?.size ?? 0) === 0) return false
  return (await sha256Of(file)) === sha256
}

function sameFileReport(request: IngestRequest, previous: IngestFact): IngestReport {
  const { detail } = previous
  return {
    ...(detail['report'] as unknown as IngestReport),
    ingestId: request.ingestId,
    file: request.path,
    outcome: 'same_file',
    seenAs: previous.ingestId,
    rows: previous.rows,
    previousRows: previous.rows,
    entities: {},
  }
}

function refuseTruncated(file: OpenFile, survey: Survey, previous: IngestFact | null, request: IngestRequest): void {
  if (survey.rows === 0) {
    throw new EngineError('failed', 'ingest_empty', `${file.path} has a header and no row`, {
      hint: 'Fetch the file again; nothing was changed',
    })
  }
  if (request.allowShrink === true) return
  const refuse = (why: string): EngineError =>
    new EngineError('failed', 'ingest_truncated', `${file.path} looks truncated: ${why}. Nothing was changed`, {
      hint: 'Fetch the file again; if it is meant to be so, repeat with --allow-shrink',
    })
  if (survey.cutOff !== null) throw refuse(`it breaks off within the row that begins on line ${survey.cutOff}`)
  if (previous !== null && survey.rows < previous.rows * request.minRowShare) {
    throw refuse(
      `it has ${survey.rows} rows, the last one (${previous.file}) had ${previous.rows}; at least ${Math.round(request.minRowShare * 100)} % are expected`,
    )
  }
}

/** Loads what the file says. Rejects with the `ingest_*` errors of this directory, `interrupted`, and those of the store. */
export async function ingestFile(deps: IngestDeps, request: IngestRequest): Promise<IngestReport> {
  const mapping = request.mapping ?? null
  const file = await openCsv(request.path)
  try {
    const previous = await previousIngest(deps.store, request.loader, mappingId(mapping))
    if (previous !== null && (await isSameFile(deps.store, file, previous, request.isCurrent === true))) {
      deps.logger.log('info', 'the file is the one that was loaded last; nothing to do', {
        file: request.path,
        loader: request.loader,
      })
      return sameFileReport(request, previous)
    }
    const survey = await surveyFile(file, {
      loader: request.loader,
      mapping,
      maxBadRows: request.maxBadRows,
      latestYear: latestYearAt(request.now),
      onProgress: (rows) => deps.progress?.(rows, null),
    })
    await assertUnchanged(file)
    refuseTruncated(file, survey, previous, request)
    return await new Load(deps, request, file, survey, previous).run()
  } finally {
    await file.handle.close()
  }
}

/** A clock that lags must not make wrong what awards of the present say. */
const LATEST_YEAR_AT_LEAST = 2028
/** Solicitations are announced ahead, and fiscal years begin early. */
const latestYearAt = (now: EpochMs): number => Math.max(LATEST_YEAR_AT_LEAST, new Date(now).getUTCFullYear() + 2)

function* mapped<T, U>(values: Iterable<T>, change: (value: T) => U): Generator<U> {
  for (const value of values) yield change(value)
}

function* batchesOf<T>(values: Iterable<T>): Generator<readonly T[]> {
  let batch: T[] = []
  for (const value of values) {
    batch.push(value)
    if (batch.length < BATCH_SIZE) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/** The writing half of an ingest. */
class Load {
  readonly #deps: IngestDeps
  readonly #request: IngestRequest
  readonly #file: OpenFile
  readonly #survey: Survey
  readonly #previous: IngestFact | null
  readonly #writer: EntityWriter
  #total = 0
  /** Of a file without companies: by it the file is known again. */
  #firstAward: string | null = null

  constructor(deps: IngestDeps, request: IngestRequest, file: OpenFile, survey: Survey, previous: IngestFact | null) {
    this.#deps = deps
    this.#request = request
    this.#file = file
    this.#survey = survey
    this.#previous = previous
    this.#writer = new EntityWriter({
      store: deps.store,
      crashPoints: deps.crashPoints,
      ingestId: request.ingestId,
      at: request.now,
      signal: deps.signal ?? null,
      onWritten: (written) => deps.progress?.(written, this.#total),
    })
  }

  async run(): Promise<IngestReport> {
    const { companies, persons, awards } = this.#survey
    const resolution = resolveCompanies(companies.units, await findStoredCompanies(this.#deps.store, companies.units))
    const digests = resolution.companies.map((company) =>
      digestCompany(company, this.#request.loader, this.#request.isCurrent === true),
    )
    const digestOf = new Map(digests.map((digest) => [digest.company, digest]))
    const { owners, shared } = domainOwners(digests)
    this.#total = owners.size + digests.length + persons.size + awards.size

    const inFile = new Set(digests.map(({ company }) => company.key))
    for (const batch of batchesOf(owners)) {
      const kept = await newerDomainOwners(this.#deps.store, batch, inFile)
      await this.#writer.write(mapped(batch, ([domain, owner]) => domainEntity(domain, kept.get(domain) ?? owner.company.key)))
    }
    await this.#writeCompanies(digests)
    const companyOf = (unitId: number): ResolvedCompany => resolution.companyOf[unitId]!
    for (const batch of batchesOf(persons.ofCompanies(companyOf))) await this.#writePersons(batch, digestOf)
    if (this.#request.loader === 'sbir_awards') await this.#writeAwards((unitId) => digestOf.get(companyOf(unitId))!)
    await this.#writer.flush()
    const { joinedByDuns, joinedByName, ambiguous } = resolution
    return this.#finish({ joinedByDuns, joinedByName, ambiguous, sharedDomains: shared }, digests[0]?.company.key ?? null)
  }

  async #writeCompanies(digests: readonly CompanyDigest[]): Promise<void> {
    const { loader } = this.#request
    for (let at = 0; at < digests.length; at += BATCH_SIZE) {
      const batch = digests.slice(at, at + BATCH_SIZE)
      const known = await this.#knownCompanies(batch)
      await this.#writer.write(
        batch.map((digest) => companyEntity(digest, known.get(digest.company.key) ?? null, this.#survey.layout.fields, loader)),
      )
    }
  }

  /** Of the spellings of a name in this file and in earlier ones, the same stands whichever came last. */
  async #writePersons(
    persons: readonly CompanyPerson<ResolvedCompany>[],
    digestOf: ReadonlyMap<ResolvedCompany, CompanyDigest>,
  ): Promise<void> {
    const known = persons.filter(({ company }) => company.stored !== null)
    const keys = known.map(({ keyName, company }) => personKey(keyName, company.key))
    const stored = await storedByKey(this.#deps.store, 'person', keys)
    await this.#writer.write(
      mapped(persons, (person) => {
        const before = textOrNull(stored.get(personKey(person.keyName, person.company.key))?.attributes['name'])
        const name = before === null ? person.name : preferred(before, person.name)
        return personEntity({ ...person, name }, digestOf.get(person.company)!)
      }),
    )
  }

  async #knownCompanies(digests: readonly CompanyDigest[]): Promise<ReadonlyMap<string, Entity>> {
    const known = digests.filter(({ company }) => company.stored !== null)
    return storedByKey(
      this.#deps.store,
      'company',
      known.map(({ company }) => company.key),
    )
  }

  /** Second pass over the file: what stands for an award is written as it comes by. */
  async #writeAwards(companyOf: (unitId: number) => CompanyDigest): Promise<void> {
    const { awards, companies } = this.#survey
    let gathered: EntityUpsert[] = []
    const reader = readCsv(this.#file, this.#request.loader, this.#request.mapping ?? null, {
      header() {},
      bad() {},
      row: (raw, line) => {
        const read = READ_ROW.sbir_awards(raw, () => {}, this.#survey.layout, latestYearAt(this.#request.now))
        if ('problem' in read || read.award === null || !awards.keeps(read.award, line)) return
        if (read.company === null) {
          this.#firstAward ??= read.award.key
          gathered.push(awardEntity(read.award, null))
          return
        }
        const unit = companies.find(read.company)
        if (unit === undefined) throw fileChanged(this.#file.path)
        gathered.push(awardEntity(read.award, companyOf(unit.id)))
      },
    })
    for (;;) {
      const step = await reader.next()
      const entities = gathered
      gathered = []
      await this.#writer.write(entities)
      if (step.done !== true) continue
      if (step.value.sha256 !== this.#survey.sha256) throw fileChanged(this.#file.path)
      return
    }
  }

  async #finish(companies: IngestReport['companies'], witness: string | null): Promise<IngestReport> {
    const { store, crashPoints, logger } = this.#deps
    const { loader, ingestId, path, now } = this.#request
    const { refused, rows, sha256, warnings } = this.#survey
    const report: IngestReport = {
      ingestId,
      loader,
      file: path,
      sha256,
      bytes: this.#file.bytes,
      outcome: 'ingested',
      seenAs: ingestId,
      rows,
      previousRows: this.#previous?.rows ?? null,
      whole: refused.length === 0,
      entities: this.#writer.tally,
      duplicates: loader === 'sbir_awards' ? this.#survey.awards.duplicates : this.#survey.companies.duplicates,
      quarantined: refused.length,
      problems: refused.slice(0, 20).map(({ line, reason }) => ({ line, reason })),
      warnings,
      companies,
    }
    crashPoints.reach('ingest.before_finish')
    await this.#quarantine()
    const detail: JsonObject = {
      version: INGEST_VERSION,
      grain: GRAIN_VERSION,
      mapping: mappingId(this.#request.mapping ?? null),
      bytes: this.#file.bytes,
      witness,
      ...(this.#firstAward === null ? {} : { witness_award: this.#firstAward }),
      report: JSON.parse(JSON.stringify(report)) as JsonValue,
    }
    await store.addIngest({ ingestId, loader, file: basename(path), sha256, rows, at: now, detail })
    crashPoints.reach('ingest.after_finish')
    logger.log('info', 'ingest done', {
      loader,
      file: basename(path),
      rows,
      quarantined: refused.length,
      entities: report.entities,
    })
    return report
  }

  /** A row's id comes from the file's bytes and its line: the store leaves those alone that an earlier, killed ingest listed. */
  async #quarantine(): Promise<void> {
    const { store } = this.#deps
    const { refused, sha256 } = this.#survey
    if (refused.length === 0) return
    const idOf = (line: number): string =>
      `ingest_${hash('sha256', `${this.#request.loader}\u001f${sha256}\u001f${line}`).slice(0, 24)}`
    const file = basename(this.#request.path)
    const items = refused.map(({ line, reason, payload }) => ({
      id: idOf(line),
      origin: 'ingest',
      where: `${file} line ${line}`,
      reason,
      payload,
      at: this.#request.now,
    }))
    await store.addQuarantine(items)
  }
}
