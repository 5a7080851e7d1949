/** Names, the one place where they are compared. By ingest as keys of the ledger, by adapters to tell whether two registers mean the same. */
export { companyNameKey, companyNameSimilarity, companySearchName, normalizeCompanyName } from './company-names.ts'
export { normalizePersonName, type PersonNameParts, personNameParts, personNameSimilarity } from './person-names.ts'
