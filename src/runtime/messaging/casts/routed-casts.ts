import { toRecord } from '../../../protocol/error-record.js'
import type { TroupeError } from '../../../protocol/errors.js'
import type { CallFrame } from '../../../protocol/frames.js'
import type { DropLog } from '../../drop-log.js'
import { nameOf, type RouteDirectory } from '../directory.js'
import type { CastProgress, Endpoint } from '../endpoint.js'
import type { WaitingRoom } from '../waiting-room.js'
import { CAST_NOTICE } from './cast-room.js'

/** A cast that waits for a worker that is starting. It has no route: nobody waits for it. */
export interface HeldCast {
  readonly id?: undefined
  readonly caller: Endpoint
  readonly frame: CallFrame
}

export interface RoutedCastsOptions {
  readonly directory: RouteDirectory
  readonly room: Pick<WaitingRoom<HeldCast>, 'enter'>
  readonly drops: DropLog
}

/**
 * The router's way for casts: sent on, held for a worker that is starting, or dropped. A worker that cast is told what was
 * dropped, and how far it has come, which is no further than what the link to its target has taken: so it goes no faster.
 */
export class RoutedCasts {
  readonly #options: RoutedCastsOptions
  /** Where the last one went, whose link then tells how fast more may follow. */
  #lastTo: Endpoint | undefined

  constructor(options: RoutedCastsOptions) {
    this.#options = options
  }

  route(caller: Endpoint, frame: CallFrame): void {
    const { directory, room } = this.#options
    if (frame.to === 'any') directory.nextTurn()
    const { method, payload } = frame
    const resolution = directory.resolve(frame.to)
    if (resolution.kind === 'deliver') {
      const target = directory.endpoints.get(resolution.incarnation)
      this.#lastTo = target
      target?.send({ kind: 'invoke', from: caller.ref, method, payload })
      this.#passed(caller, frame, target)
    } else if (resolution.kind === 'wait') {
      if (room.enter(resolution.room, { caller, frame })) this.#tell(caller, frame, true)
      else this.drop(caller, frame, directory.noRoom(frame))
    } else this.drop(caller, frame, directory.refusalOf(resolution, nameOf(frame)))
  }

  /** A worker that sent it is told, and logs it if nobody waits for it any more; the primary asks before it casts. */
  drop(caller: Endpoint, frame: CallFrame, error: TroupeError): void {
    const { drops } = this.#options
    if (frame.cast === undefined) return drops.add(`cast ${error.code}`, `a cast was dropped: ${error.message}`)
    drops.total++
    progressOf(caller, frame).held = true
    caller.send({ kind: 'dropped', to: frame.to, cast: frame.cast, error: toRecord(error) })
  }

  /** Resolves when the link that the last one was given to has taken it. */
  flushed(): Promise<void> | undefined {
    return this.#lastTo?.flushed()
  }

  /** Told when it is time, and the link has taken it. */
  #passed(caller: Endpoint, frame: CallFrame, target: Endpoint | undefined): void {
    if (frame.cast === undefined) return
    const progress = progressOf(caller, frame)
    // One that had to wait for a worker is older than what has been said since.
    progress.at = Math.max(progress.at, frame.cast)
    if (progress.due || (!progress.held && progress.at - progress.said < CAST_NOTICE)) return
    // One worker of many that does not read must not hold up what is for any of them.
    const flushed = frame.to === 'any' ? undefined : target?.flushed()
    if (!flushed) return this.#tell(caller, frame, false)
    progress.due = true
    void flushed.then(() => {
      progress.due = false
      this.#tell(caller, frame, false)
    })
  }

  #tell(caller: Endpoint, { to, cast }: CallFrame, held: boolean): void {
    if (cast === undefined) return
    const progress = progressOf(caller, { to })
    progress.at = Math.max(progress.at, cast)
    progress.said = progress.at
    progress.held = held
    caller.send({ kind: 'passed', to, cast: progress.at, held: held || undefined })
  }
}

/** At first nothing is known of the way there, so that the first cast is waited for. */
function progressOf(caller: Endpoint, { to }: Pick<CallFrame, 'to'>): CastProgress {
  let progress = caller.casts.get(to)
  if (!progress) {
    progress = { at: 0, said: 0, held: true, due: false }
    caller.casts.set(to, progress)
  }
  return progress
}
