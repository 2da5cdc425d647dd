import type { ErrorRecord } from '../../protocol/error-record.js'
import { MailboxFullError, type WorkerGoneDetails, type WorkerGoneError } from '../../protocol/errors.js'
import type { CallFrame, DownFrame, MessageFrame, MessagingDownFrame, WireTarget } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { Transport } from '../../protocol/transport.js'
import { Numbered } from '../numbered.js'
import type { Told } from './call-evidence.js'
import type { StreamWindow } from './streams/stream-window.js'

/** The part of a link that the router writes to. */
export type DownLink = Pick<Transport<MessagingDownFrame, never>, 'send' | 'full' | 'held' | 'flushed'> &
  Pick<Transport<DownFrame, never>, 'drop'>

/** How a process ended, as the supervisor knows it. */
export type Ending = Pick<WorkerGoneDetails, 'pid' | 'exitCode' | 'signal' | 'outOfMemory' | 'output'>

/** One call on its way: who asked, under which number of theirs, and who runs it. */
export interface Route {
  /** The router's own number, which the target answers with. */
  readonly id: number
  readonly caller: Endpoint
  readonly frame: CallFrame & { readonly id: number }
  /** Undefined while it waits for a worker. */
  target: Endpoint | undefined
  /** Processes that could not take an `'any'` call, and why the last of them could not. */
  refused: { readonly by: ReadonlySet<Endpoint>; readonly error: ErrorRecord } | undefined
  /** How the process ended that had it first, when it is sent a second time: what the caller learns if that comes to nothing. */
  lost: WorkerGoneError | undefined
  /** What its target said of it last, and when. */
  told: Told | undefined
  /** Of a stream: how much of it is on its way. */
  readonly stream: StreamWindow | undefined
}

/** How far the casts of one process to one address have come, by their places (`casts/cast-room.ts`). */
export interface CastProgress {
  /** Passed on last. */
  at: number
  /** What its sender was told of that last. */
  said: number
  /** Its sender waits for word of every cast. */
  held: boolean
  /** It will be told when the target's link has taken what it has. */
  due: boolean
}

/** A process as the router sees it: its link, the calls that it serves, and the calls that it waits for. */
export class Endpoint {
  readonly ref: ProcessRef
  readonly #link: DownLink
  readonly #linkLimit: number
  /** Calls that it was sent and has not answered, by route. */
  readonly serving = new Numbered<Route>()
  /** Calls that it made and has no answer to, by its own number. */
  readonly waiting = new Numbered<Route>()

  /** Of the casts that it makes, by their address. */
  readonly casts = new Map<WireTarget, CastProgress>()

  /** Calls that it serves for other workers over direct links, as it last said. */
  directCalls = 0

  /** It takes no new calls, because it is about to be removed. */
  leaving = false

  constructor(ref: ProcessRef, link: DownLink, linkLimit: number) {
    this.ref = ref
    this.#link = link
    this.#linkLimit = linkLimit
  }

  get full(): boolean {
    return this.#link.full
  }

  /** Bytes that it has not read. */
  get held(): number {
    return this.#link.held
  }

  flushed(): Promise<void> | undefined {
    return this.#link.flushed()
  }

  /** Answers and control: sent regardless of how full the link is. */
  send(frame: MessagingDownFrame): void {
    this.#link.send(frame)
  }

  /** Takes back the oldest message of a channel that this process has not been sent yet. */
  dropOldest(channel: string): MessageFrame | undefined {
    const frame = this.#link.drop((frame) => frame.kind === 'message' && frame.channel === channel)
    return frame?.kind === 'message' ? frame : undefined
  }

  /** Data: refused, with the error that says so, when the link holds all that it may. */
  sendData(frame: MessagingDownFrame): MailboxFullError | undefined {
    if (this.#link.full)
      return new MailboxFullError({
        target: this.ref.id || 'primary',
        limit: this.#linkLimit,
        queue: 'link',
        sent: 'no',
      })
    this.#link.send(frame)
    return undefined
  }
}
