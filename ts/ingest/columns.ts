/**
 * The columns of the files that can be loaded, by the names their publisher gives them.
 *
 * `field` is where a value goes; columns without one are read past: the abstract is text that no source refreshes, and
 * contacts, telephone numbers and e-mail addresses are personal data that never leave the reader.
 */
export const LOADERS = ['sbir_awards', 'sbir_companies'] as const
export type LoaderId = (typeof LOADERS)[number]

export const FIELDS = [
  'company',
  'title',
  'agency',
  'branch',
  'phase',
  'program',
  'agency_tracking_number',
  'contract',
  'proposal_award_date',
  'contract_end_date',
  'solicitation_number',
  'solicitation_year',
  'solicitation_close_date',
  'proposal_receipt_date',
  'date_of_notification',
  'topic_code',
  'award_year',
  'award_amount',
  'uei',
  'duns',
  'hubzone_owned',
  'disadvantaged',
  'woman_owned',
  'number_employees',
  'number_awards',
  'website',
  'address1',
  'address2',
  'city',
  'state',
  'zip',
  'country',
  'pi_name',
  'ri_name',
] as const
export type Field = (typeof FIELDS)[number]

/** The text of one row by field; undefined where the file has no column for it. */
export type RawRow = { readonly [field in Field]: string | undefined }

export type Column = {
  readonly name: string
  readonly field: Field | null
  /** The published file comes with and without it. */
  readonly optional?: true
  /** Other spellings in published files. */
  readonly also?: readonly string[]
}

const AWARD_COLUMNS: readonly Column[] = [
  { name: 'Company', field: 'company' },
  { name: 'Award Title', field: 'title' },
  { name: 'Agency', field: 'agency' },
  { name: 'Branch', field: 'branch' },
  { name: 'Phase', field: 'phase' },
  { name: 'Program', field: 'program' },
  { name: 'Agency Tracking Number', field: 'agency_tracking_number' },
  { name: 'Contract', field: 'contract' },
  { name: 'Proposal Award Date', field: 'proposal_award_date' },
  { name: 'Contract End Date', field: 'contract_end_date' },
  { name: 'Solicitation Number', field: 'solicitation_number' },
  { name: 'Solicitation Year', field: 'solicitation_year' },
  { name: 'Solicitation Close Date', field: 'solicitation_close_date' },
  { name: 'Proposal Receipt Date', field: 'proposal_receipt_date' },
  { name: 'Date of Notification', field: 'date_of_notification' },
  { name: 'Topic Code', field: 'topic_code' },
  { name: 'Award Year', field: 'award_year' },
  { name: 'Award Amount', field: 'award_amount' },
  { name: 'UEI', field: 'uei' },
  { name: 'Duns', field: 'duns' },
  { name: 'HUBZone Owned', field: 'hubzone_owned' },
  { name: 'Socially and Economically Disadvantaged', field: 'disadvantaged', also: ['Socially Economically Disadvantaged'] },
  { name: 'Woman Owned', field: 'woman_owned', also: ['Women Owned'] },
  { name: 'Number Employees', field: 'number_employees' },
  { name: 'Company Website', field: 'website' },
  { name: 'Address1', field: 'address1' },
  { name: 'Address2', field: 'address2' },
  { name: 'City', field: 'city' },
  { name: 'State', field: 'state' },
  { name: 'Zip', field: 'zip' },
  { name: 'Abstract', field: null, optional: true },
  { name: 'Contact Name', field: null },
  { name: 'Contact Title', field: null },
  { name: 'Contact Phone', field: null },
  { name: 'Contact Email', field: null },
  { name: 'PI Name', field: 'pi_name' },
  { name: 'PI Title', field: null },
  { name: 'PI Phone', field: null },
  { name: 'PI Email', field: null },
  { name: 'RI Name', field: 'ri_name' },
  { name: 'RI POC Name', field: null },
  { name: 'RI POC Phone', field: null },
]

const COMPANY_COLUMNS: readonly Column[] = [
  { name: 'Company Name', field: 'company' },
  { name: 'UEI', field: 'uei' },
  { name: 'DUNs', field: 'duns' },
  { name: 'Number Awards', field: 'number_awards' },
  { name: 'Address 1', field: 'address1' },
  { name: 'Address 2', field: 'address2' },
  { name: 'City', field: 'city' },
  { name: 'State', field: 'state' },
  { name: 'ZIP', field: 'zip' },
  { name: 'Country', field: 'country' },
  { name: 'Hubzone Owned', field: 'hubzone_owned' },
  { name: 'Women Owned', field: 'woman_owned', also: ['Woman Owned'] },
  {
    name: 'Socially Economically Disadvantaged',
    field: 'disadvantaged',
    also: ['Socially and Economically Disadvantaged'],
  },
  { name: 'Company URL', field: 'website', also: ['Company Website'] },
]

export const COLUMNS: Readonly<Record<LoaderId, readonly Column[]>> = {
  sbir_awards: AWARD_COLUMNS,
  sbir_companies: COMPANY_COLUMNS,
}

/** Column names are compared by their letters and digits: `Award Title`, `award_title` and ` AWARD  TITLE ` are one. */
export function foldColumnName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, '')
}

/** The loader's column of that name, in any of its spellings. */
export function findColumn(loader: LoaderId, name: string): Column | undefined {
  const folded = foldColumnName(name)
  return COLUMNS[loader].find((column) =>
    [column.name, ...(column.also ?? [])].some((spelling) => foldColumnName(spelling) === folded),
  )
}
