import type { PeerLink } from './peer-link.js'
import type { PeerLinks } from './peer-links.js'

export interface PartingOptions {
  readonly links: Pick<PeerLinks, 'living'>
  /** A link may still come to be that this side has dialled. */
  readonly isDialling: () => boolean
  /** No call comes by a link any more, and those that had come are answered. */
  readonly parted: () => void
}

/** How a worker leaves its links before it is removed: asks everybody to send no more calls, and answers those that have come. */
export class Parting {
  readonly #options: PartingOptions
  #isUnderWay = false

  constructor(options: PartingOptions) {
    this.#options = options
  }

  begin(): void {
    this.#isUnderWay = true
    for (const link of this.#options.links.living()) if (link.isOpen) ask(link)
    this.check()
  }

  /** That link has just been opened. */
  opened(link: PeerLink): void {
    if (this.#isUnderWay) ask(link)
  }

  /** Something may have been the last: a call has ended, a link has, the other side has promised. */
  check(): void {
    if (!this.#isUnderWay) return
    const { links, isDialling, parted } = this.#options
    // One that has been dialled and not answered may be open on the other side already.
    if (isDialling()) return
    const living = links.living()
    if (!living.every((link) => link.isParted)) return
    this.#isUnderWay = false
    // Their answers have to leave before this process does.
    void Promise.all(living.map(({ transport }) => transport.flushed())).then(parted)
  }
}

function ask(link: PeerLink): void {
  link.leaving = true
  if (link.asked) return
  link.asked = true
  link.transport.send({ kind: 'leave' })
}
