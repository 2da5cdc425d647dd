/**
 * The WebSocket protocol between the page and its worker: one JSON object per text frame, of these two closed unions.
 *
 *     page                                   worker
 *       |  <- welcome (who serves you)          |
 *       |  <- rooms                             |
 *       |  join ->                              |
 *       |          <- joined (history, people)  |
 *       |  say (nonce) ->                       |
 *       |          <- message (seq, nonce)      |   to everyone in the room; the nonce to its author alone
 *       |          <- accepted (nonce, seq)     |
 *
 * Whatever is not accepted is answered by `refused`. After a lost connection the page joins with `since` and sends
 * again, under the same nonces, what was not accepted.
 */
import type { ChatMessage, Person, Position, RefusalCode, RoomSummary } from './contract.js'

export type ClientMessage =
  /** `client` is the page's own secret random id; it makes a reconnect the same person. */
  | { type: 'join'; room: string; name: string; client: string; since?: Position }
  | { type: 'say'; room: string; nonce: string; text: string }
  | { type: 'typing' }
  | { type: 'wave'; person: string }
  /** Answered with `pong`: browsers do not show their pages the WebSocket's own pings. */
  | { type: 'ping' }

export type ServerMessage =
  | { type: 'welcome'; worker: number; pid: number }
  | { type: 'rooms'; rooms: RoomSummary[] }
  | {
      type: 'joined'
      room: string
      log: string
      you: Person
      people: Person[]
      messages: DeliveredMessage[]
      resumed: boolean
      truncated: boolean
    }
  | ({ type: 'message'; room: string } & DeliveredMessage)
  | { type: 'accepted'; nonce: string; seq: number }
  | { type: 'people'; room: string; people: Person[] }
  | { type: 'typing'; room: string; from: Person }
  | { type: 'wave'; from: Person }
  /** `retryAfter` in seconds, when trying again later helps. `nonce` when it is about one message. */
  | { type: 'refused'; code: RefusalCode; reason: string; nonce?: string; retryAfter?: number }
  | { type: 'pong' }

export type DeliveredMessage = ChatMessage & { nonce?: string }

/** WebSocket close codes; those from 4000 on are ours. */
export const CLOSE = {
  /** The worker is being replaced: connect again, another one is there already. */
  goingAway: 1001,
  /** More frames than any person types. The page waits longer before it returns. */
  tooManyFrames: 4008,
  /** The client reads more slowly than the room talks. It comes back and gets what it missed in one piece. */
  tooSlow: 4009,
} as const

const ID = /^[A-Za-z0-9_-]{8,64}$/

/** Checks shape only; what may be in the texts is the business of `limits.ts`. Unknown properties are ignored. */
export function parseClientMessage(data: string): ClientMessage | undefined {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  switch (value.type) {
    case 'join': {
      const { room, name, client } = value
      if (typeof room !== 'string' || typeof name !== 'string' || !isId(client)) return undefined
      if (value.since === undefined) return { type: 'join', room, name, client }
      const since = parsePosition(value.since)
      return since && { type: 'join', room, name, client, since }
    }
    case 'say': {
      const { room, nonce, text } = value
      if (typeof room !== 'string' || !isId(nonce) || typeof text !== 'string') return undefined
      return { type: 'say', room, nonce, text }
    }
    case 'wave':
      return isId(value.person) ? { type: 'wave', person: value.person } : undefined
    case 'typing':
      return { type: 'typing' }
    case 'ping':
      return { type: 'ping' }
    default:
      return undefined
  }
}

function parsePosition(value: unknown): Position | undefined {
  if (!isRecord(value) || !isId(value.log)) return undefined
  const { log, seq } = value
  return typeof seq === 'number' && Number.isSafeInteger(seq) && seq >= 0 ? { log, seq } : undefined
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
