/** Bodies of data.sec.gov as they were recorded, with what flips in them between two captures. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, HOUR_MS, toIso, toUtcDate } from '../../model/time.ts'
import { type Filer, type Filing, nameAt } from '../world/edgar-world.ts'

const RECENT = 1_000
const PAGE = 2_000
const SIC: Readonly<Record<string, string>> = {
  2834: 'Pharmaceutical Preparations',
  3674: 'Semiconductors & Related Devices',
  3812: 'Search, Detection, Navigation, Guidance, Aeronautical Sys',
  3841: 'Surgical & Medical Instruments & Apparatus',
  7372: 'Services-Prepackaged Software',
  8731: 'Services-Commercial Physical & Biological Research',
}

/** Newest first, as EDGAR lists them. */
export function filedBy(filer: Filer, moment: EpochMs): readonly Filing[] {
  return filer.filings.filter(({ at }) => at <= moment).toReversed()
}

/** From day to day and filer to filer the same page is rendered by one of two kinds of servers. */
function isEastern(filer: Filer, moment: EpochMs): boolean {
  return (Number(filer.cik) + Math.floor(moment / DAY_MS)) % 2 === 0
}

/** Columns, and one more of them on some servers. */
export function columnsOf(filings: readonly Filing[], eastern: boolean): JsonObject {
  const column = (of: (filing: Filing) => JsonValue): JsonValue => filings.map(of)
  const document = ({ form, accession }: Filing): string =>
    form === '4' || form === '3'
      ? 'xslF345X05/doc4.xml'
      : form.startsWith('D')
        ? 'xslFormDX01/primary_doc.xml'
        : `a${accession.slice(-6)}.htm`
  return {
    accessionNumber: column(({ accession }) => accession),
    filingDate: column(({ at }) => toUtcDate(at)),
    reportDate: column(({ at, form }) => (form.startsWith('D') ? '' : toUtcDate(at - 2 * DAY_MS))),
    // A Z behind both, whichever zone it is.
    acceptanceDateTime: column(({ at }) => toIso(eastern ? at - 5 * HOUR_MS : at)),
    act: column(({ form }) => (form.startsWith('D') ? '33' : '34')),
    form: column(({ form }) => form),
    fileNumber: column(({ form }) => (form === '4' ? '' : '001-40483')),
    filmNumber: column(({ accession }) => `26${accession.slice(-6)}`),
    items: column(({ items }) => items),
    core_type: column(({ form }) => form),
    size: column(({ accession }) => 5_000 + (Number(accession.slice(-6)) % 900)),
    isXBRL: column(({ isXbrl }) => (isXbrl ? 1 : 0)),
    isInlineXBRL: column(({ isXbrl }) => (isXbrl ? 1 : 0)),
    ...(eastern ? {} : { isXBRLNumeric: column(({ isXbrl }) => (isXbrl ? 1 : 0)) }),
    primaryDocument: column(document),
    primaryDocDescription: column(({ form }) => form),
  }
}

function addressOf(filer: Filer, eastern: boolean): JsonObject {
  return {
    street1: filer.street,
    street2: eastern ? null : '',
    city: filer.place.city.toUpperCase(),
    stateOrCountry: filer.place.state,
    zipCode: filer.zip5,
    stateOrCountryDescription: filer.place.state,
    isForeignLocation: eastern ? null : 0,
    foreignStateTerritory: null,
    country: null,
    countryCode: null,
  }
}

function olderPages(filer: Filer, moment: EpochMs): readonly { name: string; filings: readonly Filing[] }[] {
  const older = filedBy(filer, moment).slice(RECENT)
  return Array.from({ length: Math.ceil(older.length / PAGE) }, (_, at) => ({
    name: `CIK${filer.cik}-submissions-${String(at + 1).padStart(3, '0')}.json`,
    filings: older.slice(at * PAGE, (at + 1) * PAGE),
  }))
}

/** `submissions/CIK##########.json`. */
export function submissionsOf(filer: Filer, moment: EpochMs): JsonObject {
  const eastern = isEastern(filer, moment)
  const isPerson = filer.kind === 'person'
  const renamed = filer.renamed !== null && filer.renamed.at <= moment ? filer.renamed : null
  return {
    cik: filer.cik,
    entityType: filer.kind === 'public' ? 'operating' : 'other',
    sic: isPerson ? '' : filer.sic,
    sicDescription: isPerson ? '' : SIC[filer.sic]!,
    ownerOrg: '',
    insiderTransactionForOwnerExists: isPerson ? 1 : 0,
    insiderTransactionForIssuerExists: filer.kind === 'public' ? 1 : 0,
    name: nameAt(filer, moment),
    tickers: filer.ticker === null ? [] : [filer.ticker],
    exchanges: filer.ticker === null ? [] : ['Nasdaq'],
    ein: isPerson ? null : filer.kind === 'private' && Number(filer.cik) % 4 === 0 ? '000000000' : filer.ein,
    lei: null,
    description: '',
    website: '',
    investorWebsite: '',
    category: filer.kind === 'public' ? '<br>Emerging growth company' : '',
    fiscalYearEnd: isPerson ? null : '1231',
    stateOfIncorporation: isPerson ? '' : 'DE',
    stateOfIncorporationDescription: isPerson ? '' : 'DE',
    addresses: { mailing: addressOf(filer, eastern), business: addressOf(filer, eastern) },
    phone: isPerson ? null : '5555550100',
    flags: '',
    formerNames:
      renamed === null
        ? []
        : [
            {
              name: filer.name,
              from: `${toUtcDate(filer.filings[0]?.at ?? renamed.at)}T${eastern ? '00' : '05'}:00:00.000Z`,
              to: `${toUtcDate(renamed.at)}T${eastern ? '00' : '05'}:00:00.000Z`,
            },
          ],
    filings: {
      recent: columnsOf(filedBy(filer, moment).slice(0, RECENT), eastern),
      files: olderPages(filer, moment).map(({ name, filings }) => ({
        name,
        filingCount: filings.length,
        filingFrom: toUtcDate(filings.at(-1)!.at),
        filingTo: toUtcDate(filings[0]!.at),
      })),
    },
  }
}

/** A page of older filings is the columns themselves; null when there is none of that name. */
export function olderPageOf(filer: Filer, name: string, moment: EpochMs): JsonObject | null {
  const page = olderPages(filer, moment).find((older) => older.name === name)
  return page === undefined ? null : columnsOf(page.filings, isEastern(filer, moment))
}

/** Figures of a filer's annual reports; each report also repeats the year before. Null for filers without any. */
export function factsOf(filer: Filer, moment: EpochMs): JsonObject | null {
  const reports = filer.filings.filter(({ form, at }) => form === '10-K' && at <= moment)
  if (reports.length === 0) return null
  const scale = 1_000 * (1 + (Number(filer.cik) % 9_000))
  const figure = (year: number, factor: number): number => scale * factor * (year - 2_005)
  const rows = (of: (year: number, report: Filing) => JsonObject): JsonValue =>
    reports.flatMap((report) => {
      const year = Number(toUtcDate(report.at).slice(0, 4)) - 1
      const told = { accn: report.accession, fy: year, fp: 'FY', form: report.form, filed: toUtcDate(report.at) }
      return [year - 1, year].map((of_) => ({ ...of(of_, report), ...told }))
    })
  const concept = (label: string, unit: string, list: JsonValue): JsonObject => ({
    label,
    description: label,
    units: { [unit]: list },
  })
  const overYear = (factor: number): JsonValue =>
    rows((year) => ({ start: `${year}-01-01`, end: `${year}-12-31`, val: figure(year, factor) }))
  const atEnd = (factor: number): JsonValue => rows((year) => ({ end: `${year}-12-31`, val: figure(year, factor) }))
  return {
    cik: Number(filer.cik),
    entityName: nameAt(filer, moment),
    facts: {
      dei: {
        EntityPublicFloat: concept('Entity Public Float', 'USD', atEnd(40)),
        EntityCommonStockSharesOutstanding: concept('Entity Common Stock, Shares Outstanding', 'shares', atEnd(3)),
      },
      'us-gaap': {
        Revenues: concept('Revenues', 'USD', overYear(10)),
        NetIncomeLoss: concept('Net Income (Loss) Attributable to Parent', 'USD', overYear(-2)),
        ResearchAndDevelopmentExpense: concept('Research and Development Expense', 'USD', overYear(4)),
        Assets: concept('Assets', 'USD', atEnd(25)),
      },
    },
  }
}
