/*
 * Texts of which a RegExp or a URL could be made, in far more time than it takes to read them. Neither side makes those: 1 000
 * characters of Unicode properties cost V8 up to 6 s to compile, and a host of 40 000 characters costs 2 s to normalise.
 */

/** Characters of all regular expressions in one value. */
export const MAX_PATTERNS = 4_096

/** A DNS name, and a port. */
const MAX_HOST = 253 + ':65535'.length

/** `\p` or `\P`, and not a backslash that stands before a p. */
const PROPERTY = /(?:^|[^\\])(?:\\\\)*\\p/i

/** Why a regular expression, written `/source/flags`, can take long to compile. */
export function costOfPattern(text: string): string | undefined {
  const end = text.lastIndexOf('/')
  const flags = text.slice(end + 1)
  if (flags.includes('v')) return 'has the flag v'
  if (flags.includes('u') && PROPERTY.test(text.slice(0, end))) return 'names a property of characters (\\p)'
  return undefined
}

const SCHEME = /^[a-z][a-z0-9+.-]*:/
/** The schemes whose hosts are names, normalised as such. */
const NAMED_HOST = /^(?:https?|wss?|ftp|file):/
const AUTHORITY = /^[a-z]+:\/\/([^/]*)\//

/** Why the address of a URL, as its `href` has it, can take long to read. Nothing else is taken for one. */
export function costOfAddress(href: string): string | undefined {
  if (!SCHEME.test(href) || /[\t\n\r]/.test(href)) return 'is not as URLs are written'
  if (!NAMED_HOST.test(href)) return undefined
  const [, authority] = AUTHORITY.exec(href) ?? []
  if (authority === undefined || !/^[\x21-\x7e]*$/.test(authority) || /[\\?#]/.test(authority))
    return 'is not as URLs are written'
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  return host.length > MAX_HOST ? `has a host that is longer than ${MAX_HOST} characters` : undefined
}
