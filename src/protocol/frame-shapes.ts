import { OVERFLOWS } from './contract.js'
import {
  arrivedParts,
  bounds,
  type Check,
  chain,
  count,
  counts,
  failure,
  failures,
  flag,
  frameRecords,
  isObject,
  listOf,
  member,
  methods,
  nullable,
  oneOf,
  optional,
  payload,
  peer,
  reference,
  references,
  room,
  route,
  stage,
  target,
  text,
  time,
  whole,
} from './frame-checks.js'
import type { DownFrame, PeerFrame, UpFrame } from './frames.js'

/*
 * What every kind of frame must have, so that whoever gets one can use its fields without another look.
 */
type Shape = readonly (readonly [field: string, check: Check])[]
export type Shapes<F> = ReadonlyMap<string, Shape> & { readonly frame?: F }

/** Lists, because they are gone through for every frame that arrives. */
function shapesOf<F extends { readonly kind: string }>(
  fields: Readonly<Record<F['kind'], Readonly<Record<string, Check>>>>,
): Shapes<F> {
  return new Map(
    Object.entries<Readonly<Record<string, Check>>>(fields).map(([kind, checks]) => [kind, Object.entries(checks)]),
  )
}

const result = {
  id: route,
  payload,
}
const failureShape = {
  id: route,
  error: failure,
}
const cancel = { id: route }
const progress = {
  at: time,
  lag: time,
  calls: (value: unknown) =>
    Array.isArray(value) && value.every((one) => isObject(one) && route(one.id) && stage(one.stage)),
}

const items = {
  id: route,
  first: count,
  items: listOf((item) => item === null || text(item)),
}
/** Of a link that carries bytes. */
const peerItems = {
  ...items,
  items: listOf((item) => item === null || text(item) || arrivedParts(item)),
}
const credit = {
  id: route,
  items: count,
  bytes: count,
}
const invoke = {
  route: optional(route),
  from: reference,
  method: text,
  payload,
  deadline: optional(time),
  chain: optional(chain),
  key: optional(text),
  stream: optional(room),
}
const fence = {
  peer: count,
  n: count,
}
const meeting = {
  meeting: count,
  with: reference,
  path: text,
  secret: text,
}

/** What a worker may say. */
export const upShapes = shapesOf<UpFrame>({
  call: {
    id: optional(count),
    cast: optional(count),
    to: target,
    method: text,
    payload,
    deadline: optional(time),
    chain: optional(chain),
    key: optional(text),
    stream: optional(room),
    lost: optional(failure),
  },
  result,
  failure: failureShape,
  cancel,
  progress,
  items,
  credit,
  subscribe: {
    channel: text,
    ref: count,
  },
  unsubscribe: { channel: text },
  publish: {
    channel: text,
    payload,
    self: flag,
    overflow: optional(oneOf(...OVERFLOWS)),
    ref: optional(count),
    deadline: optional(time),
  },
  ack: {
    receipt: count,
    error: optional(failure),
  },
  hello: {
    version: count,
    incarnation: count,
  },
  join: { methods },
  ready: { cause: oneOf('join', 'manual') },
  listens: { addresses: (value) => Array.isArray(value) && value.every(isObject) },
  load: { connections: count },
  drained: { cut: count },
  released: {},
  health: {
    lag: time,
    rss: time,
    heap: time,
    requests: count,
    debugged: flag,
    inspectable: flag,
  },
  listen: {
    ref: count,
    index: count,
    address: nullable(text),
    port: nullable(whole),
    addressType: nullable(whole),
    fd: nullable(whole),
    flags: nullable(whole),
    backlog: nullable(whole),
    readableAll: nullable(flag),
    writableAll: nullable(flag),
    speaks: oneOf('http', 'http2', 'tls', 'bytes'),
  },
  unlisten: { listener: count },
  taken: { id: count },
  refused: {
    id: count,
    reason: oneOf('closed', 'full', 'lost'),
  },
  live: {
    listener: count,
    live: count,
    room: oneOf('open', 'level', 'full'),
    brief: optional(count),
    strays: optional(count),
    exhausted: optional(count),
  },
  link: { incarnation: count },
  met: {
    meeting: count,
    listens: flag,
  },
  unlinked: {
    meeting: count,
    corrupt: optional(text),
    recent: optional(frameRecords),
  },
  parted: {},
  busy: {
    calls: count,
    served: count,
  },
  fence,
})

/** What the primary may say. */
export const downShapes = shapesOf<DownFrame>({
  invoke,
  result,
  failure: failureShape,
  cancel,
  progress,
  items,
  credit,
  held: {
    id: count,
    held: flag,
  },
  passed: {
    to: target,
    cast: count,
    held: optional(flag),
  },
  dropped: {
    to: target,
    cast: count,
    error: failure,
  },
  subscribed: { ref: count },
  unsubscribed: { channel: text },
  message: {
    channel: text,
    payload,
    receipt: optional(count),
    from: optional(count),
  },
  receipt: {
    ref: count,
    acknowledged: references,
    failed: failures,
  },
  welcome: {
    members: (value) => Array.isArray(value) && value.every((entry) => isObject(entry) && member(entry.member)),
    primary: methods,
  },
  member: {
    member,
    gone: flag,
    removed: flag,
  },
  event: {
    name: text,
    detail: isObject,
  },
  drain: {
    mode: oneOf('stop', 'reload'),
    deadline: time,
  },
  release: { deadline: time },
  probe: { closeInspector: flag },
  bound: {
    ref: count,
    errno: optional(whole),
    listener: optional(count),
    path: optional(oneOf('shared', 'hand-off')),
    sockname: optional(isObject),
    sticky: optional(isObject),
  },
  level: {
    listener: count,
    level: nullable(count),
    ask: optional(flag),
  },
  connection: {
    id: count,
    connection: count,
    listener: count,
    head: optional(text),
    peer: optional(peer),
  },
  awaited: {
    ids: counts,
    bounds,
  },
  candidates: {
    listener: count,
    ids: counts,
  },
  meet: meeting,
  dial: meeting,
  undialled: { incarnation: count },
  part: {},
  gone: {
    incarnation: count,
    ending: isObject,
  },
  fence,
})

/** What two workers may say on a link of their own. */
export const peerShapes = shapesOf<PeerFrame>({
  invoke,
  result,
  failure: failureShape,
  cancel,
  progress,
  items: peerItems,
  credit,
  fence,
  open: {},
  leave: {},
  left: {},
})
