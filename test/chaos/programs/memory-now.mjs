// Needs `--expose-gc`.

/**
 * Bytes that this process has: what it could not do without (`live`), and what it has taken from the system, which also grows
 * with how hard it works and does not shrink.
 * @returns {{ live: number, rss: number }}
 */
export function memoryNow() {
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { live: heapUsed + external, rss }
}
