/*
 * libuv reads a handle when it sends it, perhaps long after the write: closed before, its memory is gone. Who writes one says so here,
 * and who closes one asks: a frozen worker leaves what was sent to it in its pipe, while another has long taken the connection. It is
 * kept by the handle, not by a cluster: whoever closes one need not know to whom it was sent.
 */

interface Sending {
  /** Pipes that have not let go of it. */
  pipes: number
  readonly after: (() => void)[]
}

const sendings = new WeakMap<object, Sending>()

/** The handle waits in a pipe from now on; what this gives is to be called when the pipe has let go of it, sent or not. */
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

/** Calls that when the handle waits in no pipe: nearly always at once. */
export function whenSent(handle: object, run: () => void): void {
  const known = sendings.get(handle)
  if (known) known.after.push(run)
  else run()
}
