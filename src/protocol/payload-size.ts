import { PartsPayload } from './binary-parts.js'
import type { InlinePayload, Payload } from './frames.js'

/**
 * Inline payloads that know how large they are, near enough, so that a queue of them can be bounded in bytes without writing
 * them twice. On the wire they are their own fields and nothing else.
 */
class Sized {
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  static of(payload: object): number {
    return #size in payload ? payload.#size : 0
  }
}

class PlainPayload extends Sized {
  readonly plain: unknown

  constructor(plain: unknown, size: number) {
    super(size)
    this.plain = plain
  }
}

class RichPayload extends Sized {
  readonly rich: object

  constructor(rich: object, size: number) {
    super(size)
    this.rich = rich
  }
}

export function plainPayload(plain: unknown, size: number): InlinePayload {
  return new PlainPayload(plain, size)
}

export function richPayload(rich: object, size: number): InlinePayload {
  return new RichPayload(rich, size)
}

/** Characters, about. Of one that has arrived inline from another process nothing is known: 0. */
export function sizeOfPayload(payload: Payload): number {
  if (typeof payload === 'string') return payload.length
  if (payload instanceof PartsPayload) return payload.size
  return payload === undefined ? 0 : Sized.of(payload)
}
