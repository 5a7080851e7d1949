/**
 * The bulk files of SBIR.gov, as the world has them at a publication. Rows are made one by one: a file of any size needs
 * little memory.
 */
import { createHash } from 'node:crypto'
import type { EpochMs } from '../model/time.ts'
import { AGENCIES } from './world/agencies.ts'
import { type Award, dayText } from './world/awards.ts'
import { Rng, streamId } from './world/prng.ts'
import { abstractText } from './world/words.ts'
import type { World } from './world/world.ts'

export type AwardCsvOptions = {
  /** False leaves the Abstract column out (41 columns). Default true. */
  readonly abstract?: boolean
  /** True begins the file with a byte order mark. Default false. */
  readonly bom?: boolean
  /** Share of rows that appear twice, byte for byte, as some do in the real file. Default 0.003. */
  readonly duplicates?: number
}

export const AWARD_COLUMNS = [
  'Company',
  'Award Title',
  'Agency',
  'Branch',
  'Phase',
  'Program',
  'Agency Tracking Number',
  'Contract',
  'Proposal Award Date',
  'Contract End Date',
  'Solicitation Number',
  'Solicitation Year',
  'Solicitation Close Date',
  'Proposal Receipt Date',
  'Date of Notification',
  'Topic Code',
  'Award Year',
  'Award Amount',
  'UEI',
  'Duns',
  'HUBZone Owned',
  'Socially and Economically Disadvantaged',
  'Woman Owned',
  'Number Employees',
  'Company Website',
  'Address1',
  'Address2',
  'City',
  'State',
  'Zip',
  'Abstract',
  'Contact Name',
  'Contact Title',
  'Contact Phone',
  'Contact Email',
  'PI Name',
  'PI Title',
  'PI Phone',
  'PI Email',
  'RI Name',
  'RI POC Name',
  'RI POC Phone',
] as const

export const COMPANY_COLUMNS = [
  'Company Name',
  'UEI',
  'DUNs',
  'Number Awards',
  'Address 1',
  'Address 2',
  'City',
  'State',
  'ZIP',
  'Country',
  'Hubzone Owned',
  'Women Owned',
  'Socially Economically Disadvantaged',
  'Company URL',
] as const

const ABSTRACT = AWARD_COLUMNS.indexOf('Abstract')
const TEXT_STREAM = streamId('abstract')
const NOISE_STREAM = streamId('row_noise')
const yesNo = (value: boolean) => (value ? 'Y' : 'N')

/**
 * The row as the real file's writer does it: fields with a blank, comma, quote or line break are quoted, quotes doubled, lines
 * end in \n.
 */
export function csvLine(fields: readonly string[]): string {
  return `${fields.map((field) => (/[\s",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')}\n`
}

function moneyText(cents: number, style: number): string {
  if (cents % 100 !== 0) return (cents / 100).toFixed(2)
  return style === 0 ? `${cents / 100}.0000` : style === 1 ? `${cents / 100}.00` : String(cents / 100)
}

/** One award as the file of `publishedAt` lists it: the 42 columns in order; the abstract is left empty unless asked for. */
export function awardRow(world: World, award: Award, publishedAt: EpochMs, withAbstract = true): string[] {
  const company = world.companies[award.company]!
  const columns = world.sbir.company(award.company, publishedAt)
  const { amountCents, ends } = world.sbir.award(award.index, publishedAt)
  const noise = new Rng(world.options.seed, NOISE_STREAM, award.index)
  const phone = () => (noise.chance(0.15) ? '() -' : `(555) 555-${noise.digits(4)}`)
  const received = award.signed - noise.between(120, 260)
  const solicited = award.solicitation === '' ? null : received + noise.between(0, 5)
  const known = award.dated && noise.chance(0.8)
  return [
    award.companyName,
    award.title,
    AGENCIES[award.agency]!.name,
    award.sub.branch,
    award.phase,
    award.program,
    award.tracking,
    award.contract,
    award.dated ? dayText(award.signed) : '',
    award.endDated ? dayText(ends) : '',
    award.solicitation,
    solicited === null ? '' : dayText(solicited).slice(0, 4),
    solicited !== null && known ? dayText(solicited) : '',
    known ? dayText(received) : '',
    known ? dayText(award.signed - noise.between(5, 60)) : '',
    award.topic,
    String(award.year),
    noise.chance(0.9998) ? moneyText(amountCents, noise.below(5)) : '',
    company.ueiListed ? company.uei! : '',
    company.duns ?? '',
    yesNo(columns.hubzone),
    yesNo(columns.disadvantaged),
    yesNo(columns.womanOwned),
    columns.employees === null ? '' : String(columns.employees),
    columns.website,
    columns.address1,
    columns.address2,
    company.place.city,
    company.place.state,
    columns.zip,
    withAbstract ? abstractText(new Rng(world.options.seed, TEXT_STREAM, award.index), award.title) : '',
    columns.contact,
    noise.pick(['CEO', 'President', 'Business Official', '']),
    phone(),
    `contact${award.company}@${company.domain}`,
    award.pi,
    noise.pick(['Principal Investigator', 'Chief Scientist', '']),
    phone(),
    award.pi === '' ? '' : `pi${award.index}@${company.domain}`,
    award.ri,
    award.ri === '' ? '' : 'Office of Sponsored Programs',
    award.ri === '' ? '' : phone(),
  ]
}

/** The award file in pieces, one row (header first) each. */
export function* awardCsv(world: World, publishedAt: EpochMs, options: AwardCsvOptions = {}): Generator<string> {
  const { abstract = true, bom = false, duplicates = 0.003 } = options
  const shape = (fields: readonly string[]) => csvLine(abstract ? fields : fields.filter((_, at) => at !== ABSTRACT))
  yield (bom ? '\uFEFF' : '') + shape(AWARD_COLUMNS)
  const every = duplicates > 0 ? Math.max(1, Math.round(1 / duplicates)) : 0
  const awards = world.sbir.awardsUntil(publishedAt)
  for (let index = 0; index < awards.length; index += 1) {
    const award = awards[index]!
    // Awards are listed in order, so the first one that is not yet listed ends the file.
    if (award.listedAt > publishedAt) break
    const line = shape(awardRow(world, award, publishedAt, abstract))
    yield line
    if (every > 0 && index % every === 3 % every) yield line
  }
}

/** The company file in pieces; companies without any listed award are not in it. */
export function* companyCsv(world: World, publishedAt: EpochMs): Generator<string> {
  const counts = new Map<number, number>()
  for (const award of world.sbir.awardsUntil(publishedAt)) {
    if (award.listedAt > publishedAt) break
    counts.set(award.company, (counts.get(award.company) ?? 0) + 1)
  }
  yield csvLine(COMPANY_COLUMNS)
  for (const company of world.companies) {
    const count = counts.get(company.index)
    if (count === undefined) continue
    const columns = world.sbir.company(company.index, publishedAt)
    yield csvLine([
      company.name,
      company.ueiListed ? company.uei! : '',
      company.duns ?? '',
      String(count),
      columns.address1,
      columns.address2,
      company.place.city,
      company.place.state,
      columns.zip,
      'US',
      yesNo(columns.hubzone),
      yesNo(columns.womanOwned),
      yesNo(columns.disadvantaged),
      columns.website,
    ])
  }
}

/** Joins the rows into pieces of about 64 KB of UTF-8. */
export function* csvChunks(lines: Iterable<string>): Generator<Buffer> {
  let pending = ''
  for (const line of lines) {
    pending += line
    if (pending.length >= 65_536) {
      yield Buffer.from(pending)
      pending = ''
    }
  }
  if (pending !== '') yield Buffer.from(pending)
}

/** Byte length and MD5 of a file without holding it. */
export function measure(chunks: Iterable<Buffer>): { readonly bytes: number; readonly md5: string } {
  const hash = createHash('md5')
  let bytes = 0
  for (const chunk of chunks) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, md5: hash.digest('hex') }
}

/** A sink such as a file's write stream: `write` says false when it is full, and emits `drain` when it is not any more. */
export type CsvSink = { write(chunk: Buffer): boolean; once(event: 'drain', listener: () => void): unknown }

async function writeAll(chunks: Iterable<Buffer>, sink: CsvSink): Promise<number> {
  let bytes = 0
  for (const chunk of chunks) {
    bytes += chunk.length
    if (!sink.write(chunk)) await new Promise<void>((resolve) => sink.once('drain', resolve))
  }
  return bytes
}

/**
 * Writes the award file that is published at `moment` (the last publication before it); resolves to its bytes. Does not end
 * the sink.
 */
export function writeAwardCsv(world: World, moment: EpochMs, sink: CsvSink, options: AwardCsvOptions = {}): Promise<number> {
  return writeAll(csvChunks(awardCsv(world, world.sbir.publishedAt(moment), options)), sink)
}

/** Writes the company file that is published at `moment`; resolves to its bytes. Does not end the sink. */
export function writeCompanyCsv(world: World, moment: EpochMs, sink: CsvSink): Promise<number> {
  return writeAll(csvChunks(companyCsv(world, world.sbir.publishedAt(moment))), sink)
}
