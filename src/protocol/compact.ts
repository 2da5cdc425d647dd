import { LONGEST_NAME } from './contract.js'
import { chain, count, failure, optional, payload, peer, room, route, target, text, time } from './frame-checks.js'
import type {
  CallFrame,
  ConnectionFrame,
  InvokeFrame,
  MessageFrame,
  Payload,
  ResultFrame,
  TakenFrame,
} from './frames.js'
import type { ProcessRef } from './ids.js'
import { isInlineText } from './payload-forms.js'

/*
 * The frames that every call, every message of a channel and every connection needs, as lists: half as long as objects with the
 * same fields, and read in half the time. Written as text at once, so that a payload's own text goes in as it is. All other frames
 * are objects.
 *
 *     ["call", id, to, method, payload, deadline, rest]
 *     ["invoke", route, from.id, from.incarnation, method, payload, deadline, rest]
 *     ["result", id, payload]             or ["value", id, value]
 *     ["message", channel, payload, receipt, from]  or ["published", channel, value, receipt, from]
 *     ["connection", id, connection, listener, head, peer]
 *     ["taken", id]
 *
 * What is absent is null, or not there at the end. `rest` is an object of the fields that few calls have. A plain value that is
 * written inline stands for its payload: as the list that arguments are, and elsewhere under a kind of its own.
 */

/** How a payload is written: it depends on who will read it. */
export type PayloadText = (payload: Payload) => string

/** The JSON text of a frame that has a short form; undefined for all others. */
export function toCompact(frame: { readonly kind: string }, payloadText: PayloadText = asSent): string | undefined {
  switch (frame.kind) {
    case 'invoke':
      return invokeText(frame as InvokeFrame, payloadText)
    case 'result':
      return resultText(frame as ResultFrame, payloadText)
    case 'call':
      return callText(frame as CallFrame, payloadText)
    case 'message':
      return messageText(frame as MessageFrame)
    case 'connection':
      return connectionText(frame as ConnectionFrame)
    case 'taken':
      return `["taken",${(frame as TakenFrame).id}]`
    default:
      return undefined
  }
}

function connectionText({ id, connection, listener, head, peer }: ConnectionFrame): string {
  const needed = `["connection",${id},${connection},${listener}`
  if (peer) return `${needed},${JSON.stringify(head ?? null)},${JSON.stringify(peer)}]`
  return head === undefined ? `${needed}]` : `${needed},${JSON.stringify(head)}]`
}

function callText(frame: CallFrame, payloadText: PayloadText): string {
  const { id, cast, to, method, payload, deadline, chain, key, stream, lost } = frame
  const target = to === 'any' ? '"any"' : to
  const rest =
    cast === undefined && chain === undefined && key === undefined && stream === undefined && lost === undefined
      ? ''
      : `,${restText({ cast, chain, key, stream, lost })}`
  return `["call",${id ?? null},${target},${quoted(method)},${argsText(payload, payloadText)}${timeText(deadline)}${rest}]`
}

function invokeText(frame: InvokeFrame, payloadText: PayloadText): string {
  const { route, from, method, payload, deadline, chain, key, stream } = frame
  const rest =
    chain === undefined && key === undefined && stream === undefined ? '' : `,${restText({ chain, key, stream })}`
  return `["invoke",${route ?? null}${fromAndMethod(from, method)}${argsText(payload, payloadText)}${timeText(deadline)}${rest}]`
}

/** What the last call had: most calls of a batch are one caller's, of one method, made in one millisecond. */
const last: { from?: ProcessRef; method: string; fromAndMethod: string; time: number | undefined; timeText: string } = {
  method: '',
  fromAndMethod: '',
  time: undefined,
  timeText: ',null',
}

function fromAndMethod(from: ProcessRef, method: string): string {
  if (from === last.from && method === last.method) return last.fromAndMethod
  const text = `,${from.id},${from.incarnation},${quoted(method)},`
  if (method.length <= LONGEST_NAME) Object.assign(last, { from, method, fromAndMethod: text })
  return text
}

/** In whole milliseconds, never later: a fraction would be longer than all the other numbers of a frame together. */
function timeText(time: number | undefined): string {
  if (time !== last.time) {
    last.time = time
    last.timeText = time === undefined ? ',null' : `,${Math.floor(time)}`
  }
  return last.timeText
}

/** Only a list can stand for itself; other arguments than those of our own callers keep their form. */
function argsText(payload: Payload, payloadText: PayloadText): string {
  const json = plainJson(payload)
  return json?.startsWith('[') ? json : payloadText(payload)
}

function resultText({ id, payload }: ResultFrame, payloadText: PayloadText): string {
  if (payload === undefined) return `["result",${id}]`
  const json = plainJson(payload)
  return json === undefined ? `["result",${id},${payloadText(payload)}]` : `["value",${id},${json}]`
}

/** Of a plain value that is written inline: what can stand without a form. */
function plainJson(payload: Payload): string | undefined {
  return isInlineText(payload) && payload.form === 'plain' ? payload.json : undefined
}

const TEXT = Symbol('text')

/** One frame goes to all subscribers, and is written once. */
function messageText(frame: MessageFrame & { [TEXT]?: string }): string {
  frame[TEXT] ??= newMessageText(frame)
  return frame[TEXT]
}

function newMessageText({ channel, payload, receipt, from }: MessageFrame): string {
  const rest = `${receipt ?? null},${from ?? null}`
  const json = plainJson(payload)
  return json === undefined
    ? `["message",${quoted(channel)},${asSent(payload)},${rest}]`
    : `["published",${quoted(channel)},${json},${rest}]`
}

/** Whoever makes calls while it serves one has the same chain for all of them, which is then written once. */
function restText(rest: Rest): string {
  const { cast, chain, key, stream, lost } = rest
  const isAlone = cast === undefined && key === undefined && stream === undefined && lost === undefined
  if (!isAlone || !Array.isArray(chain)) return JSON.stringify(rest)
  const written = chain as { [TEXT]?: string }
  written[TEXT] ??= JSON.stringify({ chain })
  return written[TEXT]
}

/**
 * Inline as it is: a text that this process has made, or looked at. Opaque as a text in the text: it may be another process's,
 * and whether it is JSON at all is found out by its receiver.
 */
export function asSent(payload: Payload): string {
  if (payload === undefined) return 'null'
  return isInlineText(payload) ? payload.text : JSON.stringify(payload)
}

/** Names that were quoted before. Programs have a few; what is made up for each call must not fill the memory. */
const NAMES = new Map<string, string>()
const MAX_NAMES = 256

function quoted(name: string): string {
  // No method and no channel has such a name: what comes from another process may.
  if (name.length > LONGEST_NAME) return JSON.stringify(name)
  let text = NAMES.get(name)
  if (text === undefined) {
    text = JSON.stringify(name)
    if (NAMES.size >= MAX_NAMES) NAMES.clear()
    NAMES.set(name, text)
  }
  return text
}

// ------------------------------------------------------------------------------------------- reading

type CompactFrame = CallFrame | InvokeFrame | ResultFrame | MessageFrame | ConnectionFrame | TakenFrame

/** How lists are read that may come from somewhere, by the kind that each begins with. */
export type ListReaders = ReadonlyMap<unknown, ListReader>
type ListReader = (list: readonly unknown[]) => CompactFrame | undefined

/** The frame that a list stands for, or undefined when it is none, or not well formed. */
export function fromCompact(list: readonly unknown[], readers: ListReaders): CompactFrame | undefined {
  return readers.get(list[0])?.(list)
}

/** A list stands for itself; of anything else the check of payloads finds what is wrong with it. */
function argsOf(field: unknown): unknown {
  return Array.isArray(field) ? { plain: field } : (field ?? undefined)
}

function readCall(list: readonly unknown[]): CallFrame | undefined {
  const id = list[1] ?? undefined
  const to = list[2]
  const method = list[3]
  const body = argsOf(list[4])
  const deadline = list[5] ?? undefined
  const { cast, chain, key, stream, lost } = restOf(list[6])
  if (!maybeCount(id) || !target(to) || !text(method) || !payload(body) || !maybeTime(deadline)) return undefined
  if (list.length > 6 && !(maybeCount(cast) && maybeFailure(lost) && isRest({ chain, key, stream }))) return undefined
  return { kind: 'call', id, cast, to, method, payload: body, deadline, chain, key, stream, lost } as CallFrame
}

function readInvoke(list: readonly unknown[]): InvokeFrame | undefined {
  const number = list[1] ?? undefined
  const id = list[2]
  const incarnation = list[3]
  const method = list[4]
  const body = argsOf(list[5])
  const deadline = list[6] ?? undefined
  const { chain, key, stream } = restOf(list[7])
  if (!maybeRoute(number) || !count(id) || !count(incarnation) || !text(method)) return undefined
  if (!payload(body) || !maybeTime(deadline)) return undefined
  if (list.length > 7 && !isRest({ chain, key, stream })) return undefined
  const from = { id, incarnation }
  return { kind: 'invoke', route: number, from, method, payload: body, deadline, chain, key, stream } as InvokeFrame
}

function readResult(list: readonly unknown[]): ResultFrame | undefined {
  const id = list[1]
  const body = list[2] ?? undefined
  return route(id) && payload(body) ? ({ kind: 'result', id, payload: body } as ResultFrame) : undefined
}

function readValue(list: readonly unknown[]): ResultFrame | undefined {
  const id = list[1]
  return list.length > 2 && route(id) ? ({ kind: 'result', id, payload: { plain: list[2] } } as ResultFrame) : undefined
}

function readPublished(list: readonly unknown[]): MessageFrame | undefined {
  return list.length > 2 ? readMessage(list, { plain: list[2] }) : undefined
}

function readMessage(list: readonly unknown[], body = list[2] ?? undefined): MessageFrame | undefined {
  const channel = list[1]
  const receipt = list[3] ?? undefined
  const from = list[4] ?? undefined
  if (!text(channel) || !payload(body) || !maybeCount(receipt) || !maybeCount(from)) return undefined
  return { kind: 'message', channel, payload: body, receipt, from } as MessageFrame
}

function readConnection(list: readonly unknown[]): ConnectionFrame | undefined {
  const [, id, connection, listener] = list
  const head = list[4] ?? undefined
  const from = list[5] ?? undefined
  if (!count(id) || !count(connection) || !count(listener) || !maybeText(head) || !maybePeer(from)) return undefined
  return { kind: 'connection', id, connection, listener, head, peer: from } as ConnectionFrame
}

function readTaken([, id]: readonly unknown[]): TakenFrame | undefined {
  return count(id) ? ({ kind: 'taken', id } as TakenFrame) : undefined
}

export const FROM_WORKER: ListReaders = new Map<unknown, ListReader>([
  ['result', readResult],
  ['value', readValue],
  ['call', readCall],
  ['taken', readTaken],
])

export const FROM_ROUTER: ListReaders = new Map<unknown, ListReader>([
  ['result', readResult],
  ['value', readValue],
  ['invoke', readInvoke],
  ['message', readMessage],
  ['published', readPublished],
  ['connection', readConnection],
])

export const FROM_PEER: ListReaders = new Map<unknown, ListReader>([
  ['result', readResult],
  ['value', readValue],
  ['invoke', readInvoke],
])

interface Rest {
  readonly cast?: unknown
  readonly chain?: unknown
  readonly key?: unknown
  readonly stream?: unknown
  readonly lost?: unknown
}

const NOTHING: Rest = Object.freeze({})

function restOf(value: unknown): Rest {
  return typeof value === 'object' && value !== null ? value : NOTHING
}

function isRest(rest: Rest): boolean {
  return maybeChain(rest.chain) && maybeText(rest.key) && maybeRoom(rest.stream)
}

const maybeCount = optional(count)
const maybeRoute = optional(route)
const maybeTime = optional(time)
const maybeChain = optional(chain)
const maybeText = optional(text)
const maybePeer = optional(peer)
const maybeRoom = optional(room)
const maybeFailure = optional(failure)
