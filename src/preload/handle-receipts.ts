import { BATCH_TAG, HANDLE_RECEIPT } from '../protocol/frames.js'

/*
 * Node acknowledges every handle with a message of its own, before anybody has seen it, and the sender's node sends no other
 * handle before that. The answer to a hand-off follows at once: written apart, each connection costs two messages from here,
 * and two wake-ups of the primary.
 */

/** What is used of `process`. `_send` and `_disconnect` are the same from Node 20 to 26; without them all goes as node has it. */
export interface HandleReceiver {
  _send?: Send
  _disconnect?: (this: HandleReceiver) => void
  prependListener(event: 'internalMessage', listener: (message: Internal) => void): unknown
  on(event: 'internalMessage', listener: (message: Internal) => void): unknown
}

type Send = (this: HandleReceiver, message: unknown, handle: unknown, options: unknown, written?: unknown) => boolean

interface Internal {
  readonly cmd?: unknown
  readonly msg?: unknown
  readonly frames?: unknown
}

/**
 * Lets node's receipt for a handle that one of our messages brought go out with our next frames: it waits from when node
 * writes it until our message has been handled, a tick later. Nothing else that is sent waits. Call it when the link to the
 * primary is made, whose listener has to be there before this one's.
 */
export function joinHandleReceipts(channel: HandleReceiver): void {
  const { _send: send, _disconnect: disconnect } = channel
  if (!send || !disconnect) return
  let isOurs = false
  let waits = false
  const release = (): void => {
    if (!waits) return
    waits = false
    send.call(channel, { cmd: HANDLE_RECEIPT }, null, true)
  }
  channel.prependListener('internalMessage', ({ cmd, msg }) => {
    isOurs = cmd === 'NODE_HANDLE' && isBatch(msg)
  })
  channel._send = function _send(this: HandleReceiver, message, handle, options, written) {
    if (isOurs && (message as Internal | null)?.cmd === HANDLE_RECEIPT) {
      isOurs = false
      waits = true
      return true
    }
    if (!waits || handle || !isBatch(message)) return send.call(this, message, handle, options, written)
    waits = false
    return send.call(this, { cmd: HANDLE_RECEIPT, frames: message.frames }, null, options, written)
  }
  // Nobody had anything to say to it.
  channel.on('internalMessage', (message) => {
    if (waits && isBatch(message)) release()
  })
  // A primary that waits for a receipt does not see the end of the channel.
  channel._disconnect = function _disconnect(this: HandleReceiver) {
    release()
    disconnect.call(this)
  }
}

function isBatch(message: unknown): message is Internal {
  return (message as Internal | null)?.cmd === BATCH_TAG
}
