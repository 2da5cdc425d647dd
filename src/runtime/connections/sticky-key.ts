import type { StickyBy } from '../../protocol/frames.js'
import type { WorkerId } from '../../protocol/ids.js'
import { rendezvous } from '../placement/rendezvous.js'

/** The little of a request that a key is read from: of a peeked head in the primary, of node's request in the worker. */
export interface KeyedRequest {
  readonly target: string
  /** By lower-case name. */
  header(name: string): string | undefined
}

/**
 * The key that decides a request's worker. The primary reads it to choose, the worker to see whether a later request on the
 * same connection belongs elsewhere: both with this function. A key that is empty is none.
 */
export function stickyKey(by: StickyBy, request: KeyedRequest): string | undefined {
  return readKey(by, request) || undefined
}

function readKey(by: StickyBy, request: KeyedRequest): string | undefined {
  if ('cookie' in by) return cookieIn(request.header('cookie') ?? '', by.cookie)
  if ('header' in by) return request.header(by.header.toLowerCase())?.trim()
  return queryIn(request.target, by.query)
}

/** `a=1; b="2"` (RFC 6265, 4.2.1). Of two with one name, the first has the longer path (5.4). */
function cookieIn(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue
    const value = pair.slice(equals + 1).trim()
    return /^"(.*)"$/.exec(value)?.[1] ?? value
  }
  return undefined
}

function queryIn(target: string, name: string): string | undefined {
  const [beforeFragment = ''] = target.split('#', 1)
  const mark = beforeFragment.indexOf('?')
  if (mark === -1) return undefined
  for (const pair of beforeFragment.slice(mark + 1).split('&')) {
    const equals = pair.indexOf('=')
    const [key, value] = equals === -1 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
    if (decoded(key) === name) return decoded(value)
  }
  return undefined
}

/** As forms are encoded. An escape that means nothing stays as it is: it is as good a key as any. */
function decoded(text: string): string {
  return text.replaceAll('+', ' ').replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes)
    } catch {
      return escapes
    }
  })
}

/** Of `n` ids each try finds the right one with a chance of 1/n, so that 32 × n tries fail once in e³² times. */
const TRIES_PER_ID = 32

/**
 * A fresh key that leads to `id`, for the cookie that a client gets from the worker that served its first request. Where no
 * key can lead there, for the worker has left the others, any will do.
 */
export function drawKey(id: WorkerId, ids: readonly WorkerId[], random: () => string): string {
  let key = random()
  if (!ids.includes(id)) return key
  for (let tries = 1; tries < TRIES_PER_ID * ids.length && rendezvous(key, ids) !== id; tries++) key = random()
  return key
}
