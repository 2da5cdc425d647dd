import { BATCH_TAG, type Batch, type DownFrame, type UpFrame } from './frames.js'

/**
 * What may be believed of a message from the channel. The other side is one of our own processes, but it may be another
 * version, or a bug may have written to its channel: whatever is not a well-formed frame is left out and counted, and
 * the rest of its batch still counts. Payloads stay unread here, only their final receiver decodes them.
 */
export interface ReadBatch<F> {
  readonly frames: readonly F[]
  readonly malformed: number
}

export function writeBatch<F>(frames: readonly F[]): Batch<F> {
  return { cmd: BATCH_TAG, frames }
}

/** Is this message ours at all? Everything else on the channel belongs to the user or to Node. */
export function isBatch(message: unknown): message is Batch<unknown> {
  return isObject(message) && message.cmd === BATCH_TAG
}

export const readUpBatch = (batch: Batch<unknown>): ReadBatch<UpFrame> => readBatch(batch, upShapes)
export const readDownBatch = (batch: Batch<unknown>): ReadBatch<DownFrame> => readBatch(batch, downShapes)

function readBatch<F extends { kind: string }>(batch: Batch<unknown>, shapes: Shapes<F>): ReadBatch<F> {
  if (!Array.isArray(batch.frames)) return { frames: [], malformed: 1 }
  // The common case is a whole batch of good frames, which then needs no second array.
  if (batch.frames.every((frame) => isFrame(frame, shapes))) return { frames: batch.frames as F[], malformed: 0 }
  const frames = batch.frames.filter((frame): frame is F => isFrame(frame, shapes))
  return { frames, malformed: batch.frames.length - frames.length }
}

type Check = (value: unknown) => boolean
type Shape = readonly (readonly [field: string, check: Check])[]
type Shapes<F> = ReadonlyMap<string, Shape> & { readonly frame?: F }

function isFrame<F>(value: unknown, shapes: Shapes<F>): value is F {
  if (!isObject(value) || typeof value.kind !== 'string') return false
  const shape = shapes.get(value.kind)
  if (!shape) return false
  for (const [field, check] of shape) if (!check(value[field])) return false
  return true
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const text: Check = (value) => typeof value === 'string'
const flag: Check = (value) => typeof value === 'boolean'
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const time: Check = (value) => typeof value === 'number' && Number.isFinite(value)
const object: Check = isObject
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value)
const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value))

/** A payload's form alone; what is in it is the guard's business. */
const payload: Check = either(optional(text), isObject)
const reference: Check = (value) => isObject(value) && count(value.id) && count(value.incarnation)
const references: Check = (value) => Array.isArray(value) && value.every(reference)
const failure: Check = (value) => isObject(value) && text(value.code) && isObject(value.details)
const failures: Check = (value) => Array.isArray(value) && value.every((one) => reference(one) && failure(one.error))
const chain: Check = (value) =>
  Array.isArray(value) &&
  value.every((link) => Array.isArray(link) && count(link[0]) && count(link[1]) && text(link[2]))
const methods: Check = (value) => isObject(value) && Object.values(value).every(isObject)
const member: Check = (value) => isObject(value) && reference(value) && text(value.state) && methods(value.methods)

const result: Shape = [
  ['id', count],
  ['payload', payload],
]
const failureShape: Shape = [
  ['id', count],
  ['error', failure],
]
const cancel: Shape = [['id', count]]

const upShapes: Shapes<UpFrame> = new Map<UpFrame['kind'], Shape>([
  [
    'call',
    [
      ['id', optional(count)],
      ['to', either(count, oneOf('any'))],
      ['method', text],
      ['payload', payload],
      ['deadline', optional(time)],
      ['chain', optional(chain)],
    ],
  ],
  ['result', result],
  ['failure', failureShape],
  ['cancel', cancel],
  [
    'subscribe',
    [
      ['channel', text],
      ['ref', count],
    ],
  ],
  ['unsubscribe', [['channel', text]]],
  [
    'publish',
    [
      ['channel', text],
      ['payload', payload],
      ['self', flag],
      ['ref', optional(count)],
      ['deadline', optional(time)],
    ],
  ],
  [
    'ack',
    [
      ['receipt', count],
      ['error', optional(failure)],
    ],
  ],
  [
    'hello',
    [
      ['version', count],
      ['incarnation', count],
    ],
  ],
  ['join', [['methods', methods]]],
  ['ready', [['cause', oneOf('join', 'manual')]]],
  ['listens', [['addresses', (value) => Array.isArray(value) && value.every(isObject)]]],
  ['load', [['connections', count]]],
  ['drained', [['cut', count]]],
  ['released', []],
])

const downShapes: Shapes<DownFrame> = new Map<DownFrame['kind'], Shape>([
  [
    'invoke',
    [
      ['route', optional(count)],
      ['from', reference],
      ['method', text],
      ['payload', payload],
      ['deadline', optional(time)],
      ['chain', optional(chain)],
    ],
  ],
  ['result', result],
  ['failure', failureShape],
  ['cancel', cancel],
  [
    'held',
    [
      ['id', count],
      ['held', flag],
    ],
  ],
  ['subscribed', [['ref', count]]],
  [
    'message',
    [
      ['channel', text],
      ['payload', payload],
      ['receipt', optional(count)],
    ],
  ],
  [
    'receipt',
    [
      ['ref', count],
      ['acknowledged', references],
      ['failed', failures],
    ],
  ],
  [
    'welcome',
    [
      ['members', (value) => Array.isArray(value) && value.every((entry) => isObject(entry) && member(entry.member))],
      ['primary', methods],
    ],
  ],
  [
    'member',
    [
      ['member', member],
      ['gone', flag],
      ['removed', flag],
    ],
  ],
  [
    'event',
    [
      ['name', text],
      ['detail', object],
    ],
  ],
  [
    'drain',
    [
      ['mode', oneOf('stop', 'reload')],
      ['deadline', time],
    ],
  ],
  ['release', [['deadline', time]]],
])
