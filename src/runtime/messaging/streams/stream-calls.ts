import { toCallerError } from '../../../protocol/declared-errors.js'
import {
  CallAbortedError,
  ClusterClosedError,
  MailboxFullError,
  PayloadError,
  type Sent,
  TroupeError,
} from '../../../protocol/errors.js'
import type {
  FailureFrame,
  ItemsFrame,
  Payload,
  ResultFrame,
  StreamRoom,
  WireTarget,
} from '../../../protocol/frames.js'
import { AbortSignals } from '../../abort-signals.js'
import { deadlineOf, nextTurn } from '../../clock.js'
import { activeContext, type GivenUp, givenUpBy } from '../call-context.js'
import { type CallName, nameOf } from '../call-name.js'
import type { CallerOptions } from '../caller.js'
import { RemoteStream } from './remote-stream.js'
import { type StreamEnd, StreamReader, type StreamRule } from './stream-reader.js'

/** A stream as it is asked for: everything checked. */
export interface StreamRequest {
  readonly to: WireTarget
  readonly method: string
  /** Encodes the arguments. What it throws is what the stream ends with. */
  readonly payload: () => Payload
  readonly timeout: number
  readonly idle: number
  /** Undefined: it may go on for ever. */
  readonly total: number | undefined
  /** Items that may be on their way at once. */
  readonly window: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface StreamCallsOptions extends Pick<CallerOptions, 'link' | 'clock' | 'limits' | 'evidence'> {
  /** Numbers that no call of this process has. */
  readonly nextId: () => number
}

/** Bytes of room for the streams of a process that reads very many. A larger item goes alone. */
const LEAST_ROOM = 1_024

/** A stream that this process reads and that has not ended. */
interface Open {
  readonly reader: StreamReader
  readonly room: StreamRoom
  readonly name: CallName
  readonly release: (() => void)[]
}

/**
 * The streams that this process reads, by the number under which they were asked for. Whatever ends one first takes it out
 * (the generator's end, an error, the reader's leaving, a limit of time, the end of the link), and only that counts.
 */
export class StreamCalls {
  readonly #options: StreamCallsOptions
  readonly #open = new Map<number, Open>()
  readonly #signals = new AbortSignals()
  #closed = false

  constructor(options: StreamCallsOptions) {
    this.#options = options
  }

  /** How many have not ended. */
  get size(): number {
    return this.#open.size
  }

  get largestWindow(): number {
    return this.#options.limits.stream
  }

  /** Sends the call. What is wrong with it is what the first `next()` rejects with, as for an async generator. */
  open(request: StreamRequest): RemoteStream {
    const { link, clock, limits } = this.#options
    const { to, method, signal, total, timeout, idle, window = limits.stream } = request
    const context = activeContext()
    const id = this.#options.nextId()
    const name = nameOf(to, method)
    const started = clock.now()
    const deadline = Math.min(
      total === undefined ? Number.POSITIVE_INFINITY : deadlineOf(started, total),
      context?.deadline ?? Number.POSITIVE_INFINITY,
    )
    const room = { items: window, bytes: this.#roomLeft() }
    const reader = new StreamReader({
      room,
      clock,
      timeout,
      idle,
      deadline,
      credit: (taken) => link.send({ kind: 'credit', id, ...taken }),
      expired: (rule, due) => {
        const times = { item: timeout, idle, total: Math.min(total ?? Number.POSITIVE_INFINITY, deadline - started) }
        this.#expire(id, { rule, due, timeout: times[rule] })
      },
    })
    const stream = new RemoteStream({ name, reader, leave: () => this.#leave(id, reader) })
    try {
      const payload = request.payload()
      this.#check(to, name, givenUpBy(signal, context))
      link.send({
        kind: 'call',
        id,
        to,
        method,
        payload,
        deadline: deadline === Number.POSITIVE_INFINITY ? undefined : deadline,
        chain: context?.chain,
        stream: room,
      })
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error
      reader.finish({ kind: 'failed', error: () => error }, true)
      return stream
    }
    const open: Open = { reader, room, name, release: [] }
    this.#open.set(id, open)
    const abort = (reason: unknown): void => {
      const sent = this.#sentOf(id, open)
      this.#giveUp(id, () => new CallAbortedError({ ...name, sent }, { cause: reason }), true)
    }
    if (signal) open.release.push(this.#signals.on(signal, abort))
    if (context) {
      const registration = context.onAbort({ aborted: abort })
      open.release.push(() => context.offAbort(registration))
    }
    return stream
  }

  /** All of them together hold what a link may hold, whose other end keeps it while this process does not read. */
  #roomLeft(): number {
    const { linkBytes, streamBytes } = this.#options.limits
    let taken = 0
    for (const { room } of this.#open.values()) taken += room.bytes
    return Math.min(streamBytes, Math.max(LEAST_ROOM, Math.floor((linkBytes - taken) / 2)))
  }

  isOpen(id: number): boolean {
    return this.#open.has(id)
  }

  /** Items from the router. False when nobody reads that stream, or has these already. */
  items(frame: ItemsFrame): boolean {
    const open = this.#open.get(frame.id)
    const arrival = open?.reader.accept(frame)
    if (open && arrival === 'broken') {
      const reason = 'did not arrive whole: an item is missing, or more came than were asked for'
      this.#giveUp(frame.id, () => new PayloadError({ path: 'the stream', reason, ...open.name, sent: 'yes' }), false)
    }
    return arrival === 'next'
  }

  /** The end, as its target or the router says. False when nobody reads that stream. */
  settle(frame: ResultFrame | FailureFrame): boolean {
    return frame.kind === 'result'
      ? this.#end(frame.id, { kind: 'returned', payload: frame.payload }, false)
      : this.#end(frame.id, { kind: 'failed', error: () => toCallerError(frame.error) }, false)
  }

  /** The link has ended. Streams whose generators run in this very process learn it too. */
  close(): void {
    this.#closed = true
    for (const [id, open] of [...this.#open]) {
      const sent = this.#sentOf(id, open)
      this.#giveUp(id, () => new ClusterClosedError({ ...open.name, sent }), false)
    }
  }

  #check(to: WireTarget, name: CallName, givenUp: GivenUp | undefined): void {
    const { link, limits } = this.#options
    if (this.#closed) throw new ClusterClosedError(name)
    if (link.isFull(to)) throw new MailboxFullError({ ...name, limit: limits.link, queue: 'link', sent: 'no' })
    if (givenUp) throw new CallAbortedError(name, { cause: givenUp.reason })
  }

  #leave(id: number, reader: StreamReader): void {
    if (this.#take(id)) this.#options.link.send({ kind: 'cancel', id })
    reader.leave()
  }

  #giveUp(id: number, error: () => Error, atOnce: boolean): void {
    if (this.#end(id, { kind: 'failed', error }, atOnce)) this.#options.link.send({ kind: 'cancel', id })
  }

  #end(id: number, end: StreamEnd, atOnce: boolean): boolean {
    const open = this.#take(id)
    open?.reader.finish(end, atOnce)
    return open !== undefined
  }

  #take(id: number): Open | undefined {
    const open = this.#open.get(id)
    this.#open.delete(id)
    this.#options.evidence.forget(id)
    for (const undo of open?.release ?? []) undo()
    return open
  }

  /** When it seems to wait in the primary still, what has arrived meanwhile is read first: it may have been sent long since. */
  #expire(id: number, late: { readonly rule: StreamRule; readonly due: number; readonly timeout: number }): void {
    const { clock, evidence } = this.#options
    const expire = (): void => {
      const open = this.#open.get(id)
      const { rule, ...times } = late
      if (!open?.reader.isLate(rule)) return
      const error = evidence.lateError(id, { name: open.name, ...times, stream: { rule, items: open.reader.arrived } })
      // Who said how long the whole may take wants nothing after it; what arrived before another limit is still good.
      this.#giveUp(id, error, rule === 'total')
    }
    if (evidence.isHeld(id)) nextTurn(clock, expire)
    else expire()
  }

  #sentOf(id: number, { reader }: Open): Sent {
    return reader.arrived > 0 || this.#options.evidence.hasBegun(id) ? 'yes' : 'maybe'
  }
}
