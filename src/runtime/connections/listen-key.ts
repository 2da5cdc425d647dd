import type { ListenFrame } from '../../protocol/frames.js'

type Address = Pick<ListenFrame, 'address' | 'port' | 'addressType' | 'fd'>

export function addressKey({ address, port, addressType, fd }: Address): string {
  return `${address}:${port}:${addressType}:${fd}`
}

/** Servers that ask for the same share a socket; several on port 0 in one process do not share one. */
export function listenerKey(frame: Address & Pick<ListenFrame, 'index'>): string {
  return frame.port === 0 ? `${addressKey(frame)}:${frame.index}` : addressKey(frame)
}
