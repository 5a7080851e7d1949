/** A row of the search -> what a patent's record says. No addresses, no attorneys, no docket numbers. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { calendarDate } from '../shared/dates.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { numberOfRow } from './search.ts'

const META = 'applicationMetaData'

function names(list: JsonValue | undefined, member: string): string[] {
  const found = listOf(list).map((item) => textAt(item, member))
  return [...new Set(found.filter((name) => name !== null))]
}

function day(row: JsonObject, name: string): string | null {
  return calendarDate(memberAt(row, META, name))
}

const byJson = (a: JsonObject, b: JsonObject): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
/** What comes twice would have to be told apart by position. */
const distinct = (list: readonly JsonObject[]): JsonObject[] =>
  [...new Map(list.map((item) => [JSON.stringify(item), item])).values()].sort(byJson)

function parents(row: JsonObject): JsonObject[] {
  return distinct(
    listOf(row['parentContinuityBag']).map((parent) => ({
      application_number: textAt(parent, 'parentApplicationNumberText'),
      patent_number: textAt(parent, 'parentPatentNumber'),
      type: textAt(parent, 'claimParentageTypeCode'),
      child: textAt(parent, 'childApplicationNumberText'),
    })),
  )
}

function assignments(row: JsonObject): JsonObject[] {
  return distinct(
    listOf(row['assignmentBag']).map((assignment) => ({
      reel_frame: textAt(assignment, 'reelAndFrameNumber') ?? textAt(assignment, 'reelNumber'),
      conveyance: textAt(assignment, 'conveyanceText'),
      recorded: calendarDate(memberAt(assignment, 'assignmentRecordedDate')),
      assignees: names(memberAt(assignment, 'assigneeBag'), 'assigneeNameText'),
    })),
  )
}

export function applicantNames(row: JsonObject): string[] {
  const listed = names(memberAt(row, META, 'applicantBag'), 'applicantNameText')
  const first = textAt(row, META, 'firstApplicantName')
  return listed.length > 0 || first === null ? listed : [first]
}

/** States of the applicants, two letters, as far as they are told. */
export function applicantStates(row: JsonObject): string[] {
  const states = listOf(memberAt(row, META, 'applicantBag')).flatMap((applicant) =>
    listOf(memberAt(applicant, 'correspondenceAddressBag')).map((address) => textAt(address, 'geographicRegionCode')),
  )
  return [...new Set(states.filter((state) => state !== null))]
}

/** Somebody who is named in a row as the one whose it is. */
export type Party = { readonly name: string; readonly state: string | null; readonly role: 'applicant' | 'assignee' }

/** Whoever lends money on a patent, may use it or gives it back is no owner. */
const NO_OWNER = /SECURITY|LIEN|MORTGAGE|LICEN[CS]E|RELEASE|PLEDGE/i

/**
 * Applicants, and those to whom it was assigned: until September 2012 only inventors could apply, and assigned it to their company. An
 * applicant without an address of its own, or among several places, has no state; an assignee has that of its address.
 */
export function parties(row: JsonObject): readonly Party[] {
  const states = applicantStates(row)
  const state = states.length === 1 ? states[0]! : null
  const owners = listOf(row['assignmentBag'])
    .filter((assignment) => !NO_OWNER.test(textAt(assignment, 'conveyanceText') ?? ''))
    .flatMap((assignment) => listOf(memberAt(assignment, 'assigneeBag')))
  return [
    ...applicantNames(row).map((name): Party => ({ name, state, role: 'applicant' })),
    ...owners.flatMap((assignee): Party[] => {
      const name = textAt(assignee, 'assigneeNameText')
      const region = textAt(assignee, 'assigneeAddress', 'geographicRegionCode')?.toUpperCase() ?? ''
      // Three letters stand for a country.
      return name === null ? [] : [{ name, state: /^[A-Z]{2}$/.test(region) ? region : null, role: 'assignee' }]
    }),
  ]
}

/** White space inside CPC symbols is folded, because the portal pads them with runs of blanks. */
export function recordOfRow(row: JsonObject): JsonObject {
  const cpc = listOf(memberAt(row, META, 'cpcClassificationBag')).map((symbol) =>
    typeof symbol === 'string' ? symbol.trim().replace(/\s+/g, ' ') : '',
  )
  return {
    application_number: numberOfRow(row),
    patent_number: textAt(row, META, 'patentNumber'),
    title: textAt(row, META, 'inventionTitle'),
    type: textAt(row, META, 'applicationTypeCode'),
    status_code: textAt(row, META, 'applicationStatusCode'),
    status: textAt(row, META, 'applicationStatusDescriptionText'),
    status_date: day(row, 'applicationStatusDate'),
    filing_date: day(row, 'filingDate'),
    effective_filing_date: day(row, 'effectiveFilingDate'),
    publication_number: textAt(row, META, 'earliestPublicationNumber'),
    publication_date: day(row, 'earliestPublicationDate'),
    grant_date: day(row, 'grantDate'),
    applicants: applicantNames(row),
    inventors: names(memberAt(row, META, 'inventorBag'), 'inventorNameText'),
    cpc: [...new Set(cpc.filter((symbol) => symbol !== ''))].sort(),
    entity_status: textAt(row, META, 'entityStatusData', 'businessEntityStatusCategory'),
    art_unit: textAt(row, META, 'groupArtUnitNumber'),
    parents: parents(row),
    assignments: assignments(row),
  }
}
