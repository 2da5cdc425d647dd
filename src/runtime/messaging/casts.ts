import type { TroupeError } from '../../protocol/errors.js'
import type { CallFrame } from '../../protocol/frames.js'
import type { DropLog } from '../drop-log.js'
import { type Directory, nameOf } from './directory.js'
import type { Endpoint } from './endpoint.js'
import type { WaitingRoom } from './waiting-room.js'

/** A cast that waits for a worker that is starting. It has no route: nobody waits for it. */
export interface HeldCast {
  readonly id?: undefined
  readonly caller: Endpoint
  readonly frame: CallFrame
}

export interface CastsOptions {
  readonly directory: Directory
  readonly room: Pick<WaitingRoom<HeldCast>, 'enter'>
  readonly drops: DropLog
}

/** The router's way for casts: sent on, held for a worker that is starting, or dropped and logged. */
export class Casts {
  readonly #options: CastsOptions
  /** Where the last one went, whose link then tells how fast more may follow. */
  #lastTo: Endpoint | undefined

  constructor(options: CastsOptions) {
    this.#options = options
  }

  route(caller: Endpoint, frame: CallFrame): void {
    const { directory, room } = this.#options
    if (frame.to === 'any') directory.nextTurn()
    const { method, payload } = frame
    const resolution = directory.resolve(frame.to)
    if (resolution.kind === 'deliver') {
      this.#lastTo = directory.endpoints.get(resolution.incarnation)
      this.#lastTo?.send({ kind: 'invoke', from: caller.ref, method, payload })
    } else if (resolution.kind === 'wait') {
      if (!room.enter(resolution.room, { caller, frame })) this.drop(directory.noRoom(frame))
    } else this.drop(directory.refusalOf(resolution, nameOf(frame)))
  }

  /** The log is told, since nobody else can be. */
  drop(error: TroupeError): void {
    this.#options.drops.add(`cast ${error.code}`, `a cast was dropped: ${error.message}`)
  }

  /** Resolves when the link that the last one was given to has taken it. */
  async flushed(): Promise<void> {
    await this.#lastTo?.flushed()
  }
}
