/**
 * One client has one text: of all the ways to write an address, the one of RFC 5952, without its zone. An IPv4 address that
 * was mapped into IPv6, as a dual-stack socket reports it, is the IPv4 address. What is no address stays as it is.
 */
export function normaliseAddress(text: string): string {
  // An IPv4 address can be written in one way only.
  if (!text.includes(':')) return text
  const groups = readGroups(withoutZone(text))
  if (groups === undefined) return text
  return mappedAddress(groups) ?? compressed(groups)
}

/** `fe80::1%eth0`: the zone says by which interface this machine reaches the address, nothing about whose it is. */
function withoutZone(text: string): string {
  const percent = text.indexOf('%')
  return percent === -1 || percent === text.length - 1 ? text : text.slice(0, percent)
}

/** The eight groups of an IPv6 address. */
function readGroups(text: string): number[] | undefined {
  const halves = text.split('::', 3)
  if (halves.length > 2) return undefined
  const [before = '', after] = halves
  const head = readHalf(before, after === undefined)
  if (after === undefined) return head?.length === 8 ? head : undefined
  const tail = readHalf(after, true)
  // The double colon stands for one group at least.
  if (head === undefined || tail === undefined || head.length + tail.length > 7) return undefined
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** Only the last of an address's groups may be written as IPv4 is. */
function readHalf(half: string, isLast: boolean): number[] | undefined {
  if (half === '') return []
  const groups: number[] = []
  const pieces = half.split(':', 9)
  for (const [index, piece] of pieces.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(piece)) {
      groups.push(Number.parseInt(piece, 16))
      continue
    }
    const bytes = isLast && index === pieces.length - 1 ? readIPv4(piece) : undefined
    if (bytes === undefined) return undefined
    const [a = 0, b = 0, c = 0, d = 0] = bytes
    groups.push(a * 256 + b, c * 256 + d)
  }
  return groups
}

/** No leading zeros: to some they mean octal. */
function readIPv4(text: string): number[] | undefined {
  const pieces = text.split('.', 5)
  if (pieces.length !== 4 || !pieces.every((piece) => /^(0|[1-9]\d{0,2})$/.test(piece))) return undefined
  const bytes = pieces.map(Number)
  return bytes.every((byte) => byte < 256) ? bytes : undefined
}

/** `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2). */
function mappedAddress(groups: readonly number[]): string | undefined {
  if (groups[5] !== 0xffff || groups.slice(0, 5).some((group) => group !== 0)) return undefined
  const [high = 0, low = 0] = groups.slice(6)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** Lower case, no leading zeros, and `::` for the longest run of zeros, the first of equals, if it is of two or more. */
function compressed(groups: readonly number[]): string {
  let [from, length] = [0, 1]
  for (let start = 0, run = 0; start < 8; start += run || 1) {
    run = 0
    while (groups[start + run] === 0) run++
    if (run > length) [from, length] = [start, run]
  }
  const hex = groups.map((group) => group.toString(16))
  if (length === 1) return hex.join(':')
  return `${hex.slice(0, from).join(':')}::${hex.slice(from + length).join(':')}`
}
