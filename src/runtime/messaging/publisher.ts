import { CallTimeoutError, ClusterClosedError, MailboxFullError, type TroupeError } from '../../protocol/errors.js'
import type { Payload, PublishFrame, ReceiptFrame } from '../../protocol/frames.js'
import { acknowledgementOf } from './broadcast.js'
import type { CallerOptions } from './caller.js'
import { handOver } from './messaging-link.js'
import { Pending } from './pending.js'

/** How much later than the router a publisher gives up by itself: only a primary that does not run at all is that late. */
const RECEIPT_GRACE = 1_000

/** As with calls: made by whoever takes it, for the stack. */
type Answer = ReceiptFrame | (() => TroupeError)

/** The messages that this process publishes, and the receipts that it waits for. */
export class Publisher {
  readonly #options: CallerOptions
  readonly #pending: Pending<Answer>
  #closed = false

  constructor(options: CallerOptions) {
    this.#options = options
    this.#pending = new Pending(options.clock)
  }

  async publish(channel: string, payload: Payload, self: boolean): Promise<void> {
    const { link, clock, timeouts } = this.#options
    const name = this.#check(channel)
    link.send({ kind: 'publish', channel, payload, self })
    await handOver(link.publishFlushed(), clock, timeouts.call, name)
  }

  async publishAndConfirm(channel: string, payload: Payload, self: boolean, timeout: number): Promise<ReceiptFrame> {
    const { link, clock, limits } = this.#options
    const name = this.#check(channel)
    // Each waits for handlers elsewhere, which may be slow: as many as a link may hold.
    if (this.#pending.size >= limits.link)
      throw new MailboxFullError({ ...name, limit: limits.link, queue: 'link', sent: 'no' })
    const deadline = clock.now() + timeout
    const answer = await new Promise<Answer>((settle) => {
      const method = acknowledgementOf(channel)
      const ref = this.#pending.open(
        deadline + RECEIPT_GRACE,
        settle,
        () => () =>
          new CallTimeoutError({ target: 'primary', method, timeout, sent: 'maybe', stage: { kind: 'unknown' } }),
      )
      link.send({ kind: 'publish', channel, payload, self, ref, deadline } satisfies PublishFrame)
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
    if (link.full) throw new MailboxFullError({ ...name, limit: limits.link, queue: 'link', sent: 'no' })
    return name
  }
}
