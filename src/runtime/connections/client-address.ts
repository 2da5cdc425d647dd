import { BlockList, isIP, isIPv4 } from 'node:net'
import type { UsageError } from '../../protocol/errors.js'
import { unexpected } from '../expect.js'
import { normaliseAddress } from '../placement/ip-address.js'

/**
 * Whom a connection is from, where proxies stand in between.
 *
 * Each proxy writes whom it got the request from at the end of `X-Forwarded-For`, behind what it was told, so only what a
 * trusted proxy wrote can be believed: the walk goes from the right as far as the trust does, and ends at the first address
 * that is not trusted, at something that is no address, or at the header's start.
 */
export function forwardedClient(
  header: string | undefined,
  peer: string,
  isTrusted: (address: string) => boolean,
): string {
  let client = peer
  for (const entry of (header ?? '').split(',').reverse()) {
    if (!isTrusted(client)) break
    // RFC 9110, 5.6.1: a list may have empty entries.
    if (entry.trim() === '') continue
    const address = addressIn(entry.trim())
    if (address === undefined) break
    client = address
  }
  return client
}

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`, any of them in quotes. */
function addressIn(entry: string): string | undefined {
  const bare = /^"(.*)"$/.exec(entry)?.[1] ?? entry
  const withPort = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(bare)
  const address = withPort?.[1] ?? withPort?.[2] ?? bare
  return isIP(address) === 0 ? undefined : normaliseAddress(address)
}

/** Which addresses belong to trusted proxies: single ones, and ranges as "10.0.0.0/8". */
export function trustList(entries: readonly string[], name = 'forwardedFor'): (address: string) => boolean {
  const list = new BlockList()
  for (const [index, entry] of entries.entries()) addTo(list, entry, () => wrongEntry(`${name}[${index}]`, entry))
  return (address) => {
    const normal = normaliseAddress(address)
    const version = isIP(normal)
    return version !== 0 && list.check(normal, version === 4 ? 'ipv4' : 'ipv6')
  }
}

function addTo(list: BlockList, entry: string, wrong: () => UsageError): void {
  const [, address = '', prefix] = (typeof entry === 'string' && /^([^/%]*)(?:\/(\d{1,3}))?$/.exec(entry)) || []
  if (isIP(address) === 0) throw wrong()
  const normal = normaliseAddress(address)
  const family = isIPv4(normal) ? 'ipv4' : 'ipv6'
  if (prefix === undefined) {
    list.addAddress(normal, family)
    return
  }
  // A range of mapped addresses is a range of IPv4 addresses, and those are what is asked for later.
  const mapped = family === 'ipv4' && !isIPv4(address)
  const bits = Number(prefix) - (mapped ? 96 : 0)
  if (bits < 0 || bits > (family === 'ipv4' ? 32 : 128)) throw wrong()
  list.addSubnet(normal, bits, family)
}

function wrongEntry(name: string, entry: unknown): UsageError {
  return unexpected(name, 'an IP address or a range such as "10.0.0.0/8" or "fd00::/8"', entry)
}
