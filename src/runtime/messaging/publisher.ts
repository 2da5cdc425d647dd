import { CallTimeoutError, ClusterClosedError, MailboxFullError, type TroupeError } from '../../protocol/errors.js'
import type { PublishFrame, ReceiptFrame } from '../../protocol/frames.js'
import { deadlineOf } from '../clock.js'
import { acknowledgementOf } from './broadcast.js'
import type { SendingOptions } from './caller.js'
import { HandOver } from './messaging-link.js'
import { Pending, Request } from './pending.js'

/** How much later than the router a publisher gives up by itself: only a primary that does not run at all is that late. */
const RECEIPT_GRACE = 1_000

/** As with calls: made by whoever takes it, for the stack. */
type Answer = ReceiptFrame | (() => TroupeError)

export type OutgoingMessage = Pick<PublishFrame, 'channel' | 'payload' | 'self' | 'overflow'>

/** The messages that this process publishes, and the receipts that it waits for. */
export class Publisher {
  readonly #options: SendingOptions
  readonly #pending: Pending<Answer>
  readonly #handOver: HandOver
  #closed = false

  constructor(options: SendingOptions) {
    this.#options = options
    this.#pending = new Pending(options.clock)
    this.#handOver = new HandOver(options.clock, options.timeouts.call)
  }

  async publish(message: OutgoingMessage): Promise<void> {
    const { link } = this.#options
    const name = this.#check(message.channel)
    link.send({ kind: 'publish', ...message })
    await this.#handOver.done(link.publishFlushed(), name)
  }

  async publishAndConfirm(message: OutgoingMessage, timeout: number): Promise<ReceiptFrame> {
    const { channel } = message
    const { link, clock, limits } = this.#options
    const name = this.#check(channel)
    // Each waits for handlers elsewhere, which may be slow: as many as a link may hold.
    if (this.#pending.size >= limits.link)
      throw new MailboxFullError({ ...name, limit: limits.link, queue: 'link', sent: 'no' })
    const deadline = deadlineOf(clock.now(), timeout)
    const answer = await new Promise<Answer>((settle) => {
      const method = acknowledgementOf(channel)
      const timedOut = (): TroupeError =>
        new CallTimeoutError({ target: 'primary', method, timeout, sent: 'maybe', stage: { kind: 'unknown' } })
      const receipt = new AwaitedReceipt(settle, () => this.#pending.settle(receipt.id, timedOut))
      this.#pending.open(deadline + RECEIPT_GRACE, receipt)
      link.send({ kind: 'publish', ...message, ref: receipt.id, deadline } satisfies PublishFrame)
    })
    if (typeof answer === 'function') throw answer()
    return answer
  }

  /** False when nobody waits for it. */
  settle(receipt: ReceiptFrame): boolean {
    return this.#pending.settle(receipt.ref, receipt)
  }

  close(): void {
    this.#closed = true
    this.#pending.settleAll(() => new ClusterClosedError({ method: 'publish', sent: 'maybe' }))
  }

  #check(channel: string): { target: 'primary'; method: string } {
    const { link, limits } = this.#options
    const name = { target: 'primary', method: `publish to ${channel}` } as const
    if (this.#closed) throw new ClusterClosedError(name)
    if (link.isFull(0)) throw new MailboxFullError({ ...name, limit: limits.link, queue: 'link', sent: 'no' })
    return name
  }
}

class AwaitedReceipt extends Request<Answer> {
  readonly settle: (answer: Answer) => void
  readonly due: () => void

  constructor(settle: (answer: Answer) => void, due: () => void) {
    super()
    this.settle = settle
    this.due = due
  }
}
