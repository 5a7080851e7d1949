/** Takes the cells that have a field out of a row. */
import type { Field, RawRow } from './columns.ts'
import type { CellPart, Layout } from './header.ts'
import type { RowView } from './scan-csv.ts'

/** No cell of a real file comes near it; a longer one is a sign of a shifted or broken row. */
export const MAX_CELL = 10_000

function cell(view: RowView, column: number): string | undefined {
  return column < 0 ? undefined : view.text(column)
}

/** Written out, because objects of one shape are several times faster to make and read than ones that grow by name. */
function cells(view: RowView, at: Layout['columnOf']): { -readonly [field in Field]: RawRow[field] } {
  return {
    company: cell(view, at.company),
    title: cell(view, at.title),
    agency: cell(view, at.agency),
    branch: cell(view, at.branch),
    phase: cell(view, at.phase),
    program: cell(view, at.program),
    agency_tracking_number: cell(view, at.agency_tracking_number),
    contract: cell(view, at.contract),
    proposal_award_date: cell(view, at.proposal_award_date),
    contract_end_date: cell(view, at.contract_end_date),
    solicitation_number: cell(view, at.solicitation_number),
    solicitation_year: cell(view, at.solicitation_year),
    solicitation_close_date: cell(view, at.solicitation_close_date),
    proposal_receipt_date: cell(view, at.proposal_receipt_date),
    date_of_notification: cell(view, at.date_of_notification),
    topic_code: cell(view, at.topic_code),
    award_year: cell(view, at.award_year),
    award_amount: cell(view, at.award_amount),
    uei: cell(view, at.uei),
    duns: cell(view, at.duns),
    hubzone_owned: cell(view, at.hubzone_owned),
    disadvantaged: cell(view, at.disadvantaged),
    woman_owned: cell(view, at.woman_owned),
    number_employees: cell(view, at.number_employees),
    number_awards: cell(view, at.number_awards),
    website: cell(view, at.website),
    address1: cell(view, at.address1),
    address2: cell(view, at.address2),
    city: cell(view, at.city),
    state: cell(view, at.state),
    zip: cell(view, at.zip),
    country: cell(view, at.country),
    pi_name: cell(view, at.pi_name),
    ri_name: cell(view, at.ri_name),
  }
}

export function rawRow(view: RowView, layout: Layout): RawRow {
  const raw = cells(view, layout.columnOf)
  if (layout.parts.length > 0) for (const part of layout.parts) raw[part.field] = partOf(raw[part.field] ?? '', part)
  return layout.constants === null ? raw : { ...raw, ...layout.constants }
}

function partOf(text: string, { side, separator }: CellPart): string {
  const at = text.indexOf(separator)
  if (side === 'before') return at < 0 ? '' : text.slice(0, at)
  return at < 0 ? text : text.slice(at + separator.length)
}

/** The first field whose cell is longer than `MAX_CELL`; null when none is. */
export function oversized(raw: RawRow): Field | null {
  for (const field in raw) if ((raw[field as Field]?.length ?? 0) > MAX_CELL) return field as Field
  return null
}
