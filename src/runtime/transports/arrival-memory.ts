/** Blocks of fewer bytes glibc has on its heap from the beginning (mallopt(3), M_MMAP_THRESHOLD). */
const MAPPED = 128 * 1024

/** V8 frees as much at once of what has arrived: 32 MiB (twice the young generation). */
const FREED_AT_ONCE = 32 * 1024 * 1024

let isRaised = false

/** Memory for bytes that arrive, of nobody else, at any alignment that a view may need, and of whatever content. */
export function arrivalMemory(bytes: number): Uint8Array {
  if (bytes >= MAPPED && !isRaised) {
    isRaised = true
    raiseTrimThreshold()
  }
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
}

/**
 * glibc gives what is free at the end of its heap back to the system, and maps it anew page by page for the next value: 140 page
 * faults for a megabyte, which take longer than to copy it. It keeps, though, twice the largest block that it has mapped by itself and
 * freed since (M_TRIM_THRESHOLD): so one is made and dropped. Nothing is written to it, which costs no memory; the process keeps up
 * to 32 MiB more of what it has freed. Other allocators have their own ways, and are not disturbed.
 */
function raiseTrimThreshold(): void {
  Buffer.allocUnsafeSlow(FREED_AT_ONCE / 2)
}
