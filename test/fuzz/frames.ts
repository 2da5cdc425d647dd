import { toCompact } from '../../src/protocol/compact.js'
import type { DownFrame, UpFrame } from '../../src/protocol/frames.js'
import { json, key, leaf, mutate } from './json.js'
import type { Random } from './random.js'

/** Frames as they are sent: what is fuzzed are their neighbours. */

const payload = '{"plain":["a.png",200]}'
const from = { id: 1, incarnation: 5 }

export const UP: readonly UpFrame[] = [
  { kind: 'call', id: 7, to: 2, method: 'echo', payload, deadline: 81_234.5, chain: [[3, 1, 'echo']] },
  { kind: 'call', id: 8, to: 'any', method: 'echo', payload: { plain: [1] }, deadline: 1e9 },
  { kind: 'call', to: 0, method: 'echo', payload: undefined },
  { kind: 'call', cast: 512, to: 2, method: 'echo', payload },
  { kind: 'result', id: 1, payload },
  { kind: 'failure', id: 1, error: { code: 'ERR_REMOTE', details: { thrown: { name: 'Error', message: 'x' } } } },
  { kind: 'cancel', id: 7 },
  { kind: 'items', id: 2, first: 0, items: [payload, null] },
  { kind: 'credit', id: 2, items: 1, bytes: 10 },
  { kind: 'progress', at: 1, lag: 0, calls: [{ id: 1, stage: { kind: 'running', ms: 300 } }] },
  { kind: 'subscribe', channel: 'news', ref: 1 },
  { kind: 'unsubscribe', channel: 'news' },
  { kind: 'publish', channel: 'news', payload, self: true, ref: 3, deadline: 1e9 },
  { kind: 'ack', receipt: 4 },
  { kind: 'load', connections: 3 },
  { kind: 'taken', id: 1 },
  { kind: 'refused', id: 1, reason: 'full' },
  { kind: 'live', listener: 1, live: 2, room: 'level' },
  { kind: 'unlisten', listener: 1 },
]

export const DOWN: readonly DownFrame[] = [
  { kind: 'invoke', route: 91, from, method: 'echo', payload, deadline: 81_234.5, chain: [[3, 1, 'echo']] },
  { kind: 'result', id: 1, payload },
  { kind: 'held', id: 1, held: true },
  { kind: 'items', id: 2, first: 0, items: [payload, null] },
  { kind: 'failure', id: 2, error: { code: 'ERR_MAILBOX_FULL', details: {} } },
  { kind: 'cancel', id: 91 },
  { kind: 'passed', to: 2, cast: 512 },
  { kind: 'dropped', to: 2, cast: 512, error: { code: 'ERR_MAILBOX_FULL', details: {} } },
  { kind: 'subscribed', ref: 1 },
  { kind: 'message', channel: 'news', payload, receipt: 4 },
  { kind: 'receipt', ref: 3, acknowledged: [from], failed: [] },
  { kind: 'release', deadline: 5 },
  { kind: 'level', listener: 1, level: 2 },
  { kind: 'candidates', listener: 1, ids: [1, 2] },
]

/** One frame of these, with some of its fields gone, changed, or other ones. */
function frame(random: Random, frames: readonly { readonly kind: string }[]): string {
  const picked = random.pick(frames)
  const compact = toCompact(picked)
  if (compact !== undefined && random.oneIn(2)) return list(random, JSON.parse(compact) as unknown[])
  const fields = Object.entries(picked).filter(([, value]) => value !== undefined)
  const spoilt = fields.flatMap(([name, value]) => {
    if (random.oneIn(12)) return []
    if (random.oneIn(8)) return [`${JSON.stringify(name)}:${random.oneIn(2) ? leaf(random) : json(random, 2)}`]
    return [`${JSON.stringify(name)}:${JSON.stringify(value)}`]
  })
  if (random.oneIn(10)) spoilt.push(`${key(random)}:${leaf(random)}`)
  return `{${spoilt.join()}}`
}

/** In its short form, some of its places gone, changed, or one too many. */
function list(random: Random, values: readonly unknown[]): string {
  const spoilt = values.flatMap((value) => {
    if (random.oneIn(15)) return []
    if (random.oneIn(8)) return [random.oneIn(2) ? leaf(random) : json(random, 2)]
    return [JSON.stringify(value)]
  })
  if (random.oneIn(8)) spoilt.push(random.oneIn(2) ? leaf(random) : json(random, 2))
  return `[${spoilt.join()}]`
}

export function batch(random: Random, frames: readonly { readonly kind: string }[]): string {
  const list = random.oneIn(30) ? json(random, 2) : `[${random.list(4, () => frame(random, frames)).join()}]`
  const text = `{"cmd":"NODE_TROUPE","frames":${list}}`
  return random.oneIn(4) ? mutate(random, text) : text
}

const COMMANDS = [
  'NODE_HANDLE',
  'NODE_HANDLE_ACK',
  'NODE_HANDLE_NACK',
  'NODE_CLUSTER',
  'NODE_SOCKET_COUNT',
  'NODE_X',
  'NODE_DEBUG_ENABLED',
]
const ACTS = [
  'online',
  'listening',
  'queryServer',
  'close',
  'exitedAfterDisconnect',
  'disconnect',
  'newconn',
  'toString',
  '__proto__',
]
const FIELDS = [
  'seq',
  'ack',
  'key',
  'port',
  'address',
  'addressType',
  'fd',
  'index',
  'flags',
  'data',
  'type',
  'msg',
  'count',
  'accepted',
]

/** As node's own code sends them, or nearly. */
export function nodeMessage(random: Random): string {
  const fields = random.list(6, () => `"${random.pick(FIELDS)}":${leaf(random)}`)
  return `{${[`"cmd":"${random.pick(COMMANDS)}"`, `"act":"${random.pick(ACTS)}"`, ...fields].join()}}`
}
