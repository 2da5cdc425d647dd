/**
 * The head of a connection's first HTTP/1 request, read in the primary to choose the worker. It is the worker's parser that
 * decides whether the request is a good one: all that this reader owes is to find what that parser will find in every
 * head that it accepts, and to notice early what is no HTTP/1 at all.
 */
export interface RequestHead {
  readonly method: string
  readonly target: string
  /** By lower-case name. */
  header(name: string): string | undefined
}

export type HeadReading =
  /** All right so far; call again with these bytes and those that follow. */
  | { readonly state: 'more' }
  /** The first `length` bytes are the head, the empty line at its end included. */
  | { readonly state: 'done'; readonly length: number; readonly head: RequestHead }
  /** TLS, HTTP/2, another protocol, garbage. */
  | { readonly state: 'foreign' }

const MORE: HeadReading = { state: 'more' }
const FOREIGN: HeadReading = { state: 'foreign' }

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20

/** Node's parser skips any number of line ends before a request. A client that was careless once sends two. */
const MAX_LINE_ENDS = 256
/** The longest method that node knows has 11 letters. */
const MAX_METHOD = 32

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~\w]+) +([\x21-\xff]+) +HTTP\/[01]\.\d$/

/**
 * `from`: how many of the bytes an earlier call has seen, if there was one. It said 'more', and they are not looked at
 * again, so that a head that comes in a thousand pieces is as cheap to read as one that comes whole.
 */
export function readHead(bytes: Uint8Array, from = 0): HeadReading {
  const start = bytes.subarray(0, MAX_LINE_ENDS + 1).findIndex((byte) => byte !== CR && byte !== LF)
  if (start === -1) return bytes.length <= MAX_LINE_ENDS ? MORE : FOREIGN

  const unseen = Math.max(start, from)
  const lineEnd = bytes.indexOf(LF, start)
  if (lineEnd === -1) return couldBeRequestLine(bytes, start, unseen) ? MORE : FOREIGN
  if (lineEnd >= unseen && readRequestLine(bytes, start, lineEnd) === undefined) return FOREIGN

  const end = findEnd(bytes, Math.max(unseen, lineEnd + 1))
  const line = end === undefined ? undefined : readRequestLine(bytes, start, lineEnd)
  if (end === undefined || line === undefined) return MORE
  const rawHeaders = readHeaders(textOf(bytes, lineEnd + 1, end))
  const head = { ...line, header: (name: string) => headerOf(rawHeaders, name) }
  return { state: 'done', length: end, head }
}

/** A line that has not ended: a method, then anything printable. */
function couldBeRequestLine(bytes: Uint8Array, start: number, unseen: number): boolean {
  const method = bytes.subarray(start, start + MAX_METHOD + 1)
  const space = method.indexOf(SPACE)
  if (space === -1 ? method.length > MAX_METHOD : space === 0) return false
  if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(textOf(method, 0, space === -1 ? method.length : space))) return false
  return bytes.subarray(unseen).every((byte) => byte >= SPACE || byte === CR)
}

function readRequestLine(
  bytes: Uint8Array,
  start: number,
  lineEnd: number,
): { method: string; target: string } | undefined {
  const [, method, target] = REQUEST_LINE.exec(textOf(bytes, start, withoutCr(bytes, lineEnd))) ?? []
  return method === undefined || target === undefined ? undefined : { method, target }
}

/** Behind the first empty line whose own end is at `index` or later. A line's CR may be missing: some servers allow it. */
function findEnd(bytes: Uint8Array, index: number): number | undefined {
  for (let end = bytes.indexOf(LF, index); end !== -1; end = bytes.indexOf(LF, end + 1)) {
    if (bytes[withoutCr(bytes, end) - 1] === LF) return end + 1
  }
  return undefined
}

/** Where a line's text ends, for a line that ends with the LF at `lineEnd`. */
function withoutCr(bytes: Uint8Array, lineEnd: number): number {
  return bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd
}

/** Names and values in turn, as node's `rawHeaders` has them. A line that is no header is left out: it gets its 400 later. */
function readHeaders(lines: string): string[] {
  const raw: string[] = []
  for (const line of lines.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) raw.push(line.slice(0, colon), withoutBlanks(line, colon + 1))
  }
  return raw
}

/** A loop, since a pattern would try each of ten thousand blanks in a value as the beginning of its end. */
function withoutBlanks(line: string, from: number): string {
  let [start, end] = [from, line.length]
  while (start < end && ' \t'.includes(line.charAt(start))) start++
  while (end > start && ' \t\r'.includes(line.charAt(end - 1))) end--
  return line.slice(start, end)
}

/**
 * A header's values, joined. Of some headers node's `request.headers` keeps only the first value; the primary, which peeks,
 * and the worker, which has node's request, must read the same, so both ask this, each with its `rawHeaders`.
 */
export function headerOf(rawHeaders: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() !== name) continue
    const value = rawHeaders[index + 1] ?? ''
    found = found === undefined ? value : `${found}${name === 'cookie' ? '; ' : ', '}${value}`
  }
  return found
}

/** One character per byte, as node has it. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}
