import type { ConnectionDownFrame, ConnectionUpFrame } from './frames/connections.js'
import type { LinkingDownFrame, LinkingUpFrame } from './frames/direct.js'
import type { LifeDownFrame, LifeUpFrame } from './frames/life.js'
import type { MessagingDownFrame, MessagingUpFrame } from './frames/messaging.js'

export type * from './frames/connections.js'
export type * from './frames/direct.js'
export type * from './frames/life.js'
export type * from './frames/messaging.js'

/**
 * The wire: every message that crosses a link, as one closed union. Data only; `codec.ts` checks what arrives.
 *
 * One message carries one `Batch`. Frames that go towards the router (`UpFrame`) and frames that come from it
 * (`DownFrame`) are different unions: the router lives in the primary, and the primary's own messaging talks to it in
 * the same frames as a worker does.
 *
 * Times are milliseconds of the machine's monotonic clock, which all processes of one machine share.
 */
export const PROTOCOL_VERSION = 6

/**
 * Node hands messages whose `cmd` begins with `NODE_` to `'internalMessage'` listeners alone. That is the property
 * wanted here: our frames never reach a user's `'message'` listener, and are not queued when there is none.
 */
export const BATCH_TAG = 'NODE_TROUPE'

export interface Batch<F> {
  readonly cmd: typeof BATCH_TAG
  /** The number of the handle that came with it, among those of this channel. */
  readonly handle?: number
  readonly frames: readonly F[]
}

export type UpFrame = MessagingUpFrame | LifeUpFrame | ConnectionUpFrame | LinkingUpFrame
export type DownFrame = MessagingDownFrame | LifeDownFrame | ConnectionDownFrame | LinkingDownFrame
