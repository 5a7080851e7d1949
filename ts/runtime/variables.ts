/** All environment variables at once, for overrides whose names are not known beforehand (`ENRICHMENT__…`). */
export function environmentVariables(): Readonly<Record<string, string | undefined>> {
  return { ...process.env }
}
