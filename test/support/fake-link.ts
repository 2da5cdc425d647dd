import type { DownFrame, MessagingDownFrame } from '../../src/protocol/frames.js'
import type { DownLink } from '../../src/runtime/messaging/endpoint.js'

/** A link that remembers what was sent, and is full or unflushed when a test says so. */
export class FakeLink implements DownLink {
  sent: MessagingDownFrame[] = []
  full = false
  held = 0
  /** While false, whoever waits for the flush waits. */
  flushes = true
  #waiting: (() => void)[] = []

  send(frame: MessagingDownFrame): void {
    this.sent.push(frame)
  }

  flushed(): Promise<void> {
    return this.flushes ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  drop(matches: (frame: DownFrame) => boolean): MessagingDownFrame | undefined {
    const index = this.sent.findIndex(matches)
    return index < 0 ? undefined : this.sent.splice(index, 1)[0]
  }

  /** Writes all it has. */
  flush(): void {
    this.flushes = true
    for (const resolve of this.#waiting) resolve()
    this.#waiting = []
  }

  /** What was sent since the last time somebody asked. */
  take(): MessagingDownFrame[] {
    const { sent } = this
    this.sent = []
    return sent
  }
}
