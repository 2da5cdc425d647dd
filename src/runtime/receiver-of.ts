import type { BrokeredFrame, ConnectionUpFrame, LifeUpFrame, LinkingUpFrame, UpFrame } from '../protocol/frames.js'

/** The part of the primary that a frame of a worker is for. */
export type FrameReceiver = 'router' | 'life' | 'connections' | 'links' | 'broker'

/** By kind. What is not here, which is nearly all there is, is the router's. */
const RECEIVERS: ReadonlyMap<string, FrameReceiver> = new Map(
  Object.entries({
    hello: 'life',
    join: 'life',
    ready: 'life',
    listens: 'life',
    load: 'life',
    drained: 'life',
    released: 'life',
    health: 'life',
    listen: 'connections',
    unlisten: 'connections',
    taken: 'connections',
    refused: 'connections',
    live: 'connections',
    fence: 'links',
    busy: 'links',
    link: 'broker',
    met: 'broker',
    unlinked: 'broker',
    parted: 'broker',
  } satisfies Record<LifeUpFrame['kind'], 'life'> &
    Record<ConnectionUpFrame['kind'], 'connections'> &
    Record<BrokeredFrame['kind'], 'broker'> &
    Record<Exclude<LinkingUpFrame, BrokeredFrame>['kind'], 'links'>),
)

export function receiverOf(frame: UpFrame): FrameReceiver {
  return RECEIVERS.get(frame.kind) ?? 'router'
}
