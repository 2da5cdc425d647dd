/*
 * A handle that libuv has still to send must not be closed: its memory would be gone when it is read for that. Who writes one says so
 * here, and who closes one asks. Nothing else would know of both: a worker that is frozen holds what was sent to it back, while
 * another has taken the connection long since.
 */

interface Sending {
  /** Pipes that have not taken it yet. */
  pipes: number
  readonly after: (() => void)[]
}

const sendings = new WeakMap<object, Sending>()

/** It waits in a pipe, until what this gives is called. */
export function sending(handle: object): () => void {
  const known = sendings.get(handle) ?? { pipes: 0, after: [] }
  sendings.set(handle, known)
  known.pipes++
  return () => {
    if (--known.pipes > 0) return
    sendings.delete(handle)
    for (const run of known.after) run()
  }
}

/** Runs that when the handle waits in no pipe: nearly always at once. */
export function whenSent(handle: object, run: () => void): void {
  const known = sendings.get(handle)
  if (known) known.after.push(run)
  else run()
}
