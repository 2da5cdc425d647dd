import { isBatch, type ReadBatch, readDownBatch, readUpBatch } from '../../src/protocol/codec.js'
import { ERROR_CODES, fromRecord } from '../../src/protocol/error-record.js'
import { PayloadError, TroupeError } from '../../src/protocol/errors.js'
import type { Batch, Payload } from '../../src/protocol/frames.js'
import { DEFAULT_PAYLOAD_LIMIT, decodePayload, encodePayload } from '../../src/protocol/payload.js'
import { LineMeter } from '../../src/runtime/transports/line-limit.js'
import { judge } from '../../src/runtime/transports/node-messages.js'
import { batch, DOWN, nodeMessage, UP } from './frames.js'
import { json, leaf, mutate } from './json.js'
import { harm } from './oracle.js'
import { binary, forged, large, plain, superjsonMeta, value } from './payloads.js'
import type { Random } from './random.js'
import { same } from './same.js'
import { givePeer, giveRouter, readAgain } from './switchboard.js'

/** What is fuzzed. Each makes an input and tries it; what it says is what is wrong. */
export interface Target {
  readonly name: string
  /** How often among 1 000. */
  readonly share: number
  readonly make: (random: Random) => Input
  readonly try: (input: Input) => string | undefined
  /** The part of it whose time is bounded by the input. */
  readonly time?: (input: Input) => unknown
}

/** A text as it may arrive, or a value as a program may send it. */
export type Input = string | { readonly value: unknown }

/** The part under test, so that a broken one can take its place. */
export type Decode = (payload: Payload) => unknown

const decodeHere: Decode = (payload) => decodePayload(payload, 'value')

/** What of a batch may be believed. */
export interface Codec {
  readonly up: typeof readUpBatch
  readonly down: typeof readDownBatch
}

const codecHere: Codec = { up: readUpBatch, down: readDownBatch }

export function targets(decode: Decode = decodeHere, codec: Codec = codecHere): readonly Target[] {
  const payload = (name: string, share: number, make: (random: Random) => string): Target => ({
    name,
    share,
    make,
    try: (text) => tryPayload(text as string, decode),
    time: (text) => decode(text as string),
  })
  return [
    payload('plain payloads', 120, plain),
    payload('forged annotations', 250, forged),
    payload('metas of superjson', 60, superjsonMeta),
    payload('binary forms', 60, binary),
    payload('payloads of any JSON', 40, (random) => json(random)),
    payload('spoilt payloads', 200, (random) => mutate(random, random.pick([plain, forged, binary])(random))),
    payload('large payloads', 1, large),
    {
      name: 'values there and back',
      share: 49,
      make: (random) => ({ value: value(random) }),
      try: (input) => tryValue((input as { value: unknown }).value, decode),
    },
    {
      name: 'frames to the router',
      share: 80,
      make: (random) => batch(random, UP),
      try: (text) => tryBatch(text as string, codec.up, giveRouter),
    },
    {
      name: 'frames to a worker',
      share: 50,
      make: (random) => batch(random, DOWN),
      try: (text) => tryBatch(text as string, codec.down, givePeer),
    },
    {
      name: "messages to node's code",
      share: 50,
      make: nodeMessage,
      try: (text) => tryNodeMessage(text as string),
    },
    { name: 'records of errors', share: 30, make: errorRecord, try: (text) => tryError(text as string) },
    { name: 'lines', share: 10, make: (random) => mutate(random, batch(random, UP)), try: tryLines },
  ]
}

function tryPayload(text: string, decode: Decode): string | undefined {
  for (const form of ['opaque', 'inline'] as const) {
    let found: unknown
    try {
      found = decode(form === 'opaque' ? text : (JSON.parse(text) as Payload))
    } catch (error) {
      if (form === 'inline' && error instanceof SyntaxError) return undefined // Node has stopped it.
      if (!(error instanceof PayloadError)) return `${form}: ${String(error)}`
      continue
    }
    const wrong = harm(found)
    if (wrong) return `${form}: it holds ${wrong}`
    const again = sendAgain(found)
    if (again) return `${form}: ${again}`
  }
  return undefined
}

/** What could be read can be sent on, or is refused by a typed error. */
function sendAgain(found: unknown): string | undefined {
  try {
    encodePayload(found, { opaque: true, limit: DEFAULT_PAYLOAD_LIMIT, root: 'value' })
  } catch (error) {
    if (!(error instanceof PayloadError)) return `sent again: ${String(error)}`
  }
  return undefined
}

function tryValue(sent: unknown, decode: Decode): string | undefined {
  for (const opaque of [true, false]) {
    const payload = encodePayload(sent, { opaque, limit: DEFAULT_PAYLOAD_LIMIT, root: 'value' })
    const wire = payload === undefined ? undefined : (JSON.parse(JSON.stringify(payload)) as Payload)
    if (!same(sent, decode(wire))) return `it does not come back ${opaque ? 'opaque' : 'inline'}`
  }
  return undefined
}

function tryBatch<F extends { readonly kind: string }>(
  text: string,
  read: (batch: Batch<unknown>) => ReadBatch<F>,
  give: (frames: readonly F[]) => void,
): string | undefined {
  const message = parse(text)
  if (!isBatch(message)) return undefined
  const { frames, malformed } = read(message)
  if (
    malformed < 0 ||
    frames.length + malformed > Math.max(1, Array.isArray(message.frames) ? message.frames.length : 0)
  )
    return 'it counts more frames than there are'
  if (frames.length === 0) return undefined
  give(frames)
  return readAgain(frames, read)
}

function tryNodeMessage(text: string): string | undefined {
  const message = parse(text) as { cmd: string }
  for (const handle of [false, true]) {
    for (const awaitsHandle of [false, true]) {
      const judgement = judge(message, { handle, awaitsHandle })
      if (!['pass', 'claim', 'strip', 'drop', 'corrupt'].includes(judgement)) return `it is judged ${judgement}`
    }
  }
  return undefined
}

const CODES = [...ERROR_CODES, 'constructor', '__proto__', '']
const DETAILS = [
  ...[
    'target',
    'method',
    'sent',
    'retryable',
    'path',
    'reason',
    'id',
    'incarnation',
    'pid',
    'exitCode',
    'signal',
    'stage',
  ],
  ...[
    'thrown',
    'issues',
    'subject',
    'cycle',
    'chain',
    'failures',
    'limit',
    'queue',
    'timeout',
    'age',
    'lag',
    'output',
    'names',
  ],
]

function errorRecord(random: Random): string {
  const details = random.list(8, () => `"${random.pick(DETAILS)}":${random.oneIn(2) ? leaf(random) : json(random, 3)}`)
  return `{"code":${JSON.stringify(random.pick(CODES))},"details":{${details.join()}}}`
}

function tryError(text: string): string | undefined {
  const error = fromRecord(parse(text) as never)
  if (!(error instanceof TroupeError)) return 'it makes no error of ours'
  if (typeof error.message !== 'string' || typeof error.code !== 'string') return 'its error has no message or code'
  return undefined
}

/** However a text is cut, its longest line is not taken for shorter than it is, and not for longer than two and a chunk. */
function tryLines(input: Input): string | undefined {
  const bytes = Buffer.from(input as string)
  const meter = new LineMeter()
  const cut = Math.max(1, bytes.length % 97)
  let longest = 0
  for (let at = 0; at < bytes.length; at += cut) longest = Math.max(longest, meter.take(bytes.subarray(at, at + cut)))
  const real = Math.max(...(input as string).split('\n').map((line) => Buffer.byteLength(line)))
  return longest >= real && longest <= real + cut + 1 ? undefined : `a line of ${real} bytes is measured as ${longest}`
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Node has stopped it.
  }
}
