/** The registrable host of a company's website, by the public suffix list. */
import { domainToASCII } from 'node:url'
import { parse } from 'tldts'

/** Hosts of mail boxes, profiles, shops and pages that belong to everybody: they say nothing about a company. */
const SHARED_HOSTS: ReadonlySet<string> = new Set(
  (
    'gmail.com googlemail.com yahoo.com ymail.com rocketmail.com hotmail.com outlook.com live.com msn.com aol.com aim.com icloud.com me.com mac.com ' +
    'comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net juno.com netzero.net optonline.net roadrunner.com rr.com ' +
    'protonmail.com proton.me zoho.com mail.com gmx.com gmx.net inbox.com fastmail.com pacbell.net swbell.net mindspring.com frontier.com centurylink.net ' +
    'google.com facebook.com linkedin.com twitter.com x.com instagram.com youtube.com wikipedia.org crunchbase.com bloomberg.com amazon.com ' +
    'tinyurl.com bit.ly linktr.ee sbir.gov sam.gov'
  ).split(' '),
)
/** Names that no registry hands out, which documentation, tests and the sandbox live under (RFC 2606). */
const RESERVED = /\.(example|test)$/

function hostOf(website: string): string | null {
  const [first = ''] = website.trim().split(/[\s,;|]+/)
  // `http://http://www.acme.com`, `http:/acme.com` and `http//acme.com` are all in the published files.
  const rest = first.replace(/^(?:https?:\/{0,3}|https?\/\/|\/\/)+/i, '').replace(/^[^/?#]*@/, '')
  const host = (/^[^/?#\\:]*/.exec(rest)?.[0] ?? '').replace(/\.+$/, '')
  return host === '' ? null : host
}

/**
 * `http://www.Acme-Labs.com:80/about` -> `acme-labs.com`; lower case, international names in punycode. Null when it names no
 * registrable host: no text, `n/a`, an address, an unknown top level domain, or a provider that everybody uses.
 */
export function domainOf(website: string | null): string | null {
  const host = website === null ? null : hostOf(website)
  if (host === null) return null
  const ascii = domainToASCII(host)
  if (ascii === '' || !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(ascii)) return null
  const { domain, isIcann, isPrivate, isIp } = parse(ascii, { allowPrivateDomains: true })
  if (domain === null || isIp === true || SHARED_HOSTS.has(domain)) return null
  return isIcann === true || isPrivate === true || RESERVED.test(domain) ? domain : null
}
