import { MailboxFullError } from '../../protocol/errors.js'
import type { CallFrame, MessagingDownFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { Transport } from '../../protocol/transport.js'

/** The part of a link that the router writes to. */
export type DownLink = Pick<Transport<MessagingDownFrame, never>, 'send' | 'full' | 'flushed'>

/** One call on its way: who asked, under which number of theirs, and who runs it. */
export interface Route {
  /** The router's own number, which the target answers with. */
  readonly id: number
  readonly caller: Endpoint
  readonly frame: CallFrame & { readonly id: number }
  /** Undefined while it waits for a worker. */
  target: Endpoint | undefined
  /** Processes that were full when an `'any'` call came to them. */
  readonly refusedBy: Set<Endpoint>
}

/** A process as the router sees it: its link, the calls that it serves, and the calls that it waits for. */
export class Endpoint {
  readonly ref: ProcessRef
  readonly #link: DownLink
  readonly #linkLimit: number
  /** Calls that it was sent and has not answered, by route. */
  readonly serving = new Map<number, Route>()
  /** Calls that it made and has no answer to, by its own number. */
  readonly waiting = new Map<number, Route>()

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

  flushed(): Promise<void> {
    return this.#link.flushed()
  }

  /** Answers and control: sent regardless of how full the link is. */
  send(frame: MessagingDownFrame): void {
    this.#link.send(frame)
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
