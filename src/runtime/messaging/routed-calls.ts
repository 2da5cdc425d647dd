import { fromRecord, toRecord } from '../../protocol/error-record.js'
import { type CallDetails, ClusterClosedError, type TroupeError, WorkerGoneError } from '../../protocol/errors.js'
import type {
  CallFrame,
  CreditFrame,
  FailureFrame,
  ItemsFrame,
  ProgressFrame,
  ResultFrame,
  WireTarget,
} from '../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../protocol/ids.js'
import { isDirect } from '../../protocol/routes.js'
import type { Clock } from '../clock.js'
import type { Limits } from '../limits.js'
import { nameOf, type RouteDirectory } from './directory.js'
import type { Ending, Endpoint, Route } from './endpoint.js'
import type { Members } from './members.js'
import { mayRepeat, mayTryAnother } from './retry-policy.js'
import { StreamRoutes } from './streams/stream-routes.js'
import type { WaitingRoom } from './waiting-room.js'

/** One that is made, and has a number at its caller. */
export type NumberedCall = CallFrame & { readonly id: number }

export function isNumbered(frame: CallFrame): frame is NumberedCall {
  return frame.id !== undefined
}

export interface RoutedCallsOptions {
  readonly members: Members
  readonly limits: Limits
  readonly clock: Clock
  readonly directory: RouteDirectory
  readonly room: Pick<WaitingRoom<Route>, 'enter' | 'leave'>
  /** A process may have one call less to answer. */
  readonly fewer: () => void
  /** It has been answered with a value: its target has read all of it, and nobody will send it again. */
  readonly served?: (frame: CallFrame) => void
}

/**
 * The router's way for calls, streams among them: each is sent on under a number of the router's own, waits for a worker
 * that is starting, or is refused; its answer is believed only from the process that it was sent to.
 */
export class RoutedCalls {
  readonly #streams: StreamRoutes
  readonly #options: RoutedCallsOptions
  #lastRoute = 0
  #closed = false
  /** Answers and cancels that fitted no call: late, doubled, or from another process than the one asked. */
  unexpected = 0

  constructor(options: RoutedCallsOptions) {
    this.#options = options
    this.#streams = new StreamRoutes(options.limits, (route, error) => this.#cut(route, error))
  }

  /** None that is new from now on. What a running method still calls is part of what was accepted, and goes on. */
  close(): void {
    this.#closed = true
  }

  /** `number`: where they are not counted from 1, in a worker's own switch. */
  call(caller: Endpoint, frame: NumberedCall, number?: number): void {
    const route: Route = {
      id: number ?? ++this.#lastRoute,
      caller,
      frame,
      target: undefined,
      refused: undefined,
      // Its first process was called over a direct link, and has died: only its caller knows how.
      lost: frame.lost && (fromRecord(frame.lost) as WorkerGoneError),
      told: undefined,
      stream: frame.stream && this.#streams.window(frame.stream),
    }
    caller.waiting.set(frame.id, route)
    if (this.#closed && !this.#isNested(frame)) return this.fail(route, new ClusterClosedError(nameOf(frame)))
    if (frame.to === 'any') this.#options.directory.nextTurn()
    this.#route(route)
  }

  /** One that has waited for a worker, which may be there now. */
  release(route: Route): void {
    if (!route.lost) route.caller.send({ kind: 'held', id: route.frame.id, held: false })
    this.#route(route)
  }

  answer(target: Endpoint, frame: ResultFrame | FailureFrame): void {
    const route = target.serving.delete(frame.id)
    if (!route) {
      this.unexpected++
      return
    }
    if (frame.kind === 'failure' && mayTryAnother(route.frame, frame.error.code) && !this.#closed) {
      route.target = undefined
      route.refused = { by: new Set(route.refused?.by).add(target), error: frame.error }
      this.#route(route)
    } else if (frame.kind === 'failure' && route.lost && wasNotSent(frame)) this.fail(route, route.lost)
    else {
      route.caller.waiting.delete(route.frame.id)
      const { id } = route.frame
      route.caller.send(
        frame.kind === 'result'
          ? { kind: 'result', id, payload: frame.payload }
          : { kind: 'failure', id, error: frame.error },
      )
    }
    this.#options.fewer()
    if (frame.kind === 'result') this.#options.served?.(route.frame)
  }

  /** Kept for the case that this process is heard of no more, and passed on to whoever waits. */
  progress(target: Endpoint, { at, lag, calls }: ProgressFrame): void {
    const byCaller = new Map<Endpoint, ProgressFrame['calls'][number][]>()
    for (const { id, stage } of calls) {
      const route = target.serving.get(id)
      // It has been answered or cancelled meanwhile.
      if (!route) continue
      route.told = { stage, at, lag }
      const told = byCaller.get(route.caller) ?? []
      told.push({ id: route.frame.id, stage })
      byCaller.set(route.caller, told)
    }
    for (const [caller, told] of byCaller) caller.send({ kind: 'progress', at, lag, calls: told })
  }

  cancel(caller: Endpoint, id: number): void {
    const route = caller.waiting.get(id)
    if (route) this.#abandon(route)
    else this.unexpected++
    this.#options.fewer()
  }

  /** A process is gone: those whom it had called may stop, and its own callers learn how it ended. */
  gone(endpoint: Endpoint, ending: Ending): void {
    for (const route of endpoint.waiting.values()) this.#abandon(route)
    for (const route of endpoint.serving.values()) {
      this.#lose(route, this.#goneError(route, endpoint.ref, ending))
    }
  }

  items(sender: Endpoint, frame: ItemsFrame): void {
    if (!this.#streams.items(sender, frame)) this.unexpected++
  }

  credit(reader: Endpoint, frame: CreditFrame): void {
    if (!this.#streams.credit(reader, frame)) this.unexpected++
  }

  /** How many have not ended. */
  openStreams(): number {
    return this.#streams.open(this.#options.directory.endpoints.values())
  }

  // ------------------------------------------------------------------------------------------ the way

  #route(route: Route): void {
    const { frame } = route
    const resolution = this.#options.directory.resolve(frame.to, route.refused?.by)
    if (resolution.kind === 'deliver') return this.#deliver(route, resolution.incarnation)
    if (resolution.kind === 'wait') return this.#hold(route, resolution.room)
    // Those who were asked know more than that nobody is left to ask.
    if (resolution.kind === 'full' && route.refused) return this.fail(route, fromRecord(route.refused.error))
    this.fail(route, this.#options.directory.refusalOf(resolution, nameOf(frame)))
  }

  /** Until the members change. A call that has been sent before is not called unsent to its caller. */
  #hold(route: Route, room: WireTarget): void {
    const { frame, caller, lost } = route
    if (!this.#options.room.enter(room, route)) return this.fail(route, this.#options.directory.noRoom(frame))
    if (!lost) caller.send({ kind: 'held', id: frame.id, held: true })
  }

  #deliver(route: Route, incarnation: Incarnation): void {
    const target = this.#options.directory.endpoints.get(incarnation)
    const { frame, caller } = route
    // Between the end of a link and the supervisor's word of it, which will say what becomes of the worker.
    if (!target) return this.#hold(route, frame.to)
    route.target = target
    target.serving.set(route.id, route)
    target.send({
      kind: 'invoke',
      route: route.id,
      from: caller.ref,
      method: frame.method,
      payload: frame.payload,
      deadline: frame.deadline,
      chain: frame.chain,
      key: frame.key,
      stream: route.stream?.room,
    })
  }

  /** Made by a method that is still running? Then whoever waits for that method waits for this. */
  #isNested({ chain = [] }: CallFrame): boolean {
    const endpoints = [...this.#options.directory.endpoints.values()]
    // What runs for a worker over a direct link is not seen from here, and is believed.
    return chain.some(([route]) => isDirect(route) || endpoints.some(({ serving }) => serving.has(route)))
  }

  // ----------------------------------------------------------------------------------------- the ends

  /** The caller waits no more: the target may stop, and its answer, if it comes, is dropped. */
  #abandon(route: Route): void {
    route.caller.waiting.delete(route.frame.id)
    this.#options.room.leave(route)
    if (!route.target) return
    route.target.serving.delete(route.id)
    route.target.send({ kind: 'cancel', id: route.id })
  }

  #goneError({ frame, told, stream }: Route, ref: ProcessRef, ending: Ending): WorkerGoneError {
    const known = told && { stage: told.stage, age: this.#options.clock.now() - told.at }
    const hasBegun = told?.stage.kind === 'running' || hasItems(stream)
    const sent = hasBegun ? 'yes' : 'maybe'
    return new WorkerGoneError({ ...nameOf(frame), ...ref, ...ending, ...known, sent })
  }

  /** Its process died before it answered: the replacement gets it, or another worker, if it may happen twice. */
  #lose(route: Route, error: WorkerGoneError): void {
    const { frame, lost, stream } = route
    if (
      this.#closed ||
      hasItems(stream) ||
      !mayRepeat(lost !== undefined, this.#options.members.traits(frame.to, frame.method))
    )
      return this.fail(route, error)
    route.lost = error
    route.told = undefined
    route.target?.serving.delete(route.id)
    route.target = undefined
    this.#route(route)
  }

  /** Of a call that was sent before, no later refusal may say that it was not. */
  fail(route: Route, error: TroupeError): void {
    const told = error.sent === 'no' ? (route.lost ?? error) : error
    route.caller.waiting.delete(route.frame.id)
    route.target?.serving.delete(route.id)
    route.caller.send({ kind: 'failure', id: route.frame.id, error: toRecord(told) })
  }

  /** Ended by the router: both sides learn it. */
  #cut(route: Route, error: TroupeError): void {
    this.fail(route, error)
    route.target?.send({ kind: 'cancel', id: route.id })
    this.#options.fewer()
  }
}

/** A stream that has begun cannot begin anew: its reader would get the first items twice. */
function hasItems(stream: Route['stream']): boolean {
  return stream !== undefined && stream.sent > 0
}

function wasNotSent({ error }: FailureFrame): boolean {
  return (error.details as CallDetails).sent === 'no'
}
