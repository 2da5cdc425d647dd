import { isIPv4, isIPv6 } from 'node:net'
import type { PeerAddress } from '../../protocol/frames.js'
import { normaliseAddress } from '../placement/ip-address.js'

/**
 * The header that a proxy puts before everything else on a connection, to say whom the connection is from.
 * https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
 *
 *   version 1   PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n
 *   version 2   12 bytes of signature, version and command, family and protocol, length (2 bytes), addresses, extensions
 *
 * It is never guessed: a port either expects it on every connection or on none, for a client could write one, too.
 */
export type ProxyHeader =
  /** All right so far; call again with these bytes and those that follow. */
  | { readonly state: 'more' }
  /** `length` bytes are the header. Without a source the proxy speaks for itself (a health check), or cannot say. */
  | { readonly state: 'done'; readonly length: number; readonly source?: PeerAddress }
  | { readonly state: 'invalid'; readonly reason: string }

const MORE: ProxyHeader = { state: 'more' }

const V1_START = new TextEncoder().encode('PROXY ')
const V2_SIGNATURE = new TextEncoder().encode('\r\n\r\n\0\r\nQUIT\n')

/** The longest line of version 1, its end included: UNKNOWN with two full IPv6 addresses. */
const V1_LIMIT = 107

/**
 * Version 2 can announce 64 KiB. Addresses and the extensions that proxies send (server name, TLS details, a unique id)
 * take some hundreds of bytes.
 */
const V2_LIMIT = 4096

const CR = 0x0d
const LF = 0x0a

export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (beginsWith(bytes, V1_START)) return bytes.length < V1_START.length ? MORE : readV1(bytes)
  if (beginsWith(bytes, V2_SIGNATURE)) return bytes.length < V2_SIGNATURE.length ? MORE : readV2(bytes)
  return invalid('it does not begin with a PROXY header')
}

/** As far as there are bytes. */
function beginsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.subarray(0, start.length).every((byte, index) => byte === start[index])
}

function readV1(bytes: Uint8Array): ProxyHeader {
  const line = bytes.subarray(0, V1_LIMIT)
  const end = line.findIndex((byte) => byte === CR || byte === LF)
  if (end === -1) return line.length < V1_LIMIT ? MORE : invalid(`its line is longer than ${V1_LIMIT} bytes`)
  if (line[end] === CR && end + 1 === bytes.length && end + 1 < V1_LIMIT) return MORE
  if (line[end] !== CR || line[end + 1] !== LF) return invalid('its line does not end with CR LF')
  return readLine(String.fromCharCode(...line.subarray(0, end)), end + 2)
}

function readLine(line: string, length: number): ProxyHeader {
  const [, protocol, from = '', to = '', fromPort = '', toPort = '', ...rest] = line.split(' ')
  if (protocol === 'UNKNOWN') return { state: 'done', length }
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return invalid('its protocol is neither TCP4, TCP6 nor UNKNOWN')
  const isAddress = protocol === 'TCP4' ? isIPv4 : isIPv6
  if (![from, to].every((text) => isAddress(text) && !text.includes('%')))
    return invalid(`its addresses are not of ${protocol}`)
  if (![fromPort, toPort].every(isPort) || rest.length > 0) return invalid('its ports are wrong')
  return { state: 'done', length, source: sourceOf(from, Number(fromPort)) }
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}

/** What follows the signature, and says what the block of addresses is. */
const V2_FIXED = 16
const COMMANDS = { local: 0, proxy: 1 } as const
const STREAM_OVER_IPV4 = 0x11
const STREAM_OVER_IPV6 = 0x21

function readV2(bytes: Uint8Array): ProxyHeader {
  const [command, family, high, low] = bytes.subarray(V2_SIGNATURE.length, V2_FIXED)
  if (command !== undefined && command >> 4 !== 2) return invalid('its version is not 2')
  if (command !== undefined && (command & 15) > COMMANDS.proxy) return invalid('its command is neither LOCAL nor PROXY')
  if (command === undefined || family === undefined || high === undefined || low === undefined) return MORE

  const length = V2_FIXED + high * 256 + low
  if (length > V2_LIMIT) return invalid(`it is longer than ${V2_LIMIT} bytes`)
  // Of a LOCAL connection everything but the length is to be ignored.
  const isLocal = (command & 15) === COMMANDS.local
  if (!isLocal && (family >> 4 > 3 || (family & 15) > 2)) return invalid('its address family or protocol is unknown')
  if (!isLocal && length < V2_FIXED + addressesLength(family)) return invalid('its addresses are cut short')
  if (bytes.length < length) return MORE

  const source = isLocal ? undefined : readAddresses(bytes.subarray(V2_FIXED, length), family)
  return source === undefined ? { state: 'done', length } : { state: 'done', length, source }
}

/** Two addresses and two ports. What is no TCP (unix paths, datagrams) has nothing that we read. */
function addressesLength(family: number): number {
  if (family === STREAM_OVER_IPV4) return 2 * 4 + 2 * 2
  return family === STREAM_OVER_IPV6 ? 2 * 16 + 2 * 2 : 0
}

/** Source address, destination address, source port, destination port; then extensions, which are skipped. */
function readAddresses(block: Uint8Array, family: number): PeerAddress | undefined {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  if (family === STREAM_OVER_IPV4) return sourceOf(block.subarray(0, 4).join('.'), view.getUint16(8))
  if (family !== STREAM_OVER_IPV6) return undefined
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2).toString(16))
  return sourceOf(groups.join(':'), view.getUint16(32))
}

function sourceOf(text: string, port: number): PeerAddress {
  const address = normaliseAddress(text)
  return { address, port, family: isIPv4(address) ? 'IPv4' : 'IPv6' }
}

function invalid(reason: string): ProxyHeader {
  return { state: 'invalid', reason }
}
