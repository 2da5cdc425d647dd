import { BATCH_TAG } from '../../protocol/frames.js'

/*
 * What a worker may say to node's own code in the primary, and to ours. Node believes every message whose `cmd` begins with
 * `NODE_`, and an assertion of it that fails ends the process: so only what a worker has reason to say gets there.
 */

export type Judgement =
  | 'pass'
  /** It may pass with its handle, if node can use that. */
  | 'claim'
  /** It may pass, and what came along may not. */
  | 'strip'
  /** Nobody waits for it. */
  | 'drop'
  /** Its handle cannot be handed on; a worker whose handle is never acknowledged is mute from then on. */
  | 'corrupt'

export interface NodeMessage {
  readonly cmd: string
  readonly [field: string]: unknown
}

export interface MessageContext {
  /** A descriptor came along. */
  readonly handle: boolean
  /** A descriptor has been sent, and not been acknowledged. */
  readonly awaitsHandle: boolean
}

type Judge = (message: NodeMessage, context: MessageContext) => Judgement

export function judge(message: NodeMessage, context: MessageContext): Judgement {
  return judges.get(message.cmd)?.(message, context) ?? 'drop'
}

const HANDLE_TYPES = new Set([
  'net.Native',
  'net.Server',
  'net.Socket',
  'net.BoundSocket',
  'dgram.Native',
  'dgram.Socket',
])

const acknowledgement: Judge = (_, { awaitsHandle }) => (awaitsHandle ? 'pass' : 'drop')
const keyed: Judge = ({ key }) => passIf(typeof key === 'string')

const judges = new Map<string, Judge>([
  // No frame brings a handle to the primary.
  [BATCH_TAG, (_, { handle }) => (handle ? 'strip' : 'pass')],
  ['NODE_HANDLE_ACK', acknowledgement],
  ['NODE_HANDLE_NACK', acknowledgement],
  [
    'NODE_HANDLE',
    ({ type, msg, key }, { handle }) => {
      // Without one it got lost on the way, and node says so to the sender.
      if (!handle) return 'pass'
      return HANDLE_TYPES.has(type as string) && msg !== undefined && optional(key, isText) ? 'claim' : 'corrupt'
    },
  ],
  ['NODE_CLUSTER', (message) => acts.get(message.act)?.(message) ?? 'drop'],
  ['NODE_SOCKET_NOTIFY_CLOSE', keyed],
  ['NODE_SOCKET_ALL_CLOSED', keyed],
  ['NODE_SOCKET_GET_COUNT', keyed],
  ['NODE_SOCKET_COUNT', ({ key, count }) => passIf(isText(key) && isWhole(count))],
])

/**
 * Of node's cluster. `ack` is no worker's to send: it answers the hand-off of node's own round robin, which is not in use.
 * Neither is its way to listen, but for datagrams.
 */
const acts = new Map<unknown, (message: NodeMessage) => Judgement>([
  ['online', ({ ack }) => passIf(ack === undefined)],
  ['exitedAfterDisconnect', ({ ack, seq }) => passIf(ack === undefined && isWhole(seq))],
  [
    'listening',
    ({ ack, address, addressType, port, fd }) =>
      passIf(
        ack === undefined &&
          optional(address, isText) &&
          optional(addressType, (type) => isText(type) || isWhole(type)) &&
          optional(port, isPort) &&
          optional(fd, isWhole),
      ),
  ],
  [
    'queryServer',
    ({ ack, seq, address, addressType, port, fd, index, flags, data }) =>
      passIf(
        ack === undefined &&
          isWhole(seq) &&
          (addressType === 'udp4' || addressType === 'udp6') &&
          optional(address, isText) &&
          optional(port, isPort) &&
          optional(fd, isWhole) &&
          optional(index, isWhole) &&
          optional(flags, isWhole) &&
          optional(data, () => false),
      ),
  ],
  ['close', ({ ack, key }) => passIf(ack === undefined && isText(key))],
])

function passIf(holds: boolean): Judgement {
  return holds ? 'pass' : 'drop'
}

function optional(value: unknown, check: (value: unknown) => boolean): boolean {
  return value === undefined || value === null || check(value)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value)
}

/** -1 stands for a unix socket, as in node's own messages. */
function isPort(value: unknown): boolean {
  return isWhole(value) && (value as number) >= -1 && (value as number) <= 65_535
}
